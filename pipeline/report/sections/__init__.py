"""One section of the page a file; registry.py names them all."""
