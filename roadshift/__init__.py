"""Measures, and narrows, the domain gap of street-scene segmentation networks."""
