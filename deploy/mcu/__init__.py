"""Files for microcontroller projects that run a model with TensorFlow Lite Micro."""
