"""Asks a real server before a model is pushed."""
