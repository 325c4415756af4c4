"""Keras to TFLite, float and INT8, and the checks of the result."""
