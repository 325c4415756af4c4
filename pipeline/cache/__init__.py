"""The teacher's outputs, computed once for all trainings that read them."""
