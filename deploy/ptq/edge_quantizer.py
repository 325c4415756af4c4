"""ai-edge-quantizer, told which operator gets which precision and which range each tensor has.

Its own calibration knows min-max ranges alone. It takes the outcome of a calibration as a plain
dict of tensor name -> smallest and largest value, and that is where ranges of our own go in.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from hintlite.deploy.convert.checks import ConversionError
from hintlite.deploy.ptq.estimators import Range
from hintlite.deploy.ptq.plan import Plan
from hintlite.deploy.ptq.precision import FLOAT, Precision, weight
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Graph, Operator

PACKAGE = "ai-edge-quantizer"
REQUIREMENT = "ai-edge-quantizer>=0.10,<0.11"
ALGORITHMS = {"minmax": "min_max_uniform_quantize", "octav": "OCTAV", "mse": "MSE"}
_NAMES = {"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}  # TFLite's name -> the package's

# Places of the activation and the bias among the inputs; the weights are the second everywhere.
_OPERANDS = {"TRANSPOSE_CONV": (2, 3)}  # the first is the shape of its output
_BIAS_MAX = 2.0**30  # half of what INT32 holds, so that rounding cannot reach its end

Scope = tuple[str, str]  # operation, output tensors


def require_package() -> None:
    """Refuses to go on without the package.

    Raises:
        ConversionError: with the command that installs it.
    """
    if importlib.util.find_spec("ai_edge_quantizer") is None:
        raise ConversionError(
            "Ranges, precisions and weights other than the converter's own need the package "
            f"{PACKAGE}: {sys.executable} -m pip install '{REQUIREMENT}'"
        )


def supports(operator: str, precision: Precision) -> bool:
    """Whether the package quantizes an operator to this precision; float it leaves as it is.

    Args:
        operator: TFLite's name of it.
        precision: any.
    """
    if precision is FLOAT:
        return True
    from ai_edge_quantizer import algorithm_manager, qtyping

    try:
        name = qtyping.TFLOperationName(_NAMES.get(operator, operator))
        algorithm_manager.check_op_quantization_config(
            algorithm_manager.AlgorithmName.MIN_MAX_UNIFORM_QUANT,
            name,
            qtyping.OpQuantizationConfig.from_dict(_config(precision)),
        )
    except ValueError:
        return False
    return True


def quantize_file(
    content: bytes, plan: Plan, ranges: Mapping[str, Range], weights: str = "minmax"
) -> bytes:
    """Quantize a float file.

    Args:
        content: the bytes of a float32 `.tflite` file.
        plan: the precision of each operator.
        ranges: tensor name -> range, for every activation.
        weights: how the ranges of weights are chosen, a key of `ALGORITHMS`.

    Returns:
        The bytes of the quantized file; operators of another precision than their neighbours have
        QUANTIZE or DEQUANTIZE between them.

    Raises:
        ConversionError: an operator that the package cannot quantize so, or one of its failures.
    """
    require_package()
    from ai_edge_quantizer import quantizer

    graph = read_model(content).main
    recipe = _recipe(graph, plan, weights)
    if not recipe:
        return content
    level = logging.getLogger("absl").level
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        # OCTAV and MSE divide by the step of a channel without weights; `check_biases` finds it.
        with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about memory, and rounding of such a step
            result = quantizer.Quantizer(content, recipe).quantize(
                _statistics(graph, plan, ranges),
                enable_progress_bar=False,
                enable_progress_report=False,
            )
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:400]
        raise ConversionError(f"{PACKAGE} refused the network: {reason}") from error
    finally:
        logging.getLogger("absl").setLevel(level)
    return bytes(result.quantized_model)


def _recipe(graph: Graph, plan: Plan, weights: str) -> list[dict[str, Any]]:
    """One rule an operator that is not float, found by the names of its output tensors."""
    scopes: list[tuple[Scope, Precision, str]] = [
        (("INPUT", _names(graph, graph.inputs)), plan.input, "minmax"),
        (("OUTPUT", _names(graph, graph.outputs)), plan.output, "minmax"),
    ]
    for operator in graph.operators:
        precision = plan.operators[operator.index]
        _check_supported(operator, precision)
        own = weights if weight(graph, operator) is not None else "minmax"
        name = _NAMES.get(operator.name, operator.name)
        scopes.append(((name, _names(graph, operator.outputs)), precision, own))
    return [
        {
            "regex": f"^{re.escape(names)}$",
            "operation": operation,
            "algorithm_key": ALGORITHMS[own],
            "op_config": _config(precision),
        }
        for (operation, names), precision, own in scopes
        if precision is not FLOAT
    ]


def _check_supported(operator: Operator, precision: Precision) -> None:
    if supports(operator.name, precision):
        return
    raise ConversionError(
        f"{PACKAGE} cannot make operator {operator.index} ({operator.name}) {precision.name}: "
        "replace that layer, or leave quantize.ranges, quantize.weight_ranges, "
        "quantize.activations and quantize.weights_bits at their defaults, with which the "
        "converter does the work alone."
    )


def _names(graph: Graph, indices: tuple[int, ...]) -> str:
    """The scope of an operator, as the package writes it."""
    return "".join(f"{graph.tensors[index].name};" for index in indices if index >= 0)


def _config(precision: Precision) -> dict[str, Any]:
    """INT16 kernels take symmetric activations alone; weights are symmetric, per channel."""
    return {
        "activation_tensor_config": {
            "num_bits": precision.activation_bits,
            "symmetric": precision.activation_bits == 16,
            "granularity": "TENSORWISE",
            "dtype": "INT",
        },
        "weight_tensor_config": {
            "num_bits": precision.weight_bits,
            "symmetric": True,
            "granularity": "CHANNELWISE",
            "dtype": "INT",
        },
        "compute_precision": "INTEGER",
        "explicit_dequantize": False,
    }


def _statistics(graph: Graph, plan: Plan, ranges: Mapping[str, Range]) -> dict[str, Any]:
    """What the package expects of a calibration: smallest and largest values by tensor name."""
    values = {
        name: {"min": np.array([low], np.float32), "max": np.array([high], np.float32)}
        for name, (low, high) in ranges.items()
    }
    for operator in graph.operators:
        precision = plan.operators[operator.index]
        if precision is not FLOAT:
            values |= _weight_statistics(graph, operator, precision, ranges)
    return values


def _weight_statistics(
    graph: Graph, operator: Operator, precision: Precision, ranges: Mapping[str, Range]
) -> dict[str, Any]:
    """Ranges of the weights, one a channel, wide enough for the bias.

    A bias has the step (input step) * (weight step). The package cuts it off at the ends of INT32
    with every precision: beside int16 activations it stores it as INT64, but fills no more of it.
    Where a channel's weights are all but 0 and its bias is not, that step would be too small to
    hold the bias.
    """
    kernel = weight(graph, operator)
    image, place = _OPERANDS.get(operator.name, (0, 2))
    if kernel is None or len(operator.inputs) <= place or operator.inputs[place] < 0:
        return {}
    channel = 3 if operator.name == "DEPTHWISE_CONV_2D" else 0
    axes = tuple(axis for axis in range(len(kernel.shape)) if axis != channel)
    values, bias = kernel.values(), graph.tensors[operator.inputs[place]]
    input_step = _step(ranges[graph.tensors[operator.inputs[image]].name], precision)
    shape = [1] * len(kernel.shape)
    shape[channel] = -1
    largest = 2 ** (precision.weight_bits - 1) - 1
    needed = (np.abs(bias.values()) * largest / (input_step * _BIAS_MAX)).reshape(shape)
    found = {
        "min": np.minimum(values.min(axis=axes, keepdims=True), -needed),
        "max": np.maximum(values.max(axis=axes, keepdims=True), needed),
    }
    return {kernel.name: {key: array.astype(np.float32) for key, array in found.items()}}


def _step(covered: Range, precision: Precision) -> float:
    """Of an activation with this range; INT16 activations are symmetric."""
    low, high = min(covered[0], 0.0), max(covered[1], 0.0)
    width = 2 * max(high, -low) if precision.grid.symmetric else high - low
    return max(width, 1e-9) / precision.grid.steps
