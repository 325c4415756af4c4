"""Where the error of an INT8 file comes from: each operator against the float network."""
