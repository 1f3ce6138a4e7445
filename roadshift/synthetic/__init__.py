"""Synthetic street images with exact labels, drawn from a seed: data sets without a download.

A `WorldSettings` describes one domain: camera, layout, light, palette, texture, weather, sensor.
`render` draws one image and its label. A scene is laid out in metres, projected by a pinhole
camera, drawn as flat faces from far to near, and shaded pixel by pixel.
"""
