"""How near the regressed student comes to the teacher's hint maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hintlite.pipeline.runs.reading import RunFiles

FILE = "hint_maps.npz"


def hint_errors(run: RunFiles) -> list[dict[str, Any]]:
    """One entry an arm and pair of taps: shape and relative error of the kept maps."""
    return [
        {"arm": arm, "pair": pair} | _error(teacher, regressed)
        for arm in run.arms
        for pair, (teacher, regressed) in map_pairs(run.arrays(f"distill/{arm}", FILE)).items()
    ]


def map_pairs(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """ "guided <- hint" -> the teacher's maps and the regressed ones, `[n, ..., channels]`."""
    names = [name.removeprefix("hint:") for name in arrays if name.startswith("hint:")]
    return {
        name: (arrays[f"hint:{name}"], arrays[f"regressed:{name}"])
        for name in names
        if f"regressed:{name}" in arrays
    }


def _error(teacher: np.ndarray, regressed: np.ndarray) -> dict[str, Any]:
    """Squared error over the teacher's squared maps: 0 is equal, 1 is as far as a map of zeros."""
    scale = float((teacher.astype(np.float64) ** 2).sum())
    error = float(((regressed.astype(np.float64) - teacher) ** 2).sum())
    known = scale > 0 and np.isfinite(error / scale)
    return {
        "images": len(teacher),
        "shape": list(teacher.shape[1:]),
        "relative_error": error / scale if known else None,
    }
