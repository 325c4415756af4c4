"""Quantization-aware fine-tuning as a stage of a run."""
