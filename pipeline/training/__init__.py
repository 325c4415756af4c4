"""The training step, and what a training goes on from."""
