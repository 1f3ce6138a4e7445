"""A street world drawn from a seed: the data set that needs no download.

A domain is a `WorldSettings`: camera, layout, light, palette, texture, weather, sensor. `render`
draws one of its pictures with its exact label. A scene is set out in metres, seen by a pinhole
camera, drawn as flat faces by their order in depth, and shaded pixel by pixel.
"""
