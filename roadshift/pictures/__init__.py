"""Pictures of what went in and came out."""
