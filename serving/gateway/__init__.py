"""A gateway that splits the traffic of callers that cannot split it themselves; it forwards bytes, not messages."""
