"""Phones and other devices: what was measured there, read back from results and logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hintlite.benchmarks.results import Outcome, ResultError, of_result, read_outcome
from hintlite.benchmarks.targets.base import BenchmarkResult
from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import join, numbers, paragraph, words
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import run_table
from hintlite.pipeline.runs.layout import TARGETS
from hintlite.pipeline.runs.reading import RunFiles, UnreadableError

ANDROID = f"{TARGETS}/android"
READ = ("init", "first", "min", "p50", "mean", "p90", "p95", "p99", "max", "std")
TIMES = ("first", "min", "p50", "mean", "p95", "max", "std")  # on the page
COLUMNS = (
    *words("run", "file", "device", "kind", "kernels"),
    *numbers(formats.text, "threads"),
    *numbers(formats.microseconds, *(f"{name}, µs" for name in TIMES)),
    *words("verdict", "read from"),
)
NOTE = (
    "benchmark_model feeds one random input and looks at no output: its results have no accuracy. "
    "A log of it names neither its device nor the model’s hash, and nobody judged it."  # noqa: RUF001
)


def phones(run: RunFiles) -> list[dict[str, Any]]:
    """One entry a file that was measured on a phone.

    Returns:
        As `entry`; model_bytes and, where `hintlite bundle --phone` was given, validation accuracy
        are those of the file.
    """
    names = [name for name in run.files(ANDROID) if name.endswith(".json")]
    stored = {name: run.json(ANDROID, name) for name in names}
    return [
        entry(of_result(f"{ANDROID}/{name}", BenchmarkResult.from_dict(result)))
        for name, result in stored.items()
        if result is not None
    ]


def measured_elsewhere(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """One entry a file of results or log that the user names.

    Raises:
        UnreadableError: one of them holds no result.
    """
    try:
        return [entry(read_outcome(path)) for path in paths]
    except ResultError as error:
        raise UnreadableError(str(error)) from error


def entry(outcome: Outcome) -> dict[str, Any]:
    """A result as the page shows it; null is unknown.

    Returns:
        source (its place), form, kind, device, model, model_sha256, kernels, threads, latency_us
        by the names of READ, memory_bytes, model_bytes, accuracy, instructions, verdict, reasons.
    """
    figures, device = outcome.figures, outcome.device
    return {
        "source": Path(outcome.place).name if outcome.form != "target" else outcome.place,
        "form": outcome.form,
        "kind": outcome.method.get("kind"),
        "device": device.get("model") or device.get("cpu") or device.get("target"),
        "model": outcome.model.get("file"),
        "model_sha256": outcome.model.get("sha256"),
        "kernels": outcome.method.get("kernels"),
        "threads": outcome.method.get("threads"),
        "latency_us": {name: figures.get(f"{name}_us") for name in READ},
        "memory_bytes": figures.get("memory_bytes"),
        "model_bytes": figures.get("model_bytes"),
        "accuracy": figures.get("accuracy"),
        "instructions": figures.get("instructions_per_inference"),
        "verdict": outcome.verdict,
        "reasons": list(outcome.reasons),
    }


def render(reports: Sequence[Report]) -> Section | None:
    """A table of all results; None without any."""
    found = [
        (report, entry)
        for report in reports
        for entry in (*report.facts["phones"], *report.facts.get("measured", ()))
    ]
    if not found:
        return None
    rows = [_row(report.name, entry) for report, entry in found]
    doubts = [
        paragraph(f"{entry['source']}: {entry['verdict']}, {'; '.join(entry['reasons'])}.")
        for _, entry in found
        if entry["reasons"]
    ]
    caption = "Results from phones and other devices"
    content = join(run_table(reports, caption, COLUMNS, rows), *doubts)
    return Section("phones", "Phones and other devices", content, NOTE)


def _row(run: str, entry: dict[str, Any]) -> list[Any]:
    return [
        *(run, entry["model"]),
        *(entry[name] for name in ("device", "kind", "kernels", "threads")),
        *(entry["latency_us"][name] for name in TIMES),
        *(entry["verdict"] or "not judged", entry["source"]),
    ]
