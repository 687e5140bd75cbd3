"""Reads files of pre-trained word vectors, and selects those that a vocabulary needs."""
