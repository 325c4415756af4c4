"""Memory and time of a whole run by the number of samples, drawn from the record of a benchmark.

    python -m hintlite.benchmarks.dev.growth_picture docs/results/larger_than_memory.json \
        --out docs/pictures/larger_than_memory.svg
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from hintlite.files import write_whole
from hintlite.pipeline.report.figure import WIDTH, Picture, drawing, standalone, to_picture
from hintlite.pipeline.report.palette import MUTED, look

ALLOWED_MB = 300  # above the run on a thousandth of the samples


def runs_of(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All runs of a record, the smallest first.

    Args:
        record: of `larger_than_memory`.
    """
    whole = record["runs"]["found"]
    found = [whole["thousandth"], whole["whole"], *record["growth"]["found"]]
    return sorted(found, key=lambda run: int(run["samples"]))


def draw(runs: Sequence[Mapping[str, Any]]) -> Picture:
    """Two panels over the number of samples: anonymous memory beside the samples' size, and time.

    Args:
        runs: see `runs_of`.
    """
    counts = [run["samples"] for run in runs]
    with drawing(height=290, width=2 * WIDTH) as (figure, axes):
        axes.remove()
        memory, seconds = figure.subplots(1, 2, sharex=True)
        _line(memory, counts, [run["raw_bytes"] / 1e6 for run in runs], 0, "raw samples")
        _line(memory, counts, [run["anonymous_mb"] for run in runs], 1, "anonymous memory")
        limit = runs[0]["anonymous_mb"] + ALLOWED_MB
        memory.axhline(limit, color=MUTED, linestyle="--", label=f"smallest run + {ALLOWED_MB} MB")
        memory.set_ylabel("MB")
        memory.set_title("memory, highest sum of all processes")
        memory.legend(frameon=False)
        _line(seconds, counts, [run["seconds"] for run in runs], 1, "whole run")
        seconds.set_ylabel("seconds")
        seconds.set_title("time of a whole run")
        return to_picture(
            figure, "growth", "Memory and time by the number of samples", description(runs)
        )


def _line(
    axes: Axes, counts: Sequence[int], values: Sequence[float], place: int, name: str
) -> None:
    style = look(place)
    axes.plot(counts, values, color=style.colour, marker=style.marker, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("samples of 96 x 96 x 3 bytes")


def description(runs: Sequence[Mapping[str, Any]]) -> str:
    """The figures in words."""
    return "; ".join(
        f"{run['samples']:,} samples ({run['raw_bytes'] / 1e6:,.0f} MB): "
        f"{run['anonymous_mb']:,.0f} MB, {run['seconds']:,.0f} s"
        for run in runs
    )


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """The figures as a table of Markdown."""
    rows = [
        f"| {run['samples']:,} | {run['raw_bytes'] / 1e6:,.0f} MB | {run['anonymous_mb']:,.0f} MB "
        f"| {run['seconds']:,.0f} s |"
        for run in runs
    ]
    return "\n".join(["| samples | raw | anonymous memory | time |", "|---|---|---|---|", *rows])


def main() -> None:
    """Draws and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("record", type=Path, help="from benchmarks.dev.larger_than_memory")
    parser.add_argument("--out", type=Path, help="where the picture goes, as SVG")
    chosen = parser.parse_args()
    try:
        runs = runs_of(json.loads(chosen.record.read_text()))
    except OSError as error:
        raise SystemExit(f"{error.filename} cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise SystemExit(f"{chosen.record}: no record of larger_than_memory ({error!r})") from error
    print(table(runs))
    if chosen.out:
        write_whole(chosen.out, standalone(draw(runs)))


if __name__ == "__main__":
    main()
