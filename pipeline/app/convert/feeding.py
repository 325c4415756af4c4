"""How a model wants to be fed: read from the model, or stated, and tried where there are labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hintlite.deploy.convert.front import Affine
from hintlite.deploy.convert.frozen import End
from hintlite.errors import DataError
from hintlite.pipeline.app.convert.task import Task
from hintlite.pipeline.data.feeding import WORDS, Feeding, noise, problem
from hintlite.pipeline.data.normalization import (
    GIVEN,
    Normalization,
    fit_normalization,
    given_normalization,
)
from hintlite.pipeline.data.rows import SampleArray
from hintlite.pipeline.settings.data import NORMALIZATIONS
from hintlite.pipeline.tasks.classification import scores

BYTES = (0.0, 255.0)


@dataclass(frozen=True)
class Contract:
    """From a raw value to what one input of the file stands for: `(raw - mean) / std`, per channel.

    Attributes:
        input: the model's name of it.
        kind: what the model was fed, as settings name it.
        model: from raw to what the model takes.
        exact: from raw to what comes behind the model's own front.
        whole: the same as the device does it, which may be moved by half a raw step.
        raw_dtype: "uint8" or "float32".
        snapped: by how many raw units the mean was moved, so that the file takes raw - 128.
        indices: the model takes whole numbers, such as words' numbers, which nothing scales.
    """

    input: str
    kind: str
    model: Normalization
    exact: Normalization
    whole: Normalization
    raw_dtype: str
    snapped: float = 0.0
    indices: bool = False

    def normalization(self) -> dict[str, object]:
        """For a bundle's manifest."""
        full = BYTES[1] if self.raw_dtype == "uint8" else None
        return {**self.whole.to_dict(), "raw_dtype": self.raw_dtype, "raw_max": full}

    def to_dict(self) -> dict[str, object]:
        """For the record."""
        return {
            "input": self.input,
            "normalization": self.kind,
            **self.whole.to_dict(),
            "raw_dtype": self.raw_dtype,
            "moved_by": self.snapped,
        }


def candidates(raw: np.ndarray) -> dict[str, Normalization]:
    """Every way to feed samples, by name.

    Args:
        raw: [n, ...], those that set ranges.
    """
    flat = raw.reshape(-1, 1, 1, raw.shape[-1] if raw.ndim > 1 else 1)
    found: dict[str, Normalization] = {}
    for kind in NORMALIZATIONS:
        if raw.dtype != np.uint8 and kind in ("unit", "signed"):
            continue  # whose range nobody has told
        try:
            found[kind] = fit_normalization(kind, flat, BYTES, "the data")
        except DataError:  # a constant
            continue
    return found or {"raw": _identity(flat.shape[-1])}


def state(
    ways: Sequence[dict[str, Normalization]],
    inputs: Sequence[SampleArray],
    mean: Sequence[float],
    std: Sequence[float],
) -> None:
    """Adds a mean and a deviation that were stated to the ways of feeding each input.

    Raises:
        DataError: another number of them than channels.
    """
    for way, raw in zip(ways, inputs, strict=True):
        channels = raw.shape[-1] if len(raw.shape) > 1 else 1
        way[GIVEN] = given_normalization(mean, std, channels, "--mean and --std")


def _identity(channels: int) -> Normalization:
    return Normalization((0.0,) * channels, (1.0,) * channels)


def kind_of(
    stated: str | None, raw: SampleArray, front: Affine | None, labelled: bool, end: End
) -> tuple[str, str]:
    """The normalization to go on with, and why.

    Args:
        stated: --normalization.
        raw: the samples.
        front: what the model does to its input first.
        labelled: whether another choice would be noticed.
        end: the input.

    Raises:
        DataError: nothing tells it.
    """
    if end.dtype.startswith("int"):
        return "raw", f"as the input {end.name!r} takes whole numbers"
    if stated is not None:
        said = "--mean and --std say" if stated == GIVEN else "--normalization says"
        return stated, f"as {said}"
    if front is not None:
        return "raw", f"as the model scales its input itself ({_words(front)})"
    if raw.dtype != np.uint8:
        return "raw", "as the values are no bytes"
    if not labelled:
        raise DataError(
            "the samples are bytes, 0 to 255, without labels, and the model has no layer that "
            "scales them, so nothing tells what it was trained on: state --normalization unit (0 "
            "to 1), signed (-1 to 1), standard (mean 0, deviation 1) or raw (as they are)"
        )
    return "unit", "the default for bytes"


def _words(front: Affine) -> str:
    few = [
        f"{value + 0.0:.6g}" if len(set(values)) == 1 else f"{len(values)} numbers"
        for values in (front.mean, front.std)
        for value in values[:1]
    ]
    return f"(x - {few[0]}) / {few[1]}"


def contract(
    end: End, kind: str, fed: Normalization, front: Affine | None, raw: SampleArray
) -> Contract:
    """Joins both steps into one."""
    whole = fed
    if front is not None:
        mean = np.asarray(fed.mean) + np.asarray(front.mean) * np.asarray(fed.std)
        std = np.asarray(fed.std) * np.asarray(front.std)
        whole = Normalization(_told(mean), _told(std))
    indices = end.dtype.startswith("int")
    return Contract(end.name, kind, fed, whole, whole, str(raw.dtype), indices=indices)


def snapped(found: Contract) -> Contract:
    """The nearest contract by which a file takes a byte as `raw - 128`, where there is one.

    All channels need one mean, from 0 to 255, and one deviation; the mean is then moved to a whole
    number, by half a step of a raw byte at most.
    """
    mean = found.whole.mean
    if not _alike(found):
        return found
    whole = float(np.floor(mean[0] + 0.5))
    if not 0 <= whole <= 255:
        return found
    moved = Normalization((whole,) * len(mean), found.whole.std)
    return replace(found, whole=moved, snapped=whole - mean[0])


def _alike(found: Contract) -> bool:
    """Whether the input takes bytes, all channels by the same numbers."""
    whole = found.whole
    alike = len(set(whole.mean)) == len(set(whole.std)) == 1
    return found.raw_dtype == "uint8" and not found.indices and alike


def with_full_range(raw: np.ndarray, found: Contract) -> np.ndarray:
    """Calibration samples of which one holds 0 and 255, so that the input's steps are raw steps."""
    if not _alike(found) or raw[0].size < 2:
        return raw
    full = raw.copy()
    full[0].flat[0], full[0].flat[-1] = BYTES
    return full


def _told(values: np.ndarray) -> tuple[float, ...]:
    """Without the noise of float32: 255 instead of 254.99998."""
    return tuple(float(f"{value:.7g}") + 0.0 for value in values)


def tried(
    answers: Callable[[np.ndarray], Sequence[np.ndarray]],
    task: Task,
    raw: np.ndarray,
    labels: np.ndarray,
    ways: Mapping[str, Normalization],
    kind: str,
) -> Feeding:
    """Asks the model for its answers as it would be fed each way."""
    accuracy = {}
    for way in (kind, *(each for each in ways if each != kind)):
        chosen = task.choices(answers(ways[way].apply(raw)))
        accuracy[way] = scores(labels, chosen, task.classes).balanced_accuracy
    chance = 1 / task.classes
    return Feeding(kind, accuracy, len(raw), chance, noise(labels, chance))


__all__ = [
    "GIVEN",
    "WORDS",
    "Contract",
    "candidates",
    "contract",
    "kind_of",
    "problem",
    "snapped",
    "tried",
]
