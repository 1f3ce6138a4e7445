"""Sharded records: the on-disk format, written and read."""
