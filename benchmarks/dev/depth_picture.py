"""Up to which depth each method still trains: a picture and a table from a study of depths.

Reads the study's file, for depth and normalization of each arm, and the report.json that `hintlite
study` wrote of it. A method trains at a depth if each of its seeds ends above `TRAINS` on the test
data; the bound was set before the runs.

    python -m hintlite.benchmarks.dev.depth_picture configs/results/depth.yaml \
        docs/results/depth/report.json --out docs/pictures/depth.svg
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator, ScalarFormatter

from hintlite.errors import HintliteError
from hintlite.files import write_whole
from hintlite.pipeline.app.experiments.definitions import merged
from hintlite.pipeline.app.experiments.studies.definition import Arm, read_study
from hintlite.pipeline.report.figure import WIDTH, Picture, drawing, standalone, to_picture
from hintlite.pipeline.report.palette import look

TRAINS = 0.8  # test accuracy; a third of the images alone reach about 0.9 where training works
TITLES = {"scratch": "plain", "kd": "KD", "hint+kd": "hints + KD"}
FLOAT = "float32"


@dataclass(frozen=True)
class Series:
    """One method, with or without batch normalization.

    Attributes:
        method: the arm's.
        batch_norm: whether its students have it.
        accuracies: number of convolutions -> test accuracy of each seed, float.
    """

    method: str
    batch_norm: bool
    accuracies: Mapping[int, tuple[float, ...]]

    @property
    def deepest(self) -> int | None:
        """The last depth, from the shallowest on, at which it trains; None if at none."""
        found = None
        for depth in sorted(self.accuracies):
            if min(self.accuracies[depth]) <= TRAINS:
                break
            found = depth
        return found


def series(arms: Sequence[Arm], base: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Series]:
    """The finished runs of a study by method, normalization and depth.

    Args:
        arms: of the study's file.
        base: the settings that they change.
        facts: of its report.json.

    Raises:
        HintliteError: an arm whose student is not given by `depths`, or two arms for one place
            of the picture.
    """
    found: dict[tuple[str, bool], dict[int, tuple[float, ...]]] = {}
    for arm in arms:
        student = merged(base, arm.settings).get("student", {})
        if "depths" not in student:
            raise HintliteError(f"the arm {arm.name!r} does not say student.depths")
        runs = tuple(run[FLOAT] for run in facts["runs"] if run["arm"] == arm.name)
        if runs:
            depths = found.setdefault((arm.method, student.get("batch_norm", True)), {})
            if sum(student["depths"]) in depths:
                raise HintliteError(f"the arm {arm.name!r} has method and depth of another one")
            depths[sum(student["depths"])] = runs
    return [Series(method, norm, depths) for (method, norm), depths in found.items()]


def draw(found: Sequence[Series]) -> Picture:
    """Two panels, with and without normalization: a line a method, a dot a run."""
    methods = list(dict.fromkeys(each.method for each in found))
    with drawing(height=300, width=2 * WIDTH) as (figure, axes):
        axes.remove()
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for panel, norm in zip(panels, (True, False), strict=True):
            for each in (one for one in found if one.batch_norm == norm):
                _line(panel, each, methods.index(each.method))
            _dress(panel, sorted({depth for each in found for depth in each.accuracies}), norm)
        panels[0].set_ylabel("test accuracy, %")
        handles = dict(named for panel in panels for named in _named(panel))
        panels[0].legend(handles.values(), handles.keys(), frameon=False)
        words = "; ".join(verdict(each) for each in found)
        return to_picture(figure, "depth", "Test accuracy by the depth of the student", words)


def _named(axes: Axes) -> Iterator[tuple[str, Artist]]:
    """The lines of a panel by what they are called."""
    handles, labels = axes.get_legend_handles_labels()
    return zip(labels, handles, strict=True)


def _line(axes: Axes, each: Series, place: int) -> None:
    depths, style = sorted(each.accuracies), look(place + 1)
    shift = 1 + 0.03 * (place - 1)  # so that dots of methods that agree stand side by side
    for depth in depths:
        values = [100 * value for value in each.accuracies[depth]]
        places = [depth * shift] * len(values)
        axes.plot(places, values, style.marker, color=style.colour, markersize=4, alpha=0.7)
    means = [100 * fmean(each.accuracies[depth]) for depth in depths]
    title = TITLES.get(each.method, each.method)
    axes.plot([depth * shift for depth in depths], means, color=style.colour, label=title)


def _dress(axes: Axes, depths: Sequence[int], norm: bool) -> None:
    axes.set_xscale("log")
    axes.set_xticks(depths)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("convolutions")
    axes.set_title("with batch normalization" if norm else "without")


def verdict(each: Series) -> str:
    """A sentence on one line of the picture."""
    title = TITLES.get(each.method, each.method)
    norm = "" if each.batch_norm else ", no normalization"
    if each.deepest is None:
        return f"{title}{norm}: trains at none of its depths"
    if each.deepest == max(each.accuracies):
        return (
            f"{title}{norm}: trains at every depth that was run, up to {each.deepest} convolutions"
        )
    return f"{title}{norm}: trains up to {each.deepest} convolutions"


def table(found: Sequence[Series]) -> str:
    """Mean test accuracy and worst seed by depth, as Markdown."""
    depths = sorted({depth for each in found for depth in each.accuracies})
    lines = ["| method | normalization | " + " | ".join(f"{depth}" for depth in depths) + " |"]
    lines.append("|---|---|" + "---|" * len(depths))
    for each in found:
        cells = [_cell(each.accuracies.get(depth)) for depth in depths]
        head = f"| {TITLES.get(each.method, each.method)} | {'yes' if each.batch_norm else 'no'} | "
        lines.append(head + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: Sequence[float] | None) -> str:
    if values is None:
        return ""
    text = f"{100 * fmean(values):.2f}"
    return f"{text} ({100 * min(values):.2f})" if len(values) > 1 else text


def main() -> None:
    """Draws and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="the study's YAML file")
    parser.add_argument("report", type=Path, help="its report.json")
    parser.add_argument("--out", type=Path, help="where the picture goes, as SVG")
    args = parser.parse_args()
    try:
        study = read_study(args.study)
        found = series(study.arms, study.base, json.loads(args.report.read_text()))
    except OSError as error:
        raise SystemExit(f"{error.filename} cannot be read: {error.strerror}") from error
    except (HintliteError, ValueError, LookupError, TypeError) as error:
        raise SystemExit(f"{args.study}, {args.report}: {error}") from error
    if not found:
        raise SystemExit(f"{args.report}: no finished run of {args.study}: run the study first")
    print(table(found))
    for each in found:
        print(f"- {verdict(each)}")
    if args.out:
        write_whole(args.out, standalone(draw(found)))


if __name__ == "__main__":
    main()
