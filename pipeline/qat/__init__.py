"""Quantization-aware fine-tuning of Keras 3 networks, through tf_keras and tfmot."""
