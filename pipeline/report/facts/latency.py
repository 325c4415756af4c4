"""Latencies, and the machine that they were measured on."""

from __future__ import annotations

from typing import Any

from hintlite.pipeline.report.facts.table import benchmark_result, precisions
from hintlite.pipeline.runs.reading import RunFiles

CONDITIONS = ("before", "after")  # of the machine: they differ from one measurement to the next


def latencies(run: RunFiles) -> list[dict[str, Any]]:
    """One entry a benchmarked file: what the benchmark answered, without its description of files.

    Returns:
        model, precision, kind, target, verdict, latency_us, windows, memory_bytes, settings,
        runtime, conditions (load, clock, temperature before and after), started_utc.
    """
    results = [
        (model, precision, benchmark_result(run, model, precision))
        for model in run.models
        for precision in precisions(run, model)
    ]
    return [_entry(model, precision, result) for model, precision, result in results if result]


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
    for model in run.models:
        for precision in precisions(run, model):
            result = benchmark_result(run, model, precision) or {}
            machine = (result.get("raw") or {}).get("machine")
            if not machine:
                continue
            dropped = (*CONDITIONS, "throttled_words", "other_cpu_share", "steal_share")
            lasting = {name: value for name, value in machine.items() if name not in dropped}
            if lasting not in found:
                found.append(lasting)
    return found
