"""Training histories: the columns of every history.csv as numbers."""

from __future__ import annotations

import math
from typing import Any

from hintlite.pipeline.runs.reading import RunFiles


def histories(run: RunFiles) -> list[dict[str, Any]]:
    """One entry a training that has at least one epoch.

    Returns:
        model ("teacher/0" or the arm), members (how many teachers there are), finished, not_finite
        (figures that were NaN or infinite, null below), phases: {"pretrain" | "task": {column: one
        number or null an epoch}}.
    """
    entries, members = [], len(run.teachers)
    for stage in (*run.teachers, *(f"distill/{arm}" for arm in run.arms)):
        table, finished = run.history(stage)
        if table:
            name = stage.removeprefix("distill/")
            entries.append(
                {"model": name, "members": members, "finished": finished} | _numbers(table)
            )
    return entries


def _numbers(table: list[dict[str, str]]) -> dict[str, Any]:
    phases: dict[str, dict[str, list[float | None]]] = {}
    bad = 0
    for row in table:
        phase = phases.setdefault(row["phase"], {})
        for column, text in row.items():
            if column == "phase":
                continue
            value = float(text) if text else None
            if value is not None and not math.isfinite(value):
                bad, value = bad + 1, None
            phase.setdefault(column, []).append(value)
    return {"not_finite": bad, "phases": {name: _filled(p) for name, p in phases.items()}}


def _filled(columns: dict[str, list[float | None]]) -> dict[str, list[float | None]]:
    """Without the columns that the phase does not have."""
    return {n: values for n, values in columns.items() if any(v is not None for v in values)}
