"""A network as plain data: what crosses from Keras 3 to the process where Keras 2 lives.

Importing tensorflow-model-optimization switches a whole process to `tf_keras`, so nothing of either
Keras can cross; names, numbers, lists and arrays can.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.errors import HintliteError

Array = NDArray[Any]
GRAPH, WEIGHTS = "network.json", "network.npz"


class CarryError(HintliteError):
    """A network that cannot be carried over; the text names the layer and a way round."""


@dataclass(frozen=True)
class Step:
    """One call of one layer.

    Attributes:
        name: unique; a tensor is named after the step that makes it.
        kind: class name of the layer in `tf_keras`, or one of our own (see rebuild.py).
        inputs: names of the tensors that it is called with, in order.
        settings: its constructor's arguments.
        weights: its variables, in the order of `layer.get_weights()`.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Blueprint:
    """A network with one input and one output.

    Attributes:
        input: name of the input tensor.
        input_shape: (h, w, c).
        steps: in an order in which they can be called.
        output: name of the tensor that comes out.
        left_out: layers of the network that do nothing in inference, as 'flip' (RandomFlip).
    """

    input: str
    input_shape: tuple[int, ...]
    steps: tuple[Step, ...]
    output: str
    left_out: tuple[str, ...] = ()

    def consumers(self, name: str) -> list[Step]:
        """The steps that read a tensor."""
        return [step for step in self.steps if name in step.inputs]

    def maker(self, name: str) -> Step | None:
        """The step that makes a tensor; None for the input."""
        return next((step for step in self.steps if step.name == name), None)


def save(blueprint: Blueprint, folder: Path) -> None:
    """Writes network.json and network.npz."""
    plain = asdict(replace(blueprint, steps=()))
    plain["steps"] = [
        {"name": s.name, "kind": s.kind, "inputs": s.inputs, "settings": dict(s.settings)}
        for s in blueprint.steps
    ]
    arrays = {f"{s.name}/{i}": w for s in blueprint.steps for i, w in enumerate(s.weights)}
    np.savez(folder / WEIGHTS, allow_pickle=False, **arrays)
    (folder / GRAPH).write_text(json.dumps(plain))


def load(folder: Path) -> Blueprint:
    """Reads what `save` wrote."""
    plain = json.loads((folder / GRAPH).read_text())
    with np.load(folder / WEIGHTS, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    steps = []
    for step in plain.pop("steps"):
        count = sum(name.rpartition("/")[0] == step["name"] for name in arrays)
        weights = tuple(arrays[f"{step['name']}/{i}"] for i in range(count))
        step["inputs"] = tuple(step["inputs"])
        steps.append(Step(**step, weights=weights))
    for name in ("input_shape", "left_out"):
        plain[name] = tuple(plain[name])
    return Blueprint(**plain, steps=tuple(steps))
