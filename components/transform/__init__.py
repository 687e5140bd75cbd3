"""TFX's Transform, given the vocabulary."""
