"""Measuring models on targets."""
