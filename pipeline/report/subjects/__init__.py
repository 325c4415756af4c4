"""What the page says, one subject a file: its facts, from a run's files, and its section."""
