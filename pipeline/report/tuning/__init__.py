"""The report of a tuning: the page, its figures as JSON, and its pictures."""
