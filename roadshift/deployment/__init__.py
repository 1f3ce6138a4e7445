"""Exports networks to other runtimes, and compares them with the originals."""
