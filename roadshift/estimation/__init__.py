"""Says without labels what to expect of a network, and which images to label first."""
