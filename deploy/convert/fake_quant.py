"""A function with fake quantization to a full-INT8 file, without calibration.

The ranges are those of its `FakeQuantWithMinMaxVars` operations. The file is held to them: the
converter leaves operators in float, or changes scales, where it does not know a pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.convert.checks import ConversionError, require_full_int8
from hintlite.deploy.convert.convert import run_converter
from hintlite.deploy.convert.forms import converter_of
from hintlite.deploy.convert.frozen import End, Frozen, frozen
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Model, Tensor

_ACTIVATIONS, _WEIGHTS = "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel"
_TOLERANCE = 1e-4  # of a scale: the converter computes it in other steps
_INT32_END = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Grid:
    """What one fake quantization rounds to.

    Attributes:
        name: of its operation.
        scales: one, or one a channel.
        zero_point: of the integers from -2^(bits-1) on; 0 of a symmetric grid.
        bits: of the integers.
        weights: whether it rounds a constant.
    """

    name: str
    scales: NDArray[np.float64]
    zero_point: int
    bits: int
    weights: bool


def fake_quantized_file(
    call: Callable[..., Any], shape: tuple[int, ...], name: str = "input"
) -> bytes:
    """Converts a function whose values are fake-quantized.

    Args:
        call: float32 `[1, ...]` -> one tensor; to be traced once.
        shape: of one sample, with sizes that are all known.
        name: of the input, for messages.

    Returns:
        The bytes of a full-INT8 `.tflite` file.

    Raises:
        ConversionError: an operation that TFLite does not have; or the file is not what the
            fake quantization says: an operator in float, a scale or a number of bits of another
            value, a bias that the converter has spoiled.
    """
    import tensorflow as tf

    network = frozen(call, [End(name, shape)])
    converter = converter_of(network)
    # Without TFLITE_BUILTINS_INT8, which would demand calibration samples.
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    content = run_converter(converter)
    require_full_int8(content)
    faults = faults_of(read_model(content), grids(network))
    if faults:
        raise ConversionError(
            "The file is not what was trained: " + "; ".join(faults[:3]) + ". This is a fault of "
            "the converter for this network: convert it by calibration instead."
        )
    return content


def faults_of(model: Model, trained: Sequence[Grid]) -> list[str]:
    """What of a file is not as it was trained.

    Args:
        model: the file.
        trained: all grids of the function that it was made of.
    """
    return [*_grid_faults(model, trained), *_bias_faults(model)]


def grids(network: Frozen) -> list[Grid]:
    """What the fake quantizations of a frozen function round to, in its order."""
    import tensorflow as tf

    nodes = [node for node in network.graph.node if node.op in (_ACTIVATIONS, _WEIGHTS)]
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(network.graph, name=""), [])
    find = wrapped.graph.get_tensor_by_name
    ends = [[find(_tensor(name)) for name in node.input[1:3]] for node in nodes]
    values = wrapped.prune([], ends)() if nodes else []
    constant = _constants(network.graph)
    found = []
    for node, (low, high) in zip(nodes, values, strict=True):
        bits, narrow = int(node.attr["num_bits"].i), bool(node.attr["narrow_range"].b)
        least, most = np.asarray(low, np.float64), np.asarray(high, np.float64)
        scales = np.atleast_1d((most - least) / (2**bits - 1 - narrow))
        zero = 0 if narrow else round(float(-least / scales[0])) - 2 ** (bits - 1)
        weights = _node(node.input[0]) in constant
        found.append(Grid(node.name, scales, zero, bits, weights))
    return found


def _constants(graph: Any) -> set[str]:
    """Names of the nodes that no input leads to."""
    nodes = {node.name: node for node in graph.node}
    known: dict[str, bool] = {}

    def is_constant(name: str) -> bool:
        if name not in known:
            node = nodes[name]
            known[name] = node.op != "Placeholder" and all(
                is_constant(_node(each)) for each in node.input
            )
        return known[name]

    for node in graph.node:  # inputs first, so that the recursion stays flat
        is_constant(node.name)
    return {name for name, constant in known.items() if constant}


def _grid_faults(model: Model, trained: Sequence[Grid]) -> Iterator[str]:
    """Tensors with a scale, a zero point or a number of bits that nothing was trained with."""
    activations = {(grid.zero_point, float(grid.scales[0])) for grid in trained if not grid.weights}
    weights = np.concatenate([grid.scales for grid in trained if grid.weights] or [np.empty(0)])
    for tensor in model.main.tensors:
        if tensor.quantization is None or tensor.dtype not in ("INT8", "INT4"):
            continue
        if tensor.constant:
            scales = np.asarray(tensor.quantization.scales)
            if not all(_close(weights, scale).any() for scale in scales):
                yield f"the weights {tensor.name!r} have scales that were not trained"
        elif not _is_trained(tensor, activations):
            yield f"{tensor.name!r} has the scale {tensor.scale:.6g}, which was not trained"
    asked = sum(grid.bits == 4 for grid in trained if grid.weights)
    stored = sum(tensor.constant and tensor.dtype == "INT4" for tensor in model.main.tensors)
    if (asked == 0) != (stored == 0) or stored > asked:
        yield f"{stored} tensors have 4 bits, {asked} were asked for"


def _is_trained(tensor: Tensor, activations: set[tuple[int, float]]) -> bool:
    return any(
        zero == tensor.zero_point and _close(np.asarray(scale), tensor.scale)
        for zero, scale in activations
    )


def _close(trained: NDArray[np.float64], scale: float) -> NDArray[np.bool_]:
    return np.abs(trained - scale) <= _TOLERANCE * scale


def _bias_faults(model: Model) -> Iterator[str]:
    """Biases stored in the scale of channel 0, or beyond 32 bits."""
    for tensor in model.main.tensors:
        if not tensor.constant or tensor.dtype != "INT32" or tensor.quantization is None:
            continue
        stored, scales = tensor.values().ravel(), np.asarray(tensor.quantization.scales)
        if np.abs(stored.astype(np.int64)).max(initial=0) >= _INT32_END:
            yield f"the bias {tensor.name!r} does not fit 32 bits"
        elif stored.size > 1 and np.ptp(stored) == 0 and stored[0] and np.ptp(scales) > 0:
            yield f"the bias {tensor.name!r} has one integer for channels of other scales"


def _node(name: str) -> str:
    return name.split(":", maxsplit=1)[0].lstrip("^")


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"
