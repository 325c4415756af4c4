"""Series as curves: one sample of each class, its raw values over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from hintlite.pipeline.report.figure import Picture, drawing, to_picture
from hintlite.pipeline.report.markup import figures
from hintlite.pipeline.report.palette import SERIES, look
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import per_run
from hintlite.pipeline.runs.reading import RunFiles

SAMPLES = "device/samples.npz"  # of the bundle: the first validation samples of each class
MOST = 12  # classes that are drawn
HEIGHT = 170


def render(reports: Sequence[Report]) -> Section | None:
    """The curves of runs on series; None where no run is on any, or none has a bundle yet."""
    content = per_run(reports, _one)
    note = (
        "The first validation sample of each class, raw values over time steps, as they come to "
        "the device before they are normalised. Each channel has a colour, and its own curve."
    )
    return Section("samples", "Samples", content, note) if content else None


def _one(place: int, report: Report) -> Markup | None:
    data = report.facts["data"]
    if data is None or len(data["input_shape"]) != 2:
        return None
    arrays = RunFiles(report.path).arrays("bundle", SAMPLES)
    if not arrays:
        return None
    names, labels = data["class_names"], arrays["labels"]
    drawn = [
        curve(f"samples-{place}-{label}", names[label], arrays["inputs"][labels == label][0])
        for label in np.unique(labels)[:MOST]
    ]
    return figures(drawn, "small")


def curve(anchor: str, name: str, sample: np.ndarray) -> Picture:
    """A series [time, channels], a line a channel.

    Args:
        anchor: prefix of the ids.
        name: of the class.
        sample: raw values.
    """
    time, channels = sample.shape
    with drawing(height=HEIGHT) as (figure, axes):
        for channel in range(channels):
            axes.plot(sample[:, channel], color=look(channel % SERIES).colour, linewidth=1.1)
        axes.set_xlabel("time step")
        ranges = "; ".join(
            f"channel {channel + 1} from {low:.3g} to {high:.3g}"
            for channel, (low, high) in enumerate(
                zip(sample.min(axis=0), sample.max(axis=0), strict=True)
            )
        )
        return to_picture(figure, anchor, name, f"{time} time steps: {ranges}")
