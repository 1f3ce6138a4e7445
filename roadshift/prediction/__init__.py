"""Using a network on pictures that are not in the workflow."""
