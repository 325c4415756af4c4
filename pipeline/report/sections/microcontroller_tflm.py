"""TensorFlow Lite Micro's interpreter on the page: its arena, and each operator's agreement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import (
    Cell,
    Column,
    cell,
    heading,
    join,
    paragraph,
    part,
    table,
)
from hintlite.pipeline.report.names import result_title
from hintlite.pipeline.report.section import Report

TFLM_NOTE = (
    "Simulated: TensorFlow Lite Micro’s own interpreter (TFLM), an x86-64 build of it. Arenas of "  # noqa: RUF001
    "32-bit targets are estimated. No times."
)
_ARENA = (
    Column("network", number=False),
    Column("run", number=False),
    Column("arena, bytes"),
    Column("non-persistent"),
    Column("persistent"),
    Column("kind", number=False),
    Column("where", number=False),
)
_OPERATORS = (
    Column("operator"),
    Column("name", number=False),
    Column("outputs equal"),
    Column("largest difference, steps"),
    Column("its inputs", number=False),
)


def tflm_part(reports: Sequence[Report]) -> Markup | None:
    """The arenas of all runs, then each run's operators; None where TFLM was not run."""
    found = [(report, entry) for report in reports for entry in report.facts["tflm"]]
    if not found:
        return None
    return join(
        heading("TensorFlow Lite Micro, simulated"),
        paragraph(TFLM_NOTE),
        table(
            "Arena of TensorFlow Lite Micro",
            _ARENA,
            [row for report, entry in found for row in _arena_rows(report, entry)],
        ),
        paragraph(f"How the estimate is made: {found[0][1]['estimate']['method']}."),
        *(_operators(reports, report, entry) for report, entry in found),
    )


def _arena_rows(report: Report, entry: dict[str, Any]) -> list[list[Cell]]:
    record, estimate = entry["record"], entry["estimate"]
    host = (
        entry["tflm_arena_bytes_x86_64"],
        record["non_persistent"],
        record["persistent"],
        entry["kind"],
        "this host, x86-64",
    )
    targets = [
        (
            estimate[key]["arena_bytes"],
            estimate[key]["non_persistent_bytes"],
            estimate[key]["persistent_bytes"],
            estimate["kind"],
            where,
        )
        for key, where in (
            ("reference", "32-bit target, reference kernels"),
            ("cmsis_nn", "32-bit target, CMSIS-NN"),
        )
    ]
    return [_arena_row(report, entry, *figures) for figures in (host, *targets)]


def _arena_row(
    report: Report,
    entry: dict[str, Any],
    arena: int,
    non_persistent: int,
    persistent: int,
    kind: str,
    where: str,
) -> list[Cell]:
    name = result_title(entry["model"], "int8") if entry["model"] else "student, INT8"
    sizes = (arena, non_persistent, persistent)
    return [
        cell(name),
        cell(report.name),
        *(cell(formats.count(size), size) for size in sizes),
        cell(kind),
        cell(where),
    ]


def _operators(reports: Sequence[Report], report: Report, entry: dict[str, Any]) -> Markup:
    of_run = f", run {report.name}" if len(reports) > 1 else ""
    reasons = [
        f"The verdict{of_run} is {reason['state']}: {reason['what']}. Why it matters: "
        f"{reason['why']}. Cure: {reason['cure']}."
        for reason in entry["verdict"]["reasons"]
    ]
    caption = f"Operators against LiteRT’s reference kernels{of_run}, simulated"  # noqa: RUF001
    return join(
        table(caption, _OPERATORS, [_operator_row(each) for each in entry["operators"]]),
        part("list", entries=reasons) if reasons else "",
    )


def _operator_row(entry: dict[str, Any]) -> list[Cell]:
    equal, outputs = entry["equal"], entry["outputs"]
    largest = entry["largest_difference_steps"]
    share = equal / outputs if outputs else None
    return [
        cell(str(entry["index"]), entry["index"]),
        cell(entry["operator"]),
        cell(f"{formats.count(equal)} / {formats.count(outputs)}", share),
        cell(formats.count(largest), largest),
        cell("equal" if entry["inputs_equal"] else "differ already"),
    ]
