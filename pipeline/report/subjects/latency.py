"""Latency percentiles, cold start and memory, and what makes them doubtful."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.figure import Picture, logarithmic, mark, to_picture
from hintlite.pipeline.report.markup import (
    beside,
    entries,
    figures,
    heading,
    join,
    numbers,
    table,
    words,
)
from hintlite.pipeline.report.names import model_title, precision_title, result_title
from hintlite.pipeline.report.palette import Look
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import FILLED, is_filled, lines_of, model_look, per_run
from hintlite.pipeline.report.subjects.table import benchmark_result, precisions
from hintlite.pipeline.runs.reading import RunFiles

STEADY = ("min", "p50", "p90", "p99", "max", "mean", "std")
DRAWN = ("min", "p50", "p90", "p99")
COLD = ("import", "load", "allocate", "first")
CONDITIONS = ("before", "after")  # of the machine: they differ from one measurement to the next
CHANGING = (*CONDITIONS, "throttled_words", "other_cpu_share", "steal_share")
STEADY_COLUMNS = (
    *words("model", "precision", "kind", "target"),
    *numbers(formats.count, "inferences"),
    *numbers(formats.microseconds, *(f"{name}, µs" for name in STEADY)),
    *words("verdict"),
)
COLD_COLUMNS = (
    *words("model", "precision"),
    *numbers(formats.microseconds, *(f"{name}, µs" for name in COLD)),
    *numbers(formats.count, "peak memory, bytes"),
)


def latencies(run: RunFiles) -> list[dict[str, Any]]:
    """One entry a benchmarked file: what the benchmark answered, without its description of files.

    Returns:
        model, precision, kind, target, verdict, latency_us, windows, memory_bytes, settings,
        runtime, conditions (load, clock, temperature before and after), started_utc.
    """
    return [_entry(*found) for found in _results(run)]


def _results(run: RunFiles) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for model in run.models:
        for precision in precisions(run, model):
            if result := benchmark_result(run, model, precision):
                yield model, precision, result


def _entry(model: str, precision: str, result: dict[str, Any]) -> dict[str, Any]:
    raw = result.get("raw") or {}
    steady = (raw.get("latency") or {}).get("steady") or {}
    machine = raw.get("machine") or {}
    return {
        "model": model,
        "precision": precision,
        **{name: result[name] for name in ("kind", "target", "verdict", "latency_us")},
        "runs": steady.get("runs"),
        "windows": steady.get("windows"),
        "memory_bytes": result["memory_bytes"],
        "settings": raw.get("settings"),
        "runtime": raw.get("runtime"),
        "conditions": {name: machine.get(name) for name in CONDITIONS},
        "started_utc": raw.get("started_utc"),
        "python": (raw.get("python") or {}).get("version"),
    }


def machines(run: RunFiles) -> list[dict[str, Any]]:
    """The machines of the benchmark, each once, without what changes between measurements."""
    found: list[dict[str, Any]] = []
    for _, _, result in _results(run):
        machine = (result.get("raw") or {}).get("machine") or {}
        lasting = {name: value for name, value in machine.items() if name not in CHANGING}
        if lasting and lasting not in found:
            found.append(lasting)
    return found


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
    found = report.facts["latency"]
    if not found:
        return None
    doubts = _reasons(found)
    return join(
        table("Steady latency", STEADY_COLUMNS, [_steady(entry) for entry in found]),
        beside(
            table("Cold start and memory", COLD_COLUMNS, [_cold(entry) for entry in found]),
            figures([_picture(reports, place, found)]),
        ),
        heading("Why latencies are doubtful") if doubts else "",
        entries(doubts),
    )


def _names(entry: dict[str, Any]) -> list[str]:
    return [model_title(entry["model"]), precision_title(entry["precision"])]


def _times(entry: dict[str, Any], names: Sequence[str]) -> list[float | None]:
    return [(entry["latency_us"] or {}).get(name) for name in names]


def _steady(entry: dict[str, Any]) -> list[Any]:
    told = [entry[name] for name in ("kind", "target", "runs")]
    return [*_names(entry), *told, *_times(entry, STEADY), entry["verdict"]["state"]]


def _cold(entry: dict[str, Any]) -> list[Any]:
    return [*_names(entry), *_times(entry, COLD), entry["memory_bytes"]]


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
    return f"{shown}. Why it matters: {why}. What to do: {cure}."


def _picture(reports: Sequence[Report], place: int, found: list[dict[str, Any]]) -> Picture | None:
    """Minimum to 99th percentile as a line, the median as a marker; a place for each model."""
    timed = [entry for entry in found if set(DRAWN) <= set(entry["latency_us"] or {})]
    if not timed:
        return None
    with lines_of(timed) as (figure, axes, places):
        logarithmic(axes, [entry["latency_us"][name] for entry in timed for name in DRAWN])
        for entry, line in zip(timed, places, strict=True):
            filled = is_filled(entry["precision"])
            _one_line(axes, entry["latency_us"], line, model_look(reports, entry["model"]), filled)
        axes.set_xlabel("µs")
        medians = "; ".join(
            f"{result_title(e['model'], e['precision'])} "
            f"{formats.microseconds(e['latency_us']['p50'])} µs"
            for e in timed
        )
        caption = f"Minimum, median (marker), 90 % and 99 %: {FILLED}"
        return to_picture(figure, f"latency-{place}", caption, f"Medians: {medians}")


def _one_line(axes: Any, times: dict[str, float], line: float, look: Look, filled: bool) -> None:
    axes.plot([times["min"], times["p99"]], [line, line], color=look.colour, linewidth=1.1)
    for name in ("min", "p90", "p99"):
        axes.plot([times[name]], [line], marker="|", color=look.colour, markersize=7)
    mark(axes, times["p50"], line, look, filled)
