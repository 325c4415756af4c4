"""Data: sources, checks, splits and batches; the test set opens through held_out alone."""
