"""What a language model is worth on held-out text, whether it may be pushed, and what it writes."""
