"""Networks with fake quantization in Keras itself, for training, and their folded form."""
