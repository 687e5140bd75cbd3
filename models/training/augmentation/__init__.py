"""Data augmentation of the training rows, chosen by `training.augment`."""
