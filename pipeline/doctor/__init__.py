"""Checks whether this machine can run vaiven."""
