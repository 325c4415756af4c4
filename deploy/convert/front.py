"""What a network does to its input first, as far as it is affine: `y = (x - mean) / std`.

Rescaling, Normalization and `x / 127.5 - 1` are operators like any other. In a file they would
cost time and a rounding of their own; as a part of the input's quantization they cost nothing, and
the device feeds raw values (Jacob et al. 2018, arXiv 1712.05877, equation 1: any affine map of real
values is one of the integers that stand for them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.convert.frozen import Frozen, between
from hintlite.deploy.tflite.graph import Array

Floats = NDArray[np.float64]
_ALIKE = ("Identity", "StopGradient", "PreventGradient", "CheckNumerics", "EnsureShape")


@dataclass(frozen=True)
class Affine:
    """`y = (x - mean) / std`, one number of each a channel; std is above 0.

    Attributes:
        mean, std: in units of x.
        operators: names of those that compute it.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    operators: tuple[str, ...] = ()

    @classmethod
    def of(cls, line: Line, operators: Sequence[str]) -> Affine:
        """From slope and offset."""
        mean, std = -line.offset / line.slope, 1 / line.slope
        return cls(tuple(map(float, mean)), tuple(map(float, std)), tuple(operators))


@dataclass(frozen=True)
class Line:
    """`y = slope * x + offset`, each [channels]."""

    slope: Floats
    offset: Floats

    def followed(self, step: Step, constant: Array, first: bool) -> Line | None:
        """The line behind one more operator; None where it is none that rises.

        Args:
            step: of `STEPS`.
            constant: the other operand.
            first: whether it is the left one.
        """
        channels = len(self.slope)
        if constant.size not in (1, channels):
            return None
        if constant.size > 1 and constant.shape[-1] != channels:
            return None
        by_channel = np.broadcast_to(constant.astype(np.float64).ravel(), (channels,))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = step(self, by_channel, first)
        finite = np.isfinite(found.slope).all() and np.isfinite(found.offset).all()
        return found if finite and (found.slope > 0).all() else None


Step = Callable[[Line, Floats, bool], Line]


# Operator -> (the line so far, the constant, whether the constant stands first) -> the next line.
STEPS: Mapping[str, Step] = {
    **dict.fromkeys(
        ("Add", "AddV2", "BiasAdd"), lambda line, c, _: Line(line.slope, line.offset + c)
    ),
    "Mul": lambda line, c, _: Line(line.slope * c, line.offset * c),
    "Sub": lambda line, c, first: (
        Line(-line.slope, c - line.offset) if first else Line(line.slope, line.offset - c)
    ),
    "RealDiv": lambda line, c, first: (
        Line(line.slope * np.nan, line.offset) if first else Line(line.slope / c, line.offset / c)
    ),
}


def split_fronts(whole: Frozen) -> tuple[Frozen, tuple[Affine | None, ...]]:
    """Takes the affine operators at the inputs off a network.

    Args:
        whole: as it was trained.

    Returns:
        The network that is fed `y` in the place of each `x`, and for each input what was taken
        off; None where the network begins otherwise.
    """
    if whole.graph is None:
        return whole, (None,) * len(whole.inputs)
    nodes = {node.name: node for node in whole.graph.node}
    starts, fronts = [], []
    for end, place in zip(whole.inputs, whole.places[0], strict=True):
        start, front = _front(whole, nodes, place, end.shape[-1] if end.shape else 1)
        starts.append(start)
        fronts.append(front)
    if not any(fronts):
        return whole, tuple(fronts)
    call = between(whole, starts)
    return replace(whole, call=call, places=(tuple(starts), whole.places[1])), tuple(fronts)


def _front(
    whole: Frozen, nodes: Mapping[str, Any], place: str, channels: int
) -> tuple[str, Affine | None]:
    """Follows one input as long as one affine operator alone reads what there is."""
    line = Line(np.ones(channels), np.zeros(channels))
    here, passed = place, list[str]()
    while True:
        readers = [node for node in nodes.values() if here in map(_tensor, node.input)]
        following = _next(whole, nodes, readers[0], here, line) if len(readers) == 1 else None
        if following is None:
            break
        line, here = following, f"{readers[0].name}:0"
        if readers[0].op not in _ALIKE:
            passed.append(readers[0].name)
    trivial = np.array_equal(line.slope, np.ones(channels)) and not line.offset.any()
    if trivial or here in whole.places[1]:
        return place, None
    return here, Affine.of(line, passed)


def _next(whole: Frozen, nodes: Mapping[str, Any], node: Any, here: str, line: Line) -> Line | None:
    if node.op in _ALIKE or (node.op == "Cast" and node.attr["SrcT"] == node.attr["DstT"]):
        return line
    operands = [_tensor(name) for name in node.input if not name.startswith("^")]
    if node.op not in STEPS or len(operands) != 2 or operands[0] == operands[1]:
        return None
    other = operands[1 - operands.index(here)]
    constant = _constant(whole, nodes, other)
    if constant is None:
        return None
    return line.followed(STEPS[node.op], constant, operands.index(here) == 1)


def _constant(whole: Frozen, nodes: Mapping[str, Any], name: str) -> Any:
    """The value of a tensor that no input leads to; None of any other."""
    import tensorflow as tf

    stack, seen = [name], set[str]()
    while stack:
        node = nodes[stack.pop().split(":")[0].lstrip("^")]
        if node.op == "Placeholder":
            return None
        if node.name not in seen:
            seen.add(node.name)
            stack.extend(node.input)
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(whole.graph, name=""), [])
    value = np.asarray(wrapped.prune([], wrapped.graph.get_tensor_by_name(name))())
    return value if value.dtype.kind == "f" else None


def _tensor(name: str) -> str:
    return name if ":" in name or name.startswith("^") else f"{name}:0"
