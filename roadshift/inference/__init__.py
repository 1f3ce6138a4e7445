"""Runs trained networks on whole images: resizing, views, tiles, test-time adaptation, scoring."""
