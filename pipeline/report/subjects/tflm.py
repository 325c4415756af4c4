"""TensorFlow Lite Micro's interpreter on the page: its arena, and each operator's agreement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import (
    entries,
    heading,
    join,
    numbers,
    of,
    paragraph,
    table,
    words,
)
from hintlite.pipeline.report.names import result_title
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.report.series import of_run, reasons, run_table
from hintlite.pipeline.runs.layout import INT8

NOTE = (
    "Simulated: TensorFlow Lite Micro’s own interpreter (TFLM), an x86-64 build of it. Arenas of "  # noqa: RUF001
    "32-bit targets are estimated. No times."
)
ARENA = (
    *words("network", "run"),
    *numbers(formats.count, "arena, bytes", "non-persistent", "persistent"),
    *words("kind", "where"),
)
OPERATORS = (
    *numbers(formats.text, "operator"),
    *words("name"),
    *numbers(formats.count, "outputs equal", "largest difference, steps"),
    *words("its inputs"),
)
KERNELS = {
    "reference": "32-bit target, reference kernels",
    "cmsis_nn": "32-bit target, CMSIS-NN",
}


def tflm_part(reports: Sequence[Report]) -> Markup | None:
    """The arenas of all runs, then each run's operators; None where TFLM was not run."""
    found = [(report, entry) for report in reports for entry in report.facts["tflm"]]
    if not found:
        return None
    arenas = [row for pair in found for row in _arenas(*pair)]
    return join(
        heading("TensorFlow Lite Micro, simulated"),
        paragraph(NOTE),
        run_table(reports, "Arena of TensorFlow Lite Micro", ARENA, arenas),
        paragraph(f"How the estimate is made: {found[0][1]['estimate']['method']}."),
        *(_operators(reports, *pair) for pair in found),
    )


def _arenas(report: Report, entry: dict[str, Any]) -> Iterator[list[Any]]:
    """The arena on this host, then the estimates for 32-bit targets."""
    names = (result_title(entry["model"], INT8), report.name)
    record, estimate = entry["record"], entry["estimate"]
    sizes = (entry["tflm_arena_bytes_x86_64"], record["non_persistent"], record["persistent"])
    yield [*names, *sizes, entry["kind"], "this host, x86-64"]
    for key, where in KERNELS.items():
        sizes = tuple(
            estimate[key][f"{part}_bytes"] for part in ("arena", "non_persistent", "persistent")
        )
        yield [*names, *sizes, estimate["kind"], where]


def _operators(reports: Sequence[Report], report: Report, entry: dict[str, Any]) -> Markup:
    run = of_run(reports, report)
    rows = [
        [
            *(each["index"], each["operator"], of(each["equal"], each["outputs"])),
            each["largest_difference_steps"],
            "equal" if each["inputs_equal"] else "differ already",
        ]
        for each in entry["operators"]
    ]
    caption = f"Operators{run} against LiteRT’s reference kernels, simulated"  # noqa: RUF001
    doubts = reasons(f"The verdict{run}", entry["verdict"])
    return join(table(caption, OPERATORS, rows), entries(doubts))
