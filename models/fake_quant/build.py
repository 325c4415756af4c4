"""A functional Keras model with fake quantization, over the same weights."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from hintlite.errors import NetworkError
from hintlite.models.fake_quant.builder import Builder
from hintlite.models.fake_quant.calls import Call, Calls, calls_of
from hintlite.models.fake_quant.linear import LINEAR
from hintlite.models.fake_quant.ranges import FakeQuantize, computing
from hintlite.models.fake_quant.roles import RefusedError, Role, role_of
from hintlite.models.graph import check_functional, is_functional, model_nodes

logger = logging.getLogger(__name__)

_BATCH = 64  # samples at once
INPUT = "fake_quantized_input"
Roles = Mapping[Call, Role]


@dataclass(frozen=True)
class Ends:
    """Range of the values that a network is fed; None for what the samples show."""

    low: float | None = None
    high: float | None = None


def fake_quantized(
    model: keras.Model,
    bits: int | Mapping[str, int] = 8,
    ends: Ends = Ends(),
) -> keras.Model:
    """The same network with fake quantization: full INT8 in training already.

    Weights are rounded per channel, of dense and transposed layers with one scale for all,
    activations per tensor, where the file has an integer: behind a batch normalization and a ReLU,
    not between. Layers keep their names, nested models theirs, and outputs theirs.

    Args:
        model: functional model of one input.
        bits: of the weights, 8 or 4, for all layers or by path; layers that are not named have 8.
        ends: range of the input.

    Returns:
        Functional model over the variables of the given one. Ranges of activations are variables of
        its own, that move in training.

    Raises:
        NetworkError: the model's graph cannot be read; or layers that cannot be quantized, all at
            once; or a layer that `bits` names is not there or has no kernel.
    """
    check_functional(model)
    calls = calls_of(model)
    roles = _roles(model, calls)
    builder = Builder(calls, roles, _bits(bits, roles))
    image = keras.Input(batch_shape=model.inputs[0].shape, name=model.inputs[0].name)
    start = FakeQuantize(ends.low, ends.high, name=INPUT)(image)
    made = _rebuilt(model, {id(model.inputs[0]): start}, iter(calls.all), builder)
    return keras.Model(image, _outputs(model, made), name=model.name)


def _roles(model: keras.Model, calls: Calls) -> Roles:
    roles: dict[Call, Role] = {}
    refused: list[str] = []
    for call in calls.all:
        if call.training_only:
            continue
        try:
            roles[call] = role_of(call)
        except RefusedError as reason:
            kind = type(call.operation).__name__
            refused.append(f"{call.path!r} ({kind}): {reason}")
    unchanged = [call.path for call, role in roles.items() if role.kind == "pass"]
    told = f"{len(roles) - len(unchanged)} layers are quantized"
    if unchanged:
        told += f", {', '.join(unchanged)} pass without change"
    if refused:
        raise NetworkError(
            f"model {model.name!r} has {len(refused)} layers without fake quantization:\n  "
            + "\n  ".join(refused)
            + f"\n({told})"
        )
    logger.info("%s: %s", model.name, told)
    return roles


def _bits(given: int | Mapping[str, int], roles: Roles) -> Callable[[Call], int]:
    """Bits of a call's weights; 8 where a width for all is one that TFLite lacks for that layer."""
    named = given if isinstance(given, Mapping) else {}
    for value in named.values() if isinstance(given, Mapping) else [given]:
        if value not in (8, 4):
            raise NetworkError(f"bits: expected 8 or 4, got {value!r}")
    weighted = {call.path: call for call, role in roles.items() if role.kind == "weights"}
    for path, value in named.items():
        if path not in weighted:
            near = difflib.get_close_matches(path, weighted, n=3, cutoff=0.0)
            raise NetworkError(
                f"bits: there is no layer {path!r} with a kernel; the nearest are "
                f"{', '.join(map(repr, near))}"
            )
        if value not in _known_bits(weighted[path]):
            kind = weighted[path].kind
            raise NetworkError(f"bits: TFLite has no {kind} of {value} bits ({path!r}): leave it 8")
    if isinstance(given, Mapping):
        return lambda call: named.get(call.path, 8)
    return lambda call: given if given in _known_bits(call) else 8


def _known_bits(call: Call) -> tuple[int, ...]:
    return LINEAR[type(call.operation)].bits


def _rebuilt(
    model: keras.Model, tensors: dict[int, Any], calls: Iterator[Call], builder: Builder
) -> dict[int, Any]:
    """The tensors of a model, and of those nested in it, computed by other layers.

    Args:
        model: as it was.
        tensors: id of each of its inputs -> what takes its place.
        calls: those of `calls_of`, which are in the order of this walk.
        builder: makes the layers.
    """
    for node in model_nodes(model):
        if node.is_input:
            continue
        args, kwargs = node.arguments.fill_in(tensors)
        if is_functional(node.operation):
            layer = _nested(node.operation, calls, builder)
        else:
            call = next(calls)
            layer = builder.layer(call)
            if layer is not node.operation:
                args, kwargs = _tensors(call, tensors), {}
        made = keras.tree.flatten(layer(*args, **kwargs))
        tensors.update(zip(map(id, node.output_tensors), made, strict=True))
    return tensors


def _tensors(call: Call, tensors: Mapping[int, Any]) -> list[Any]:
    """What a layer of ours is called with: a tensor, or a list of them."""
    found = [tensors[id(tensor)] for tensor in call.node.input_tensors]
    return found if len(found) == 1 else [found]


def _nested(model: keras.Model, calls: Iterator[Call], builder: Builder) -> keras.Model:
    inputs = {id(t): keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in model.inputs}
    made = _rebuilt(model, dict(inputs), calls, builder)
    places = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    image = keras.tree.map_structure(lambda tensor: inputs[id(tensor)], places)
    return keras.Model(image, _outputs(model, made), name=model.name)


def _outputs(model: keras.Model, made: Mapping[int, Any]) -> Any:
    """The outputs in the model's own structure."""
    single = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    return keras.tree.map_structure(lambda tensor: made[id(tensor)], single)


def observe(model: keras.Model, samples: Any) -> None:
    """Widens the ranges of a fake-quantized network to what some samples show, in float.

    Args:
        model: from `fake_quantized`; nothing else of it changes.
        samples: [n, ...], as it is fed them.
    """
    with computing("observe"):
        for start in range(0, len(samples), _BATCH):
            model(keras.ops.convert_to_tensor(samples[start : start + _BATCH]), training=False)
