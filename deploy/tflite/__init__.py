"""Reading .tflite files: operators, tensors, costs, memory."""
