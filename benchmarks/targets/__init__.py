"""Targets: where a model is benchmarked."""
