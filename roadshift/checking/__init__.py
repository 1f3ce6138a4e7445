"""Opens a whole data set before any work, and lists everything that is wrong with it."""
