"""Scales for which TFLite's kernels abort the whole process instead of reporting an error."""

from __future__ import annotations

from hintlite.deploy.tflite.graph import Graph, ModelError, Operator

_INTEGER_DTYPES = frozenset({"INT8", "UINT8", "INT16"})
# Outside these, multipliers leave the range of a 31-bit shift in several kernels.
_SMALLEST, _LARGEST = 1e-12, 1e6
# ADD and SUB compute 2 * (largest input scale) / (2**20 * output scale) and abort from 1 upwards
# (tensorflow/lite/kernels/add.cc, QuantizeMultiplierSmallerThanOneExp).
_LARGEST_RATIO = 2.0**19


def check_scales(graph: Graph) -> None:
    """Refuse a graph whose quantized tensors have scales that no kernel can work with.

    Args:
        graph: the graph that the interpreter will run.

    Raises:
        ModelError: names the tensor or the operator.
    """
    for tensor in graph.tensors:
        # Weights are left out: some converters give a channel of zeros any scale.
        if tensor.quantization is None or tensor.constant or tensor.dtype not in _INTEGER_DTYPES:
            continue
        smallest, largest = min(tensor.quantization.scales), max(tensor.quantization.scales)
        if not (smallest >= _SMALLEST and largest <= _LARGEST):
            raise ModelError(
                f"Tensor {tensor.index} ({tensor.name}) has a scale of {smallest:.3g} to "
                f"{largest:.3g}; real ones lie between {_SMALLEST:g} and {_LARGEST:g}. The file "
                "is damaged, or its converter is at fault."
            )
    for operator in graph.operators:
        if operator.name in {"ADD", "SUB"}:
            _check_sum(graph, operator)


def _check_sum(graph: Graph, operator: Operator) -> None:
    ends = [graph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
    scales = [end.quantization.scales[0] for end in ends if end.quantization is not None]
    if len(scales) == 3 and max(scales[:2]) >= _LARGEST_RATIO * scales[2]:
        raise ModelError(
            f"Operator {operator.index} ({operator.name}) adds steps of {max(scales[:2]):.3g} into "
            f"steps of {scales[2]:.3g}, which no kernel can do: its output was 0 throughout "
            "calibration. Convert again with other calibration samples."
        )
