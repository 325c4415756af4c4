"""A run's folder, its stages and the commands that work on it."""
