"""What is measured on held-out rows, and which bounds bless a model."""
