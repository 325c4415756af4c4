"""Running files of several inputs or outputs, in the order in which the model had them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hintlite.deploy.interpret.runtime import TensorSpec, spec_of
from hintlite.deploy.interpret.worker import shared_worker
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Array, Graph, Model, ModelError


def ends_of(
    content: bytes, inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """The ends of a file.

    Args:
        content: of the file.
        inputs, outputs: their names in its signature, in the order wanted.

    Raises:
        ModelError: it has others.
    """
    model = read_model(content)
    places = _places(model, inputs, outputs)
    ends = [[spec_of(model.main.tensors[index]) for index in each] for each in places]
    return ends[0], ends[1]


def real_answers(
    content: bytes, samples: Sequence[Array], inputs: Sequence[str], outputs: Sequence[str]
) -> list[Array]:
    """Real outputs of a foreign file for real inputs, in a process that it may end.

    Args:
        content: of the file.
        samples: one array [n, ...] an input, in the order of `inputs`.
        inputs, outputs: see `ends_of`.

    Returns:
        One array [n, ...] an output, in the order of `outputs`.
    """
    if len(inputs) == len(outputs) == 1:
        return [shared_worker().predict(content, np.asarray(samples[0], np.float32))]
    model = read_model(content)
    graph, (given, wanted) = model.main, _places(model, inputs, outputs)
    stored = {
        index: spec_of(graph.tensors[index]).to_stored(np.asarray(array, np.float32))
        for index, array in zip(given, samples, strict=True)
    }
    rows = [stored[index] for index in graph.inputs]
    found = shared_worker().tensors("litert", content, rows, list(wanted))
    return [_real(graph, index, array) for index, array in zip(wanted, found, strict=True)]


def _real(graph: Graph, index: int, array: Array) -> Array:
    spec = spec_of(graph.tensors[index])
    real: Array = spec.to_real(array.reshape(len(array), *spec.shape[1:]))
    return real


def _places(
    model: Model, inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    graph = model.main
    if len(inputs) == len(outputs) == len(graph.inputs) == len(graph.outputs) == 1:
        return graph.inputs, graph.outputs
    if not model.signatures:
        raise ModelError("The file has no signature that names its inputs and outputs.")
    signature = model.signatures[0]
    return _found(signature.inputs, inputs), _found(signature.outputs, outputs)


def _found(known: Mapping[str, int], names: Sequence[str]) -> tuple[int, ...]:
    if set(known) != set(names):
        raise ModelError(f"The file has the ends {', '.join(known)}, expected {', '.join(names)}.")
    return tuple(known[name] for name in names)
