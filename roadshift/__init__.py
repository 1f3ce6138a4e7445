"""Measures and narrows the domain gap of street-scene segmentation networks."""

__version__ = "0.2.0"
