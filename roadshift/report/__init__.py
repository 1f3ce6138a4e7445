"""What a run comes to, for people: sentences, tables, charts and pictures of its report."""
