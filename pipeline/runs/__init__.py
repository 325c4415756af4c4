"""What a run folder holds: its names, its records, and how it is read. No TensorFlow."""
