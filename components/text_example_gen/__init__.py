"""From tables and texts to examples in splits."""
