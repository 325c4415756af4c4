"""The report of a study: the page, the same as Markdown and JSON, and its pictures."""
