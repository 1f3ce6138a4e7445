"""Runs a network on images that are not in the workflow."""
