"""Fake quantization in a `tf_keras` model, by tensorflow-model-optimization.

Its 8-bit scheme: weights symmetric per channel (convolutions) or per tensor, activations
asymmetric per tensor with moving averages of minimum and maximum (Jacob et al. 2018, arXiv
1712.05877, section 3). Depthwise kernels, too, have a range for each channel, which they have not
in tfmot's own scheme (see hintlite.pipeline.qat.depthwise).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow_model_optimization as tfmot
import tf_keras
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_configs,
    default_8bit_quantize_registry,
)

from hintlite.pipeline.qat.blueprint import Blueprint, CarryError, Step
from hintlite.pipeline.qat.depthwise import DepthwiseConfig, Scheme
from hintlite.pipeline.qat.hard_swish import HardSwish

_QAT = tfmot.quantization.keras
_OUTPUT_ONLY = default_8bit_quantize_configs.Default8BitOutputQuantizeConfig
_BY_CHANNEL = default_8bit_quantize_registry.Default8BitConvQuantizeConfig
_BY_TENSOR = default_8bit_quantize_registry.Default8BitQuantizeConfig
_OWN = {"HardSwish": HardSwish, "DepthwiseConfig": DepthwiseConfig}
# Layers that tfmot knows nothing of: their output gets a range of its own.
_OUTPUTS = ("Maximum", "Multiply", "HardSwish")
# Weights of layers whose own output gets none.
_WEIGHTS_ONLY: dict[str, Callable[[], Any]] = {
    "Conv2D": lambda: _BY_CHANNEL(["kernel"], [], False),
    "DepthwiseConv2D": lambda: DepthwiseConfig(["depthwise_kernel"], [], False),
    "Dense": lambda: _BY_TENSOR(["kernel"], [], False),
}


def with_fake_quantization(model: tf_keras.Model, blueprint: Blueprint) -> tf_keras.Model:
    """The model with quantizers at its weights and activations, ready to be fine-tuned.

    Args:
        model: from `hintlite.pipeline.qat.rebuild.rebuild`.
        blueprint: what it was built from.

    Raises:
        CarryError: tfmot refuses a layer; the text names it.
    """
    steps = {step.name: step for step in blueprint.steps}

    def annotated(layer: Any) -> Any:
        step = steps.get(layer.name)
        config = None if step is None else _own_config(step, blueprint)
        return layer if config is None else _QAT.quantize_annotate_layer(layer, config)

    try:
        with _QAT.quantize_scope(_OWN):
            marked = tf_keras.models.clone_model(model, clone_function=annotated)
            return _QAT.quantize_apply(_QAT.quantize_annotate_model(marked), scheme=Scheme())
    except (ValueError, RuntimeError) as error:
        raise CarryError(f"tensorflow-model-optimization refuses this network: {error}") from error


def _own_config(step: Step, blueprint: Blueprint) -> Any:
    """A config of our own where tfmot has none, or one that costs accuracy."""
    if step.kind in _OUTPUTS:
        return _OUTPUT_ONLY(quantize_output=True)
    readers = blueprint.consumers(step.name)
    if step.kind in _WEIGHTS_ONLY and [reader.kind for reader in readers] == ["Maximum"]:
        # The pieces of a maxout take the scale of the maximum, whose INT8 kernel has one for all.
        return _WEIGHTS_ONLY[step.kind]()
    return None
