"""TFLite interpreters, in processes that may die."""
