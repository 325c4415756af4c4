"""In short: the deployed student beside the teacher, in a few figures with their doubts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import entries, join, paragraph, part
from hintlite.pipeline.report.names import model_title, precision_title, result_title
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.subjects.confusion import are_uneven
from hintlite.pipeline.runs.layout import BEST, FLOAT, QUANTIZED, TEACHER

SIGNIFICANT = 0.05  # a p-value below it is called a difference
VALID = "valid"
NOISE = 1.05  # latencies nearer than that are called equal, as windows of one benchmark are
# name, field of a row, unit, what a smaller and an equal one are called
COSTS = (
    ("file", "bytes", "bytes", ("smaller than", "as large as")),
    ("median latency", "p50_us", "µs", ("faster than", "as fast as")),
    ("parameters", "parameters", "", ("fewer than", "as many as")),
)

Facts = Mapping[str, Any]
Row = Mapping[str, Any]
Card = tuple[str, str, str, str]  # name, figure, mark, what stands beside it


def render(reports: Sequence[Report]) -> Section | None:
    """The figures of a single run whose student is chosen; else None."""
    if len(reports) != 1:
        return None
    facts = reports[0].facts
    student, teachers = deployed(facts), teachers_of(facts)
    if student is None or not teachers:
        return None
    cards = [*_worth(facts, student, teachers), *_costs(facts, student, teachers)]
    if not cards:
        return None
    word, title = precision_title(student["precision"]), model_title(student["model"])
    sentence = f"The deployed model is the {word} file of “{title}”, {_choice(facts)}."
    content = join(paragraph(sentence), part("cards", entries=cards), entries(headlines(facts)))
    return Section("summary", "In short", content)


def deployed(facts: Facts) -> Row | None:
    """The row of the file that is deployed; None while no student is chosen."""
    rows = [row for row in facts["rows"] if row["model"] == facts["chosen"]]
    return next((row for row in rows if row["precision"] in QUANTIZED), None)


def teachers_of(facts: Facts) -> list[Row]:
    """The teacher's rows, float and quantized."""
    kinds = (FLOAT, *QUANTIZED)
    return [r for r in facts["rows"] if r["model"] == TEACHER and r["precision"] in kinds]


def headlines(facts: Facts) -> list[str]:
    """What the figures say together: better or worse, slower or larger, doubtful or not."""
    student, teachers = deployed(facts), teachers_of(facts)
    if student is None:
        return []
    return [
        *_few_labels(facts),
        *_told_apart(facts),
        *_worse(student, teachers),
        *_doubtful(facts, student),
    ]


def _few_labels(facts: Facts) -> Iterator[str]:
    """How many labels a student was trained with, where not with all."""
    labels = facts["settings"].get("training", {}).get("labels")
    if labels is not None:
        yield (
            f"The students were trained with {formats.count(labels)} labels; for the other "
            "training samples the teacher speaks, to those that listen to one."
        )


def _choice(facts: Facts) -> str:
    if facts["settings"].get("deploy", BEST) != BEST:
        return "as the settings name it"
    return "the best of the students on validation data"


def _worth(facts: Facts, student: Row, teachers: Sequence[Row]) -> Iterator[Card]:
    if student["accuracy"] is None:
        return
    known = [row for row in teachers if row["accuracy"] is not None]
    beside = [f"{_name(r)} {formats.percent(r['accuracy'])} ({_interval(r)})" for r in known]
    yield (
        "test accuracy",
        formats.percent(student["accuracy"]),
        "",
        "; ".join((_interval(student), *beside)),
    )
    if are_uneven(facts):
        name = "balanced_accuracy"
        beside = [f"{_name(row)} {formats.percent(row[name])}" for row in known]
        yield ("balanced accuracy", formats.percent(student[name]), "", "; ".join(beside))


def _costs(facts: Facts, student: Row, teachers: Sequence[Row]) -> Iterator[Card]:
    for name, field, unit, words in COSTS:
        value = student[field]
        if not value:
            continue
        write = formats.microseconds if field == "p50_us" else formats.count
        seen: dict[float, list[str]] = {}  # teachers of one size are named together
        for row in teachers:
            if row[field]:
                seen.setdefault(row[field], []).append(_kind(row["precision"]))
        beside = [_beside(reference, value, words, kinds) for reference, kinds in seen.items()]
        mark = ""
        if field == "p50_us":
            beside = [*_windows(facts, student), *beside]
            mark = "" if student["verdict"] == VALID else str(student["verdict"])
        yield (name, f"{write(value)} {unit}".strip(), mark, "; ".join(beside))


def _beside(reference: float, value: float, words: tuple[str, str], kinds: Sequence[str]) -> str:
    teacher = "the teacher" if len(kinds) > 1 else f"the {kinds[0]} teacher"
    smaller, equal = words
    factor = reference / value
    if 1 / NOISE < factor < NOISE:
        return f"{equal} {teacher}"
    if factor < 1:
        return f"{1 / factor:.1f} times {teacher}’s"  # noqa: RUF001
    return f"{factor:.1f} times {smaller} {teacher}"


def _windows(facts: Facts, student: Row) -> list[str]:
    """The medians of the single windows of the benchmark: how far they lie apart."""
    named = (student["model"], student["precision"])
    for entry in facts["latency"]:
        medians = [w["p50_us"] for w in entry["windows"] or () if w.get("p50_us") is not None]
        if (entry["model"], entry["precision"]) == named and medians:
            ends = (formats.microseconds(end(medians)) for end in (min, max))
            return [f"{len(medians)} windows: {' to '.join(ends)}"]
    return []


def _told_apart(facts: Facts) -> Iterator[str]:
    """Whether the student is right more or less often than the teacher, sample by sample."""
    for precision, both in facts["against_teacher"].items():
        lost, won, p = both["lost"], both["won"], both["p_value"]
        teacher, total = f"{_kind(precision)} teacher", formats.count(both["total"])
        verdict = "no significant difference"
        if p < SIGNIFICANT:
            verdict = f"the student is significantly {'better' if won > lost else 'worse'}"
        yield (
            f"Of the {total} test samples the deployed student gets {won} right that the {teacher} "
            f"misses, and misses {lost} that it gets right: {verdict} (McNemar’s "  # noqa: RUF001
            f"exact test, p = {formats.number(p)})."
        )


def _worse(student: Row, teachers: Sequence[Row]) -> Iterator[str]:
    """Where the student costs more than a file of the teacher."""
    for row in teachers:
        for field, word, write in (
            ("p50_us", "slower", formats.microseconds),
            ("bytes", "larger", formats.count),
        ):
            unit = "µs" if field == "p50_us" else "bytes"
            if student[field] and row[field] and student[field] >= NOISE * row[field]:
                yield (
                    f"The student is {word} than the {_name(row)}: {write(student[field])} {unit} "
                    f"against {write(row[field])} {unit}."
                )


def _doubtful(facts: Facts, student: Row) -> Iterator[str]:
    if student["verdict"] in (None, VALID):
        return
    rows = [row for row in facts["rows"] if row["verdict"] is not None]
    doubted = sum(row["verdict"] != VALID for row in rows)
    named = (student["model"], student["precision"])
    entry = next(e for e in facts["latency"] if (e["model"], e["precision"]) == named)
    reason = entry["verdict"]["reasons"][0]
    yield (
        f"{doubted} of {len(rows)} latencies are doubtful, that of "
        f"{result_title(*named)} because {reason['what']} ({reason['cure']})."
    )


def _kind(precision: str) -> str:
    return "float" if precision == FLOAT else precision_title(precision)


def _name(row: Row) -> str:
    return f"{_kind(row['precision'])} teacher"


def _interval(row: Row) -> str:
    return formats.interval(row["low"], row["high"])
