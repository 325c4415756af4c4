"""Templates of the files for a TFLM project."""
