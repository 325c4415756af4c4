"""Runs done by a pool of processes."""
