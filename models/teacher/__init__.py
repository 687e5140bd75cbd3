"""A teacher: a pre-trained encoder that is fine-tuned on the training rows, and scores text without labels."""
