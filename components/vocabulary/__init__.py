"""Counts tokens and makes the list of those that get an id."""
