"""Emulated microcontrollers: instructions, code and memory of the bundled student; no times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import beside, figures, heading, join, paragraph, part
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.sections.microcontroller_layers import (
    layer_picture,
    layer_table,
    most_instructions,
)
from hintlite.pipeline.report.sections.microcontroller_npus import npu_part
from hintlite.pipeline.report.sections.microcontroller_tables import (
    Entry,
    Runs,
    arena_table,
    core_table,
)
from hintlite.pipeline.report.sections.microcontroller_tflm import tflm_part
from hintlite.pipeline.report.series import point_look

TITLE = "Microcontrollers"
NOTE = (
    "Simulated: instructions counted by QEMU, not cycles and not time. The bundled INT8 student "
    "runs as plain C on bare metal; equal outputs are those that are the bundle’s expected ones to "  # noqa: RUF001
    "the bit, a step is one of the output’s scale. Code has start-up and kernels, RAM has the "  # noqa: RUF001
    "arena but neither the stack, which stands beside it, nor the caller’s input and output."  # noqa: RUF001
)
ARENA_NOTE = (
    "Working memory of the same file in this C code and in TensorFlow Lite Micro (TFLM). TFLM’s is "  # noqa: RUF001
    "the smallest arena that its x86-64 build takes: a 32-bit target’s differs, as pointers there "  # noqa: RUF001
    "are half as wide. The lower bound is the most bytes that are in use at once in the C code."
)


def render(reports: Sequence[Report]) -> Section | None:
    """Tables and pictures core by core, then the arenas; None where no target was run."""
    cores = _cores(reports)
    others = [part for part in (tflm_part(reports), npu_part(reports)) if part is not None]
    if not cores:
        content, note = join(*others) if others else None, ""
    else:
        content = join(*_emulated(reports, cores), *others)
        against = f" “Against first” compares with run {reports[0].name}."
        note = NOTE + (against if len(reports) > 1 else "")
    return None if content is None else Section("microcontrollers", TITLE, content, note)


def _emulated(reports: Sequence[Report], cores: dict[str, Runs]) -> list[Markup]:
    return [
        *(_core(reports, number, core, runs) for number, (core, runs) in enumerate(cores.items())),
        heading("Arena"),
        paragraph(ARENA_NOTE),
        arena_table(reports, cores),
    ]


def _cores(reports: Sequence[Report]) -> dict[str, Runs]:
    cores: dict[str, Runs] = {}
    for report in reports:
        for entry in report.facts["microcontrollers"]:
            cores.setdefault(entry["target"], []).append((report, entry))
    return cores


def _core(reports: Sequence[Report], number: int, core: str, runs: Runs) -> Markup:
    reasons = [line for report, entry in runs for line in _reasons(reports, report, entry)]
    return join(
        heading(f"{core}, simulated"),
        *(paragraph(line) for line in _origins(runs)),
        core_table(reports, core, runs),
        part("list", entries=reasons) if reasons else "",
        *(paragraph(line) for line in _additions(reports, runs)),
        *(
            _layers(reports, f"microcontrollers-{number}-{place}", report, entry, runs)
            for place, (report, entry) in enumerate(runs)
        ),
    )


def _reasons(reports: Sequence[Report], report: Report, entry: Entry) -> list[str]:
    return [
        f"The verdict{_of_run(reports, report)} is {reason['state']}: {reason['what']}. "
        f"Why it matters: {reason['why']}. Cure: {reason['cure']}."
        for reason in entry["verdict"]["reasons"]
    ]


def _of_run(reports: Sequence[Report], report: Report) -> str:
    return f" of run {report.name}" if len(reports) > 1 else ""


def _origins(runs: Runs) -> list[str]:
    """How the networks were compiled and run; and whether that differs between runs."""
    lines = list(dict.fromkeys(_origin(entry) for _, entry in runs))
    if len(lines) > 1:
        lines.append("The runs were built or emulated differently: their counts differ for that.")
    return lines


def _origin(entry: Entry) -> str:
    tools = "; ".join((entry["tools"] or {}).values())
    flags = " ".join(entry["flags"] or [])
    return (
        f"Instructions counted by QEMU, not cycles and not time. Built with {flags}, run on the "
        f"emulated board {entry['machine']}. Tools: {tools}."
    )


def _additions(reports: Sequence[Report], runs: Runs) -> list[str]:
    """What only some entries have: a count that depends on the sample, an estimate of the time."""
    lines = []
    for report, entry in runs:
        of_run = _of_run(reports, report)
        low, high = entry["instructions_range"]
        if low != high:
            lines.append(
                f"The count{of_run} is the first sample’s; over all samples it is "  # noqa: RUF001
                f"{formats.count(low)} to {formats.count(high)}."
            )
        if entry["estimated_latency_us"]:
            lines.append(f"Latency{of_run}, {_estimate(entry['estimated_latency_us'])}")
    return lines


def _estimate(found: dict[str, Any]) -> str:
    low, high = formats.microseconds(found["low"]), formats.microseconds(found["high"])
    least, most = found["cycles_per_instruction"]
    return (
        f"estimated, neither measured nor simulated: {low} to {high} µs, if an instruction takes "
        f"{formats.number(least)} to {formats.number(most)} cycles at "
        f"{formats.number(found['clock_hz'] / 1e6)} MHz."
    )


def _layers(
    reports: Sequence[Report], anchor: str, report: Report, entry: Entry, runs: Runs
) -> Markup:
    title = f"{entry['target']}, run {report.name}" if len(reports) > 1 else entry["target"]
    colour = point_look(reports, report, entry["model"] or "teacher").colour
    most = most_instructions([each for _, each in runs])
    picture = layer_picture(anchor, title, entry, colour, most)
    return beside(layer_table(title, entry), figures([picture]))
