"""The layer's name in the long names that the converter gives tensors."""

from __future__ import annotations

import re

from hintlite.deploy.tflite.graph import Graph, Operator
from hintlite.deploy.tflite.inspect import is_parameter

# "network_1/relu0_1/Relu;network_1/conv0_1/convolution": scopes, then the operation; what was
# fused into one operator is joined by ";". Where the network's scope is numbered, so are all.
_NETWORK = re.compile(r"network(_\d+)?$")
_NUMBER = re.compile(r"_\d+$")
_KERNELS = frozenset({"convolution", "depthwise", "MatMul", "conv2d_transpose"})


def layer_name(graph: Graph, operator: Operator | None) -> str:
    """What to call an operator: the layer whose kernel it has, else the last one fused into it.

    Args:
        graph: that holds its tensors.
        operator: None stands for the model's input.
    """
    if operator is None:
        return "input"
    output = graph.tensors[operator.outputs[0]].name
    constants = [graph.tensors[index] for index in operator.inputs if index >= 0]
    names = [tensor.name for tensor in constants if is_parameter(tensor)] + [output]
    parts = [part for name in names for part in name.split(";")]
    weighted = [part for part in parts if part.rsplit("/", 1)[-1] in _KERNELS]
    return _layer(weighted[0] if weighted else output.split(";", 1)[0])


def _layer(part: str) -> str:
    scopes = [scope for scope in part.split("/") if scope]
    if len(scopes) > 1 and _NETWORK.match(scopes[0]):
        numbered = scopes[0] != "network"
        scopes = [_NUMBER.sub("", scope) if numbered else scope for scope in scopes[1:]]
    return "/".join(scopes[:-1] or scopes) or "unnamed"
