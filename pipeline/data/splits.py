"""Who goes where: stratified, seeded, disjoint, and kept as indices."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from hintlite.errors import DataError
from hintlite.files import writing

# One random stream a purpose, so that a changed limit does not move anybody into the test part.
STREAMS = {"test": 0, "limit": 1, "validation": 2, "calibration": 3, "labels": 4}


@dataclass(frozen=True, eq=False)
class Splits:
    """The rows of the source in each part; all int64, sorted.

    Args:
        train: rows that are trained on.
        validation: rows that choices are made on.
        calibration: rows of train that set the INT8 ranges.
        test: rows kept for the one evaluation; empty where the source has a test set of its own.
    """

    train: np.ndarray
    validation: np.ndarray
    calibration: np.ndarray
    test: np.ndarray

    def __post_init__(self) -> None:
        """Refuses parts that overlap, and calibration rows from outside of train."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        rows, counts = np.unique(np.concatenate(list(parts.values())), return_counts=True)
        if (counts > 1).any():
            row = rows[counts > 1][0]
            inside = [name for name, part in parts.items() if row in part]
            raise DataError(f"splits: row {row} is in {' and '.join(inside)}; make the split anew")
        strangers = np.setdiff1d(self.calibration, self.train)
        if len(strangers):
            raise DataError(
                f"splits: calibration row {strangers[0]} is not in train; make the split anew"
            )

    def save(self, path: str | Path) -> None:
        """Writes the indices to an .npz file, whole or not at all."""
        with writing(Path(path)) as file:
            np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: str | Path) -> Splits:
        """Reads what save() wrote.

        Raises:
            DataError: not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(**{field.name: stored[field.name] for field in fields(cls)})
        except (OSError, KeyError, ValueError, EOFError) as error:
            raise DataError(
                f"{path}: not a file of splits ({error}); make the split anew"
            ) from error


def random(seed: int, purpose: str) -> np.random.Generator:
    """The random stream of one purpose under one seed."""
    return np.random.default_rng((seed, STREAMS[purpose]))


def stratified(
    labels: np.ndarray, total: int, rng: np.random.Generator, least: int = 1, keep: int = 1
) -> np.ndarray:
    """Draws samples so that each class has its share.

    Args:
        labels: int64 [n]; every class has least + keep samples or more.
        total: how many to draw; more are drawn where `least` demands it, fewer where `keep` does.
        rng: where chance comes from.
        least: samples drawn of each class at least.
        keep: samples of each class left over at least.

    Returns:
        int64, sorted rows of labels.
    """
    counts = np.bincount(labels)
    quotas = _quotas(counts, total, least * (counts > 0), np.maximum(counts - keep, 0))
    return _draw(labels, quotas, rng)


def _quotas(counts: np.ndarray, total: int, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Largest remainders (Hamilton's method), within a lowest and a highest quota a class."""
    exact = counts * (total / counts.sum())
    quotas = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(quotas - exact, kind="stable")
    quotas[by_remainder[: max(total - quotas.sum(), 0)]] += 1
    quotas = np.clip(quotas, lowest, highest)
    while quotas.sum() > total and (quotas > lowest).any():
        quotas[np.where(quotas > lowest, quotas - exact, -np.inf).argmax()] -= 1
    while quotas.sum() < total and (quotas < highest).any():
        quotas[np.where(quotas < highest, exact - quotas, -np.inf).argmax()] += 1
    return quotas


def balanced(labels: np.ndarray, total: int, rng: np.random.Generator) -> np.ndarray:
    """Draws the same number of each class; where one has too few, the others fill up.

    Args:
        labels: int64 [n].
        total: how many to draw, n at most.
        rng: where chance comes from.

    Returns:
        int64, sorted rows of labels.
    """
    counts = np.bincount(labels)
    quotas = np.zeros_like(counts)
    while (missing := total - quotas.sum()) > 0:
        open_classes = np.flatnonzero(quotas < counts)
        share = max(missing // len(open_classes), 1)
        for label in open_classes[:missing]:
            quotas[label] += min(share, counts[label] - quotas[label])
    return _draw(labels, quotas, rng)


def _draw(labels: np.ndarray, quotas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws so many rows of each class."""
    drawn = [
        rng.permutation(np.flatnonzero(labels == label))[:quota]
        for label, quota in enumerate(quotas)
    ]
    return np.sort(np.concatenate(drawn)).astype(np.int64)
