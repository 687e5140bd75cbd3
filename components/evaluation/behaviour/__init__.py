"""Behavioural tests of a classifier in the form of CheckList (Ribeiro et al. 2020)."""
