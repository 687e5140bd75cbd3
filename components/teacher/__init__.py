"""The Teacher component: a fine-tuned encoder scores the examples without labels."""
