"""Optimizers and learning-rate schedules from the settings."""

from __future__ import annotations

from typing import Any

import keras

from hintlite.pipeline.settings.training import TrainingConfig


def build_optimizer(
    config: TrainingConfig, steps: int, learning_rate: float | None = None
) -> keras.optimizers.Optimizer:
    """A new optimizer for one phase.

    Args:
        config: names and constants. The warm-up takes the same share of any phase as of one of
            `config.epochs`, so that no phase is all warm-up.
        steps: steps of the whole phase, over which the rate decays.
        learning_rate: peak; the config's if None.
    """
    peak = learning_rate or config.learning_rate
    rate = _schedule(config, peak, steps, steps * config.warmup_epochs // config.epochs)
    common: dict[str, Any] = {
        "learning_rate": rate,
        "weight_decay": config.weight_decay or None,
        "global_clipnorm": config.clip_norm,
    }
    if config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=0.9, nesterov=True, **common)
    elif config.optimizer == "rmsprop":
        optimizer = keras.optimizers.RMSprop(**common)
    else:
        optimizer = keras.optimizers.Adam(**common)
    if config.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _schedule(config: TrainingConfig, peak: float, steps: int, warmup: int) -> Any:
    if config.schedule == "constant":
        return peak
    if warmup == 0:
        return keras.optimizers.schedules.CosineDecay(peak, max(steps, 1))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - warmup, 1), warmup_target=peak, warmup_steps=warmup
    )
