"""What `hintlite predict` tells of a file of several ends, or that answers numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from hintlite.errors import DataError
from hintlite.pipeline.app.look.deployed import Deployed, read_each
from hintlite.pipeline.app.look.show import console

AT_ONCE = 64  # samples that are read before they are asked for
FEW = 8  # values that a line of the table shows


def valued(
    deployed: Deployed, samples: Sequence[tuple[Path, str | None]], save: Path | None
) -> Iterator[dict[str, Any]]:
    """One answer a sample: the values of every output as real numbers, and the class if any.

    Args:
        deployed: the model.
        samples: from `listed`.
        save: folder for NAME.OUTPUT.npy; else the values are part of the answer.
    """
    stems = _stems([path for path, _ in samples])
    for start in range(0, len(samples), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        for answer, stem in zip(_answered(deployed, samples[part]), stems[part], strict=True):
            outputs = answer.pop("outputs", None)
            if outputs is not None and save is None:
                answer["outputs"] = {name: array.tolist() for name, array in outputs.items()}
            elif outputs is not None and save is not None:
                answer["saved"] = [
                    str(_saved(save / f"{stem}.{name}.npy", array))
                    for name, array in outputs.items()
                ]
            yield answer


def _answered(
    deployed: Deployed, samples: Sequence[tuple[Path, str | None]]
) -> list[dict[str, Any]]:
    from hintlite.deploy.bundle.answers import real_outputs
    from hintlite.deploy.bundle.manifest import answer_of

    answers, readable, raw = read_each(
        deployed, samples, lambda path: [({}, _read(deployed, path))]
    )
    if not raw:
        return answers
    whole = [np.concatenate(column) for column in zip(*raw, strict=True)]
    outputs = real_outputs(deployed.folder, deployed.manifest, deployed.model, whole)
    place = answer_of(deployed.manifest)
    for row, answer in enumerate(readable):
        answer["outputs"] = {name: array[row] for name, array in outputs.items()}
        if deployed.labels and place is not None:
            answer.update(_chosen(deployed, list(outputs.values())[place][row]))
    return answers


def _stems(paths: Sequence[Path]) -> list[str]:
    """One name a sample; those of one name get the number of their place."""
    names = [path.stem for path in paths]
    return [
        name if names.count(name) == 1 else f"{name}_{place}" for place, name in enumerate(names)
    ]


def _saved(path: Path, array: np.ndarray) -> Path:
    from hintlite.files import writing

    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as file:
        np.save(file, array)
    return path


def _chosen(deployed: Deployed, values: np.ndarray) -> dict[str, Any]:
    """The class, and how sure the file is of it."""
    from hintlite.deploy.bundle.predict import probabilities

    threshold = deployed.manifest["task"].get("threshold")
    sums_to_one = values.min() >= 0 and abs(float(values.sum()) - 1) < 0.02  # ends in a softmax
    found = probabilities(values.reshape(1, -1), threshold, sums_to_one)[0]
    first, second = found.argsort()[::-1][:2]
    return {
        "label": deployed.labels[first],
        "probability": float(found[first]),
        "next": deployed.labels[second],
        "next_probability": float(found[second]),
    }


def _read(deployed: Deployed, path: Path) -> list[np.ndarray]:
    """Raw values of one sample, one array [1, ...] an input."""
    from hintlite.deploy.bundle.manifest import inputs_of
    from hintlite.pipeline.data.npz_file import present_in, read_member
    from hintlite.pipeline.data.picture import load_picture

    inputs = inputs_of(deployed.manifest)
    if path.suffix.lower() != ".npz":
        if len(inputs) > 1:
            names = ", ".join(each["name"] for each in inputs)
            raise DataError(
                f"{path}: the model takes {len(inputs)} inputs; give an .npz file with one array "
                f"each: {names}"
            )
        way = inputs[0]["normalization"]
        shape = tuple(inputs[0]["shape"])
        return [load_picture(path, shape, way["raw_dtype"], way.get("raw_max"))[np.newaxis]]
    present = present_in(path, "the sample")
    lacking = [each["name"] for each in inputs if each["name"] not in present]
    if lacking:
        raise DataError(
            f"{path} holds {', '.join(present) or 'nothing'}; it lacks {', '.join(lacking)}"
        )
    return [_fitted(path, read_member(path, each["name"]), each) for each in inputs]


def _fitted(path: Path, array: np.ndarray, wanted: Mapping[str, Any]) -> np.ndarray:
    shape = wanted["shape"]
    if list(array.shape) not in (shape, [1, *shape]) or array.dtype.kind not in "iufb":
        raise DataError(
            f"{path}: {wanted['name']} is {array.dtype} {list(array.shape)}, expected numbers "
            f"{shape}"
        )
    return array.reshape(1, *shape)


def print_values(answers: Sequence[Mapping[str, Any]]) -> None:
    """A table of the outputs' values; of many values their range."""
    table = Table(box=None, pad_edge=False)
    for name in ("sample", "output", "shape", "values"):
        table.add_column(name, overflow="fold")
    for answer in answers:
        for place in answer.get("saved", ()):
            table.add_row(escape(answer["image"]), "", "", f"in {escape(place)}")
        for name, values in answer.get("outputs", {}).items():
            array = np.asarray(values, np.float32)
            table.add_row(escape(answer["image"]), escape(name), _sizes(array), _told(array))
    if table.row_count:
        console().print(table)


def _sizes(array: np.ndarray) -> str:
    return "x".join(map(str, array.shape)) or "1"


def _told(array: np.ndarray) -> str:
    if array.size <= FEW:
        return ", ".join(f"{value:.6g}" for value in array.ravel())
    return (
        f"{array.min():.4g} to {array.max():.4g}, mean {array.mean():.4g} (--save FOLDER has all)"
    )
