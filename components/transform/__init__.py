"""The TextTransform component: TFX's Transform with a vocabulary."""
