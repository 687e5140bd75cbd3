"""A gateway: splits the traffic of callers that cannot split by themselves; it forwards bytes, not messages."""
