"""Latency percentiles, cold start and memory, and what makes them doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.figure import Picture, drawing, logarithmic, mark, to_picture
from hintlite.pipeline.report.markup import (
    Cell,
    Column,
    beside,
    cell,
    figures,
    heading,
    join,
    part,
    table,
)
from hintlite.pipeline.report.names import model_title, precision_title, result_title
from hintlite.pipeline.report.palette import Look
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.sections.quantization import name_lines
from hintlite.pipeline.report.series import is_filled, model_look, per_run

STEADY = ("min", "p50", "p90", "p99", "max", "mean", "std")
DRAWN = ("min", "p50", "p90", "p99")
COLD = ("import", "load", "allocate", "first")
NAMES = (Column("model", number=False), Column("precision", number=False))
STEADY_COLUMNS = (
    *NAMES,
    Column("kind", number=False),
    Column("target", number=False),
    Column("inferences"),
    *(Column(f"{name}, µs") for name in STEADY),
    Column("verdict", number=False),
)
COLD_COLUMNS = (
    *NAMES,
    *(Column(f"{name}, µs") for name in COLD),
    Column("peak memory, bytes"),
)


def render(reports: Sequence[Report]) -> Section | None:
    """Tables and a picture; None before the benchmark."""
    content = per_run(reports, lambda place, report: _one(reports, place, report))
    note = (
        "One inference at a time, timed in windows after a warm-up; the copying in of the input is "
        "not timed. Cold start: importing the runtime, loading the file, allocating tensors, the "
        "first inference. Peak memory is that of the whole process."
    )
    return Section("latency", "Latency", content, note) if content else None


def _one(reports: Sequence[Report], place: int, report: Report) -> Markup | None:
    entries = report.facts["latency"]
    if not entries:
        return None
    reasons = _reasons(entries)
    return join(
        table("Steady latency", STEADY_COLUMNS, [_steady(entry) for entry in entries]),
        beside(
            table("Cold start and memory", COLD_COLUMNS, [_cold(entry) for entry in entries]),
            figures([_picture(reports, place, entries)]),
        ),
        heading("Why verdicts are not “valid”") if reasons else "",
        part("list", entries=reasons) if reasons else "",
    )


def _names(entry: dict[str, Any]) -> list[Cell]:
    return [cell(model_title(entry["model"])), cell(precision_title(entry["precision"]))]


def _times(entry: dict[str, Any], names: Sequence[str]) -> list[Cell]:
    latencies = entry["latency_us"] or {}
    return [cell(formats.microseconds(latencies.get(n)), latencies.get(n)) for n in names]


def _steady(entry: dict[str, Any]) -> list[Cell]:
    return [
        *_names(entry),
        cell(entry["kind"]),
        cell(entry["target"]),
        cell(formats.count(entry["runs"]), entry["runs"]),
        *_times(entry, STEADY),
        cell(entry["verdict"]["state"]),
    ]


def _cold(entry: dict[str, Any]) -> list[Cell]:
    memory = entry["memory_bytes"]
    return [*_names(entry), *_times(entry, COLD), cell(formats.count(memory), memory)]


def _reasons(entries: list[dict[str, Any]]) -> list[str]:
    """What was doubtful, each kind once, with the files that it is about."""
    kinds: dict[tuple[str, str], list[tuple[dict[str, Any], str]]] = {}
    for entry in entries:
        for reason in entry["verdict"]["reasons"]:
            kind = kinds.setdefault((reason["why"], reason["cure"]), [])
            kind.append((entry, reason["what"]))
    return [_reason(*kind, found) for kind, found in kinds.items()]


def _reason(why: str, cure: str, found: list[tuple[dict[str, Any], str]]) -> str:
    files = [f"{result_title(entry['model'], entry['precision'])}: {what}" for entry, what in found]
    shown = "; ".join(files[:3]) + (f"; and {len(files) - 3} more" if len(files) > 3 else "")
    return f"{shown}. Why it matters: {why}. Cure: {cure}."


def _picture(
    reports: Sequence[Report], place: int, entries: list[dict[str, Any]]
) -> Picture | None:
    """Minimum to 99th percentile as a line, the median as a marker; a place for each model."""
    timed = [entry for entry in entries if set(DRAWN) <= set(entry["latency_us"] or {})]
    if not timed:
        return None
    models = list(dict.fromkeys(entry["model"] for entry in timed))
    with drawing(height=70 + 38 * len(models)) as (figure, axes):
        logarithmic(axes, [entry["latency_us"][name] for entry in timed for name in DRAWN])
        for entry in timed:
            filled = is_filled(entry["precision"])
            line = models.index(entry["model"]) + (0.16 if filled else -0.16)
            _one_line(axes, entry["latency_us"], line, model_look(reports, entry["model"]), filled)
        name_lines(axes, [model_title(model) for model in models])
        axes.set_xlabel("µs")
        medians = "; ".join(
            f"{result_title(e['model'], e['precision'])} "
            f"{formats.microseconds(e['latency_us']['p50'])} µs"
            for e in timed
        )
        caption = "Least latency, median (marker), 90 % and 99 %: hollow float, filled INT8"
        return to_picture(figure, f"latency-{place}", caption, f"Medians: {medians}")


def _one_line(axes: Any, times: dict[str, float], line: float, look: Look, filled: bool) -> None:
    axes.plot([times["min"], times["p99"]], [line, line], color=look.colour, linewidth=1.1)
    for name in ("min", "p90", "p99"):
        axes.plot([times[name]], [line], marker="|", color=look.colour, markersize=7)
    mark(axes, times["p50"], line, look, filled)
