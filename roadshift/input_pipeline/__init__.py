"""The input pipeline of a training: from shards to augmented batches."""
