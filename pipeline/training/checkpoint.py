"""The state of a training, in one file that is replaced as a whole."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.errors import HintliteError
from hintlite.files import writing

Row = dict[str, float | int | str]
CHECKPOINT = "checkpoint.npz"  # in the folder of the training


class CheckpointError(HintliteError):
    """A checkpoint that does not belong to the training that wants to read it."""


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        phase: key of the phase that is running.
        epoch: epochs of it that are complete.
        best_epoch: the best of them (from 0) on validation data; -1 before the first.
        best: its validation result, smaller is better, compared in this order.
        history: one row an epoch, of all phases.
    """

    phase: str = ""
    epoch: int = 0
    best_epoch: int = -1
    best: list[float] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)


def save(
    path: Path,
    progress: Progress,
    variables: Sequence[Any],
    best_weights: Sequence[np.ndarray] = (),
) -> None:
    """Writes a checkpoint; an older one stays whole until the new one is.

    Args:
        path: the file, `.npz`.
        progress: goes in as JSON.
        variables: Keras variables, in an order that the program fixes.
        best_weights: arrays of the best epoch so far.
    """
    arrays = {f"v{i}": variable.numpy() for i, variable in enumerate(variables)}
    arrays |= {f"b{i}": weight for i, weight in enumerate(best_weights)}
    arrays = {name: _storable(array) for name, array in arrays.items()}
    with writing(path) as file:
        np.savez(file, progress=np.array(json.dumps(asdict(progress))), **arrays)


def peek(path: Path) -> Progress:
    """How far the training came that wrote this checkpoint.

    Raises:
        CheckpointError: the file cannot be read.
    """
    return Progress(**json.loads(str(_arrays(path, only="progress")["progress"])))


def load(path: Path, variables: Sequence[Any]) -> tuple[Progress, list[np.ndarray]]:
    """Reads a checkpoint back into the variables.

    Returns:
        The progress, and the weights of the best epoch so far.

    Raises:
        CheckpointError: the file does not fit these variables, or is no checkpoint.
    """
    arrays = _arrays(path)
    if len([name for name in arrays if name.startswith("v")]) != len(variables):
        raise CheckpointError(f"{path} was written by another network: delete it to start anew")
    for i, variable in enumerate(variables):
        if arrays[f"v{i}"].shape != tuple(variable.shape):
            raise CheckpointError(
                f"{path}: variable {i} has shape {arrays[f'v{i}'].shape}, but {variable.path} has "
                f"{tuple(variable.shape)}: delete the file to start anew"
            )
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"v{i}"])
    best = [arrays[f"b{i}"] for i in range(sum(name.startswith("b") for name in arrays))]
    return Progress(**json.loads(str(arrays["progress"]))), best


def _arrays(path: Path, only: str | None = None) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [only] if only else file.files
            return {name: file[name] for name in names}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}): delete it to start anew"
        ) from error


def _storable(array: np.ndarray) -> np.ndarray:
    """As it is, but for bfloat16, which numpy's file format does not know."""
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
