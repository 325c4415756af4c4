"""Every setting of a run, as frozen dataclasses. Nothing here imports Keras or TensorFlow."""
