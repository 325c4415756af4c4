"""Running files of several inputs or outputs, in the order in which the model had them."""

from __future__ import annotations

from collections.abc import Sequence

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


def end_names(model: Model) -> tuple[list[str], list[str]]:
    """The names of a file's inputs and outputs, in the order of its graph.

    Those of its signature; of its tensors where it has none.
    """
    signature = model.signatures[0] if model.signatures else None
    found = []
    for indices, named in (
        (model.main.inputs, signature.inputs if signature else {}),
        (model.main.outputs, signature.outputs if signature else {}),
    ):
        names = {index: name for name, index in named.items()}
        found.append([names.get(index, model.main.tensors[index].name) for index in indices])
    return found[0], found[1]


def plain(name: str) -> str:
    """A name as a signature has it."""
    return "".join(char if char.isalnum() else "_" for char in name)


def _places(
    model: Model, inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    graph, found = model.main, end_names(model)
    return _found(found[0], graph.inputs, inputs, model), _found(
        found[1], graph.outputs, outputs, model
    )


def _found(
    known: Sequence[str], indices: Sequence[int], names: Sequence[str], model: Model
) -> tuple[int, ...]:
    if len(known) == len(names) and (len(known) == 1 or not model.signatures):
        return tuple(indices)  # nothing names them: they are told in the file's order
    places = dict(zip(map(plain, known), indices, strict=True))
    if set(places) != {plain(name) for name in names}:
        raise ModelError(f"The file has the ends {', '.join(known)}, expected {', '.join(names)}.")
    return tuple(places[plain(name)] for name in names)
