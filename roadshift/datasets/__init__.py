"""Data sets: their cards, how their files are got and read, and their remapped labels."""
