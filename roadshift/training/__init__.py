"""Losses, regularization, and the loop that trains and selects."""
