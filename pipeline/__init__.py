"""Training: data, distillation, and the application that runs the line."""
