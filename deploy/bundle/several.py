"""Bundles of files of several inputs or outputs, or whose answer is no class but numbers.

The manifest has the inputs in "task", and the outputs beside each model, in the order in which the
file has them, which is the order of `get_input_details()` on the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.bundle.contents import check_names, check_raw
from hintlite.deploy.bundle.manifest import BundleError, normalization_entry
from hintlite.deploy.bundle.parts import (
    BundleParts,
    checked_target,
    end_entry,
    model_entry,
    write_parts,
)
from hintlite.deploy.bundle.samples import BundleSamples, named_arrays
from hintlite.deploy.interpret.runtime import spec_of
from hintlite.deploy.interpret.several import end_names, plain
from hintlite.deploy.interpret.worker import shared_worker
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Array, Model


@dataclass(frozen=True, eq=False)
class Given:
    """One input of a bundle's model.

    Attributes:
        name: as the file's signature calls it.
        raw: samples [k, ...] in the raw type, k >= 1.
        normalization: see `hintlite.deploy.bundle.bundle.write_bundle`.
    """

    name: str
    raw: Array
    normalization: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Choice:
    """The output of a bundle's model that chooses a class.

    Attributes:
        output: its name in the file's signature.
        labels: the classes' names.
        indices: of the samples' classes, [k].
        threshold: see `hintlite.deploy.bundle.bundle.write_bundle`.
    """

    output: str
    labels: Sequence[str]
    indices: NDArray[Any]
    threshold: float | None = None


def write_several(
    folder: str | Path,
    name: str,
    content: bytes,
    *,
    inputs: Sequence[Given],
    choice: Choice | None = None,
    bench_script: str | Path | bytes,
    provenance: Mapping[str, Any],
) -> Path:
    """Write a bundle, whole or not at all; a bundle that is already there is replaced.

    Args:
        folder: to write; new, empty, or an older bundle without files of other origin.
        name: of the model's file; content: its bytes.
        inputs: one entry an input, in any order.
        choice: where an output chooses a class.
        bench_script: the bytes or the path of `bench_tflite.py`.
        provenance: anything JSON can hold.

    Returns:
        The folder.

    Raises:
        BundleError: names, shapes or types that do not fit together, or a folder that holds
            something else.
        ModelError: a model that is damaged or that the reference kernels cannot run.
    """
    target = checked_target(folder)
    labels = [] if choice is None else list(choice.labels)
    check_names({name: content}, labels)
    model = read_model(content)
    taken, given = end_names(model)
    known = {plain(each.name): each for each in inputs}
    if len(known) < len(inputs) or set(known) != set(map(plain, taken)):
        raise BundleError(
            f"{name} has the inputs {', '.join(taken)}; samples are given for {', '.join(known)}"
        )
    ordered = [known[plain(each)] for each in taken]
    entries, entry = _inputs(name, model, ordered), model_entry(content)
    outputs = [
        {"name": each, **end_entry(spec_of(model.main.tensors[index]))}
        for each, index in zip(given, model.main.outputs, strict=True)
    ]
    task: dict[str, Any] = {
        "labels": labels,
        "input_shape": entries[0]["shape"],
        "inputs": entries,
    }
    answer = 0
    if choice is not None:
        answer = _answer(name, given, outputs, choice)
        task["answer"] = answer
        if choice.threshold is not None:
            task["threshold"] = choice.threshold
    indices = None if choice is None else choice.indices
    limit = None if choice is None else choice.threshold
    fed = BundleSamples(
        [e.raw for e in ordered], indices, None, None, [e.normalization for e in ordered]
    )
    expected = shared_worker().tensors(
        "litert", content, fed.stored(model.main), list(model.main.outputs)
    )
    shaped = [
        array.reshape(len(array), *each["shape"][1:])
        for array, each in zip(expected, outputs, strict=True)
    ]
    parts = BundleParts(
        task=task,
        normalization=entries[0]["normalization"],
        entries={
            name: {
                **entry,
                "input": end_entry(spec_of(model.main.tensors[model.main.inputs[0]])),
                "output": end_entry(spec_of(model.main.tensors[model.main.outputs[answer]]), limit),
                "outputs": outputs,
            }
        },
        arrays=named_arrays(fed.raw, indices, {name: shaped}),
        kernels="reference",
    )
    return write_parts(target, {name: content}, parts, bench_script, provenance)


def _inputs(name: str, model: Model, ordered: Sequence[Given]) -> list[dict[str, Any]]:
    entries = []
    count = len(ordered[0].raw)
    for each, index in zip(ordered, model.main.inputs, strict=True):
        shape = spec_of(model.main.tensors[index]).shape[1:]
        check_raw(each.raw, shape, each.normalization)
        if len(each.raw) != count:
            raise BundleError(
                f"{name}: {len(each.raw)} samples for the input {each.name}, expected {count}"
            )
        entries.append(
            {
                "name": each.name,
                "shape": list(shape),
                "normalization": normalization_entry(each.normalization),
            }
        )
    return entries


def _answer(
    name: str, given: Sequence[str], outputs: Sequence[Mapping[str, Any]], choice: Choice
) -> int:
    """The number of the output that chooses."""
    places = [plain(each) for each in given]
    if plain(choice.output) not in places:
        raise BundleError(f"{name} has the outputs {', '.join(given)}, no {choice.output}")
    answer = places.index(plain(choice.output))
    wanted = 1 if choice.threshold is not None else len(choice.labels)
    size = int(np.prod(outputs[answer]["shape"][1:]))
    if size != wanted:
        raise BundleError(
            f"{name}: the output {choice.output} has {size} values, expected {wanted} for the "
            f"labels {', '.join(choice.labels)}"
        )
    return answer
