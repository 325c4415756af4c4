"""`hintlite qat`: a user's own Keras model, fine-tuned for INT8."""
