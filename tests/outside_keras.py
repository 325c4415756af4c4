"""A loss of keras.distillation as an arm, through the adapter."""

import keras

from hintlite.pipeline.methods.keras_loss import KerasLoss


def keras_kd(config, teacher, student):
    """Keras' own loss on the logits."""
    return KerasLoss(keras.distillation.LogitsDistillation(4.0, keras.losses.KLDivergence()), 0.9)
