"""What a linear model reaches on the same rows."""
