"""Rollouts: which version users get, controlled by the label `stable` through the server's ModelService.

This package stores no state of its own: the server's labels and the split file are the state of a rollout.
"""
