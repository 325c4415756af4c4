"""Hint maps of the teacher, and what the regressor makes of the student's, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.images import image_uri, map_uri
from hintlite.pipeline.report.markup import heading, join, paragraph, part
from hintlite.pipeline.report.names import model_title
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import per_run
from hintlite.pipeline.runs.reading import RunFiles

FILE = "hint_maps.npz"
IMAGES = 6
SIZE = 96  # pixels of the longer side on the page


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


def render(reports: Sequence[Report]) -> Section | None:
    """The maps of all arms that had a hint phase; None if no run kept any."""
    content = per_run(reports, _one)
    note = (
        "At the end of the hint phase, on the first validation images, before the task phase and "
        "before the regressor is dropped. A map is the mean over all channels; the two maps of an "
        "image share one scale, dark is low and bright is high. Relative error: the squared "
        "difference of all channels over the teacher’s square; 0 is equal, 1 is no better than "  # noqa: RUF001
        "a map of zeros."
    )
    return Section("hints", "Hint maps", content, note) if content else None


def _one(place: int, report: Report) -> Markup | None:
    files = RunFiles(report.path)
    parts = []
    for entry in report.facts["hints"]:
        arrays = files.arrays(f"distill/{entry['arm']}", FILE)
        maps = map_pairs(arrays).get(entry["pair"])
        if maps is None:
            continue
        guided, hint = entry["pair"].split(" <- ")
        title = f"{model_title(entry['arm'])}: its {guided}, regressed to the teacher’s {hint}"  # noqa: RUF001
        cards = [_card(arrays["images"], *maps, i) for i in range(min(IMAGES, entry["images"]))]
        parts += [heading(title), paragraph(_facts(entry)), part("maps", cards=cards)]
    return join(*parts) if parts else None


def _facts(entry: dict[str, Any]) -> str:
    shape = " x ".join(str(size) for size in entry["shape"])
    return (
        f"Maps of {shape}; relative error {formats.number(entry['relative_error'])} over "
        f"{entry['images']} images."
    )


def _card(
    images: np.ndarray, teacher: np.ndarray, regressed: np.ndarray, index: int
) -> dict[str, Any]:
    one, other = mean_map(teacher[index]), mean_map(regressed[index])
    low, high = (float(reduce((one, other))) for reduce in (np.nanmin, np.nanmax))
    distance = float(np.sqrt(np.mean((one - other) ** 2)))
    shown = (
        _sample(images, index),
        ("teacher", map_uri(one, low, high), one.shape),
        ("student", map_uri(other, low, high), other.shape),
    )
    number = f"validation image {index + 1}"
    return {
        "caption": f"scale {formats.number(low)} to {formats.number(high)}; "
        f"root mean square difference {formats.number(distance)}",
        "images": [
            {"title": title, "uri": uri, "height": _height(shape), "alt": f"{title}, {number}"}
            for title, uri, shape in shown
        ],
    }


def _sample(images: np.ndarray, index: int) -> tuple[str, str, tuple[int, ...]]:
    """The sample: a picture; of a series its channels as rows, each on a scale of its own."""
    sample = images[index]
    if sample.ndim == 3:
        return "image", image_uri(sample, images.min(), images.max()), sample.shape
    if sample.ndim == 1:
        rows = sample[None]
        return "row", map_uri(rows, float(images.min()), float(images.max())), rows.shape
    low, high = images.min(axis=(0, 1)), images.max(axis=(0, 1))
    rows = ((sample - low) / np.where(high > low, high - low, 1)).T
    return "channels", map_uri(rows, 0.0, 1.0), rows.shape


def mean_map(features: np.ndarray) -> np.ndarray:
    """The mean over channels `[h, w]` of features `[h, w, c]`; other shapes become one row.

    Args:
        features: `[h, w, c]`, `[time, c]` or `[c]`, whose channels are then shown.
    """
    features = features.astype(np.float64)
    if features.ndim == 1:
        return features[None, :]
    means = features.mean(axis=-1)
    return means if means.ndim == 2 else means.reshape(1, -1)


def _height(shape: tuple[int, ...]) -> int:
    """Pixels on the page of a picture that is SIZE wide, within reason."""
    return int(min(max(SIZE * shape[0] / shape[1], 12), 3 * SIZE))
