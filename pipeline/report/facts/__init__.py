"""What the page says, taken from a run's files: one subject a file."""
