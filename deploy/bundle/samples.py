"""The samples of a bundle: raw inputs, what belongs to them, and as its file takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.bundle.manifest import inputs_of, limit_of
from hintlite.deploy.interpret.runtime import spec_of
from hintlite.deploy.tflite.graph import Array, Graph
from hintlite.deploy.tflite.quantization import normalize


@dataclass(frozen=True, eq=False)
class BundleSamples:
    """Samples of a bundle.

    Attributes:
        raw: one array [k, ...] an input, in the order of the file's inputs.
        labels: class indices [k]; None where nothing is chosen.
        expected: one array [k, ...] an output, in its own numbers; None for another file.
        limit: see `hintlite.deploy.bundle.manifest.choices`.
        normalizations: from raw to what each input stands for.
    """

    raw: list[Array]
    labels: NDArray[np.int64] | None
    expected: list[Array] | None
    limit: float | None
    normalizations: list[Mapping[str, Any]]

    def stored(self, graph: Graph) -> list[Array]:
        """The inputs as a file takes them, one array [k, ...] an input, in its own types."""
        return [
            spec_of(graph.tensors[index]).to_stored(normalize(raw, each["mean"], each["std"]))
            for index, raw, each in zip(graph.inputs, self.raw, self.normalizations, strict=True)
        ]


def read_samples(
    folder: Path, manifest: Mapping[str, Any], model: str, count: int | None = None
) -> BundleSamples:
    """The first samples of a bundle.

    Args:
        folder: the bundle.
        manifest: of it.
        model: file name, whose expected outputs are read.
        count: how many; all by default.
    """
    normalizations = [each["normalization"] for each in inputs_of(manifest)]
    outputs = manifest["models"].get(model, {}).get("outputs", [None])
    with np.load(folder / manifest["samples"]["file"], allow_pickle=False) as archive:
        raw = [archive[numbered("inputs", n)][:count] for n in range(len(normalizations))]
        names = [numbered(f"expected:{model}", n) for n in range(len(outputs))]
        there = set(names) <= set(archive.files)
        expected = [archive[name][:count] for name in names] if there else None
        labels = archive["labels"][:count] if "labels" in archive.files else None
    return BundleSamples(raw, labels, expected, limit_of(manifest, model), normalizations)


def named_arrays(
    raw: Sequence[Array], labels: Array | None, expected: Mapping[str, Sequence[Array]]
) -> dict[str, Array]:
    """What `read_samples` reads, by the names that it has in the archive.

    Args:
        raw: one array [k, ...] an input.
        labels: [k] class indices, or None.
        expected: file name -> one array [k, ...] an output.
    """
    arrays = {numbered("inputs", n): array for n, array in enumerate(raw)}
    if labels is not None:
        arrays["labels"] = labels.astype(np.int64)
    for model, outputs in expected.items():
        arrays |= {numbered(f"expected:{model}", n): array for n, array in enumerate(outputs)}
    return arrays


def numbered(name: str, place: int) -> str:
    """An array's name in the archive: the first of several has no number."""
    return f"{name}:{place}" if place else name
