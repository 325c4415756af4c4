"""The bundle and the file in it that `hintlite predict` asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hintlite.errors import DataError
from hintlite.pipeline.app.run.folder import RunError


@dataclass(frozen=True)
class Deployed:
    """A model of a bundle.

    Attributes:
        folder: the bundle.
        manifest: of the bundle.
        model: file name in it.
    """

    folder: Path
    manifest: dict[str, Any]
    model: str

    @property
    def labels(self) -> list[str]:
        """Class names in the order of the outputs."""
        labels: list[str] = self.manifest["task"]["labels"]
        return labels

    @property
    def several(self) -> bool:
        """Whether it takes several inputs, gives several outputs, or answers numbers."""
        return "inputs" in self.manifest["task"]


def deployed_at(place: Path) -> Deployed:
    """The bundle that a run, a bundle or a file in one stands for, and the file in it."""
    from hintlite.deploy.bundle.bundle import read_manifest
    from hintlite.deploy.bundle.deployed import is_bundle
    from hintlite.pipeline.app.run.not_a_run import without_bundle
    from hintlite.pipeline.app.run.stages.bundle import DEVICE

    folder = place.parent if place.suffix == ".tflite" else place
    if (folder / DEVICE).is_dir():
        folder = folder / DEVICE
    if place.is_file() and not is_bundle(folder):
        raise RunError(
            f"{place}: no manifest.json tells how its input is normalised and what its classes "
            "are called: name a run, a bundle, or a .tflite file inside a bundle"
        )
    if not is_bundle(folder):
        raise RunError(without_bundle(place))
    manifest = read_manifest(folder)
    model = place.name if place.suffix == ".tflite" else next(iter(manifest["models"]))
    if model not in manifest["models"]:
        raise RunError(f"{folder / 'manifest.json'} does not know {model}")
    return Deployed(folder, manifest, model)


def read_each(
    deployed: Deployed,
    samples: Sequence[tuple[Path, str | None]],
    read: Callable[[Path], Iterable[tuple[Mapping[str, Any], Any]]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Any]]:
    """Reads files; one that cannot be read does not stop the rest.

    Args:
        deployed: the model that they are for.
        samples: files, each with the name of its folder.
        read: a file -> what is told of each of its samples, and the samples.

    Returns:
        The answers so far, in order; those of them that have a sample; and the samples.
    """
    answers: list[dict[str, Any]] = []
    readable, raw = [], []
    for path, folder in samples:
        answer: dict[str, Any] = {"image": str(path)}
        if folder in deployed.labels:
            answer["folder"] = folder
        try:
            for told, sample in read(path):
                raw.append(sample)
                readable.append(answer | dict(told))
                answers.append(readable[-1])
        except DataError as error:
            answers.append(answer | {"error": str(error)})
    return answers, readable, raw
