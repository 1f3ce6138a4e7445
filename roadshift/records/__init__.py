"""Sharded records: writing and reading them, and the input pipeline that feeds a training."""
