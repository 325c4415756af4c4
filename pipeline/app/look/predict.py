"""`hintlite predict`: the deployed file's answers for pictures and arrays, a folder's too.

Where a file chooses a class, that is told; else the values of its outputs (`values.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from hintlite.errors import FAILED, WRONG_USE, DataError
from hintlite.pipeline.app.look.deployed import Deployed, deployed_at, read_each
from hintlite.pipeline.app.look.recordings import is_recording, windows
from hintlite.pipeline.app.look.show import console
from hintlite.pipeline.app.look.values import print_values, valued

BATCH = 256  # pictures that are read before they are asked for
ARRAY = ".npy"
ARRAYS = ".npz"  # one array an input, by its name


def predict(place: Path, named: Sequence[Path], as_json: bool, save: Path | None = None) -> int:
    """Prints what the deployed file makes of each picture.

    Args:
        place: a run, a bundle, or a file in one.
        named: pictures, arrays and folders of them, with the folders in these.
        as_json: print a list of answers.
        save: folder for the values of every output, one .npy file a sample and output.

    Returns:
        FAILED where a picture could not be read, and the others are answered all the same;
        WRONG_USE where none could.

    Raises:
        RunError: no bundle.
        DataError: a folder without a picture.
    """
    deployed = deployed_at(place)
    if save is not None or deployed.several:
        answers = list(valued(deployed, listed(named), save))
    else:
        answers = list(_answers(deployed, listed(named, deployed)))
    if as_json:
        print(json.dumps(answers, indent=1))
    elif deployed.labels:
        _print(answers)
    else:
        print_values(answers)
    failed = [answer for answer in answers if "error" in answer]
    if failed:
        reasons = "\n  ".join(answer["error"] for answer in failed)
        print(
            f"hintlite: {len(failed)} of {len(answers)} could not be read:\n  {reasons}",
            file=sys.stderr,
        )
    if len(failed) == len(answers):
        return WRONG_USE
    return FAILED if failed else 0


def listed(
    named: Sequence[Path], deployed: Deployed | None = None
) -> list[tuple[Path, str | None]]:
    """Every picture, with the name of the folder that it was found in.

    Args:
        named: files, which are taken as they are (without a folder's name), and folders, in which
            pictures and arrays are looked for at any depth.
        deployed: the model that is asked; of series, recordings are looked for too.

    Raises:
        DataError: a folder without any.
    """
    found: list[tuple[Path, str | None]] = []
    for path in named:
        if not path.is_dir():
            found.append((path, None))
            continue
        inside = sorted(
            each
            for each in path.rglob("*")
            if _is_sample(each) or (deployed is not None and is_recording(deployed, each))
        )
        if not inside:
            raise DataError(f"{path}: no picture (PNG, JPEG, ...) and no .npy array in this folder")
        found += [(each, each.parent.name) for each in inside]
    return found


def _is_sample(path: Path) -> bool:
    from PIL import Image

    known = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    hidden = path.name.startswith(".")
    return not hidden and path.suffix.lower() in {*known, ARRAY, ARRAYS} and path.is_file()


def _answers(
    deployed: Deployed, samples: Sequence[tuple[Path, str | None]]
) -> Iterator[dict[str, Any]]:
    """One answer a sample, in their order."""
    for start in range(0, len(samples), BATCH):
        yield from _answered(deployed, samples[start : start + BATCH])


def _answered(
    deployed: Deployed, samples: Sequence[tuple[Path, str | None]]
) -> list[dict[str, Any]]:
    import numpy as np

    from hintlite.deploy.bundle.predict import classify

    answers, readable, raw = read_each(deployed, samples, lambda path: _read(deployed, path))
    if raw:
        found = classify(deployed.folder, np.stack(raw), model=deployed.model, apart=True)
        for answer, probabilities in zip(readable, found, strict=True):
            answer.update(_choice(probabilities, deployed.labels))
    return answers


def _read(deployed: Deployed, path: Path) -> list[tuple[dict[str, Any], Any]]:
    """The samples of a file, one but for a recording, with what there is to say of each."""
    from hintlite.pipeline.data.picture import load_picture

    if is_recording(deployed, path):
        return list(windows(deployed, path))
    normalization = deployed.manifest["normalization"]
    shape = tuple(deployed.manifest["task"]["input_shape"])
    way = normalization["raw_dtype"], normalization.get("raw_max")
    return [({}, load_picture(path, shape, *way))]


def _choice(probabilities: Any, labels: list[str]) -> dict[str, Any]:
    first, second = probabilities.argsort()[::-1][:2]
    return {
        "label": labels[first],
        "probability": float(probabilities[first]),
        "next": labels[second],
        "next_probability": float(probabilities[second]),
    }


def _print(answers: Sequence[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("image", "label", "probability", "next"):
        table.add_column(name, overflow="fold")
    answered = [answer for answer in answers if "label" in answer]
    for answer in answered:
        following = f"{answer['next']} ({answer['next_probability']:.3f})"
        steps = " to ".join(map(str, answer.get("window", ())))
        place = f"{answer['image']}, steps {steps}" if steps else answer["image"]
        cells = (place, answer["label"], f"{answer['probability']:.3f}", following)
        table.add_row(*(escape(cell) for cell in cells))
    if answered:
        console().print(table)
    told = [answer for answer in answered if "folder" in answer]
    if told:
        right = sum(answer["label"] == answer["folder"] for answer in told)
        print(f"as their folders are named: {right} of {len(told)} ({right / len(told):.2%})")
