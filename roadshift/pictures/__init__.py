"""Draws inputs and outputs: overlays, contact sheets, charts."""
