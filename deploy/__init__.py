"""INT8 conversion, verification, inspection and packaging."""
