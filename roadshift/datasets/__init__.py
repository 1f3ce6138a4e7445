"""Data sets: cards, encodings, images, samples, splits and remapped labels."""
