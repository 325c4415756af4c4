"""The deployed student beside the float teacher, in four figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.facts.table import DEPLOYED, FLOAT
from hintlite.pipeline.report.markup import join, paragraph, part
from hintlite.pipeline.report.names import model_title, precision_title
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.runs.layout import TEACHER

Cards = list[tuple[str, str, str]]


def render(reports: Sequence[Report]) -> Section | None:
    """The four figures of a single run whose student is chosen; else None."""
    if len(reports) != 1:
        return None
    facts = reports[0].facts
    rows = (_row(facts, facts["chosen"], precision) for precision in DEPLOYED)
    student = next((row for row in rows if row is not None), None)
    teacher = _row(facts, TEACHER, FLOAT)
    if student is None or teacher is None:
        return None
    title = model_title(student["model"])
    word = precision_title(student["precision"])
    sentence = f"The deployed model is the {word} file of “{title}”, {_choice(facts)}."
    cards = _cards(student, teacher)
    return (
        Section("summary", "In short", join(paragraph(sentence), part("cards", entries=cards)))
        if cards
        else None
    )


def _row(facts: dict[str, Any], model: str | None, precision: str) -> dict[str, Any] | None:
    rows = (r for r in facts["rows"] if r["model"] == model and r["precision"] == precision)
    return next(rows, None)


def _choice(facts: dict[str, Any]) -> str:
    if facts["settings"].get("deploy", "best") != "best":
        return "as the settings name it"
    return "the best of the students on validation data"


def _cards(student: dict[str, Any], teacher: dict[str, Any]) -> Cards:
    cards: Cards = []
    if student["accuracy"] is not None:
        interval = formats.interval(student["low"], student["high"])
        beside = f"{interval}; float teacher {formats.percent(teacher['accuracy'])}"
        cards.append(("test accuracy", formats.percent(student["accuracy"]), beside))
    for name, field, unit, word in (
        ("file", "bytes", "bytes", "smaller"),
        ("median latency", "p50_us", "µs", "faster"),
        ("parameters", "parameters", "", "fewer"),
    ):
        value, reference = student[field], teacher[field]
        if value:
            write = formats.microseconds if field == "p50_us" else formats.count
            beside = _beside(reference, value, word)
            cards.append((name, f"{write(value)} {unit}".strip(), beside))
    return cards


def _beside(reference: float | None, value: float, word: str) -> str:
    if not reference:
        return ""
    factor = reference / value
    if factor < 1:
        return f"{1 / factor:.1f} times the float teacher’s"  # noqa: RUF001
    return f"{factor:.1f} times {word} than the float teacher"
