"""Segmentation networks: pretrained encoders, decoders, and their files."""
