"""The Markdown table of `quantization_methods`; records in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

HARD = 1.0  # points of accuracy that calibration loses where a case is hard
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One line of a case.

    Attributes:
        title: what it says.
        precision: of the file, as the evaluation names it.
        methods: the records that have it, the first that does counts.
    """

    title: str
    precision: str
    methods: tuple[str, ...]


ROWS = (
    Row("float", "float32", ("qat", "qat+kd")),
    Row("float, trained on as long", "float32_control", ("qat",)),
    Row("float, trained on as long with KD", "float32_control", ("qat+kd",)),
    Row("PTQ", "int8_ptq", ("qat", "qat+kd")),
    Row("PTQ + equalization", "int8", ("ptq+equalization",)),
    Row("QAT", "int8", ("qat",)),
    Row("QAT + KD", "int8", ("qat+kd",)),
    Row("mixed", "mixed", ("mixed",)),
)
FLOAT, PTQ, QAT_KD = ROWS[0], ROWS[3], ROWS[6]


@dataclass(frozen=True)
class Figures:
    """One row of one case over its seeds.

    Attributes:
        accuracies: seed -> test accuracy in percent.
        sizes: seed -> bytes of the file.
        refused: seed -> the sentence with which there is no file.
    """

    accuracies: Mapping[int, float]
    sizes: Mapping[int, int]
    refused: Mapping[int, str]


def figures(records: Sequence[Record], row: Row) -> Figures:
    """What the records of one case, one a seed, say of a row."""
    accuracies, sizes, refused = {}, {}, {}
    for record in records:
        entry, said = _entry(record, row)
        if entry is not None:
            accuracies[record["seed"]] = 100 * entry["accuracy"]
            sizes[record["seed"]] = entry["bytes"]
        elif said:
            refused[record["seed"]] = said
    return Figures(accuracies, sizes, refused)


def loss(exact: Figures, other: Figures) -> list[float]:
    """Points of accuracy that a row loses against float, one for each seed that both have."""
    both = sorted(set(exact.accuracies) & set(other.accuracies))
    return [exact.accuracies[seed] - other.accuracies[seed] for seed in both]


def won_back(records: Sequence[Record]) -> float | None:
    """The share of what PTQ loses that QAT + KD wins back, of means over the seeds.

    Returns:
        1 is all of it; None where PTQ loses less than `HARD` points, or a seed lacks a figure.
    """
    exact, calibrated, tuned = (figures(records, row) for row in (FLOAT, PTQ, QAT_KD))
    seeds = {record["seed"] for record in records}
    if not all(set(each.accuracies) == seeds for each in (exact, calibrated, tuned)):
        return None
    lost = fmean(loss(exact, calibrated))
    return (lost - fmean(loss(exact, tuned))) / lost if lost >= HARD else None


def table(cases: Mapping[str, Sequence[Record]]) -> str:
    """The Markdown text.

    Args:
        cases: title -> records, one a seed.

    Returns:
        A table with a line for each row that a case has, and sentences below it.
    """
    lines = [
        "| | | test accuracy | loss against float, points | bytes |",
        "|---|---|---|---|---|",
    ]
    said: list[str] = []
    for title, records in cases.items():
        lines += _lines(title, records)
        said += _sentences(title, records)
    return "\n".join([*lines, *(["", *said] if said else [])]) + "\n"


def _lines(title: str, records: Sequence[Record]) -> list[str]:
    exact = figures(records, FLOAT)
    lines: list[str] = []
    for row in ROWS:
        found = figures(records, row)
        if not found.accuracies and not found.refused:
            continue
        case = title if not lines else ""
        if not found.accuracies:
            lines.append(f"| {case} | {row.title} | refused | | |")
            continue
        lost = loss(exact, found) if row is not FLOAT else []
        cells = (
            case,
            row.title,
            _spread(list(found.accuracies.values())) + " %" + _count(found, records),
            _spread(lost) if lost else "",
            f"{round(fmean(found.sizes.values())):,}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _sentences(title: str, records: Sequence[Record]) -> list[str]:
    said = []
    share = won_back(records)
    if share is not None:
        lost = fmean(loss(figures(records, FLOAT), figures(records, PTQ)))
        said.append(
            f"- {title}: PTQ loses {lost:.2f} points; QAT + KD wins back {share:.0%} of them."
        )
    said += [f"- {title}: {text}" for text in _equalized(records)]
    for row in ROWS:
        refused = figures(records, row).refused
        said += [f"- {title}, {row.title}, seed {seed}: {text}" for seed, text in refused.items()]
    return said


def _equalized(records: Sequence[Record]) -> list[str]:
    """How many pairs of layers equalization had something to do with, if it was tried."""
    tried = [record["methods"].get("ptq+equalization", {}).get("equalized") for record in records]
    counts = {(found["done"], found["pairs"]) for found in tried if found}
    return [
        f"{done} of {pairs} pairs of layers were equalized"
        + ("" if done == pairs else "; between the others stands a ReLU6")
        for done, pairs in sorted(counts)
    ]


def _spread(values: Sequence[float]) -> str:
    """Mean and standard deviation (n - 1); one value has none."""
    text = f"{fmean(values):.2f}"
    return f"{text} ± {stdev(values):.2f}" if len(values) > 1 else text


def _count(found: Figures, records: Sequence[Record]) -> str:
    missing = len(found.accuracies) < len(records)
    return f" ({len(found.accuracies)} of {len(records)} seeds)" if missing else ""


def _entry(record: Record, row: Row) -> tuple[Record | None, str | None]:
    """The figures of the first method that has the row, or why there are none."""
    refused: str | None = None
    for name in row.methods:
        method = record["methods"].get(name)
        if method is None:
            continue
        if method.get("refused"):
            refused = refused or str(method["refused"])
        elif row.precision in method["test"]:
            return method["test"][row.precision], None
    return None, refused
