"""Download of data sets: archives, a user's own folder, TensorFlow Datasets."""
