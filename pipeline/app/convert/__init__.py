"""`hintlite convert`: a trained model of the user's own to a `.tflite` file; nothing is trained."""
