"""The report of a run, for people: sentences, tables, charts, images and the page."""
