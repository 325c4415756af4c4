"""Microcontrollers: what emulators, TFLM and Vela answered of the bundled student; no times."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.markup import (
    beside,
    entries,
    figures,
    heading,
    join,
    numbers,
    of,
    paragraph,
    words,
)
from hintlite.pipeline.report.names import result_title
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import of_run, point_look, reasons, run_table
from hintlite.pipeline.report.subjects.devices import is_device
from hintlite.pipeline.report.subjects.layers import layer_picture, layer_table, most_instructions
from hintlite.pipeline.report.subjects.npus import npu_part
from hintlite.pipeline.report.subjects.tflm import tflm_part
from hintlite.pipeline.runs.layout import BUNDLE_MANIFEST, INT8, RESULT, TEACHER, file_name
from hintlite.pipeline.runs.reading import RunFiles

Entry = dict[str, Any]
Runs = list[tuple[Report, Entry]]  # the entry of each run that has one of a core

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


SIZES = ("code_bytes", "weight_bytes", "ram_bytes", "stack_bytes")
COLUMNS = (
    *words("network", "run"),
    *numbers(formats.count, "instructions per inference"),
    *numbers(formats.signed_percent, "against first"),
    *numbers(formats.count, "code, bytes", "weights, bytes", "RAM, bytes", "stack, bytes"),
    *numbers(formats.count, "outputs equal", "largest difference, steps", "same class"),
    *words("kind", "verdict"),
)
ARENA_SIZES = ("arena_bytes", "arena_lower_bound_bytes", "tflm_arena_bytes_x86_64")
ARENAS = (
    *words("network", "run"),
    *numbers(formats.count, "C, bytes", "lower bound, bytes", "TFLM, x86-64, bytes"),
    *numbers(formats.ratio, "TFLM / C"),
)


def on_targets(run: RunFiles) -> dict[str, list[Entry]]:
    """What was answered of the bundled student, by what kind of target.

    Returns:
        microcontrollers (cores whose instructions were counted), tflm, npus: a list each with
        model (the arm, or None), target, kind, verdict, model_sha256, and what the target itself
        said of it; for a core also instructions_range over the samples and
        arena_lower_bound_bytes (no plan of these buffers is smaller).
    """
    results = [run.json(name, RESULT) for name in run.targets]
    known = [each for each in results if each is not None and not is_device(each)]
    manifest = run.json("bundle", BUNDLE_MANIFEST) if known else None
    arm = None if manifest is None else str(manifest["provenance"]["arm"])
    found = {
        name: [_entry(result, arm) for result in known if _is(result, kind, field)]
        for name, (kind, field) in KINDS.items()
    }
    model = run.content("bundle", MODEL) if found["microcontrollers"] else None
    for entry in found["microcontrollers"]:
        counts = entry.pop("instructions", None) or [entry["instructions_per_inference"]]
        entry["instructions_range"] = [min(counts), max(counts)]
        entry["arena_lower_bound_bytes"] = _lower_bound(entry, model)
    return found


MODEL = f"device/{file_name('', INT8)}"
# Which results are what: their kind, and a field that only they have.
KINDS = {
    "microcontrollers": ("simulated", "instructions_per_inference"),
    "tflm": ("simulated", "record"),
    "npus": ("estimated", "accelerator"),
}


def _is(result: Mapping[str, Any], kind: str, field: str) -> bool:
    return result["kind"] == kind and field in result["raw"]


def _entry(result: Mapping[str, Any], arm: str | None) -> Entry:
    named = {name: result[name] for name in ("target", "kind", "verdict", "model_sha256")}
    return {"model": arm, **result["raw"], **named}


def _lower_bound(entry: Entry, model: bytes | None) -> int | None:
    """The most bytes in use at once; None if it cannot be that of the arena in the result."""
    from hintlite.deploy.c_export.errors import ExportError
    from hintlite.deploy.c_export.export import lower_network

    if model is None or hashlib.sha256(model).hexdigest() != entry["model_sha256"]:
        return None
    try:
        plan = lower_network(model, "network").plan
    except ExportError:
        return None
    # Another arena was planned by another version, for other buffers.
    return plan.lower_bound if plan.arena_bytes == entry["arena_bytes"] else None


def render(reports: Sequence[Report]) -> Section | None:
    """Tables and pictures core by core, then the arenas; None where no target was run."""
    cores = _cores(reports)
    others = [each for each in (tflm_part(reports), npu_part(reports)) if each is not None]
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
        _arenas(reports, cores),
    ]


def _cores(reports: Sequence[Report]) -> dict[str, Runs]:
    cores: dict[str, Runs] = {}
    for report in reports:
        for entry in report.facts["microcontrollers"]:
            cores.setdefault(entry["target"], []).append((report, entry))
    return cores


def _core(reports: Sequence[Report], number: int, core: str, runs: Runs) -> Markup:
    doubts = [
        line
        for report, entry in runs
        for line in reasons(f"The verdict{of_run(reports, report)}", entry["verdict"])
    ]
    first = next((entry for report, entry in runs if report is reports[0]), None)
    caption = f"{core}: instructions, memory, agreement"
    return join(
        heading(f"{core}, simulated"),
        *(paragraph(line) for line in _origins(runs)),
        run_table(reports, caption, COLUMNS, [_row(*pair, first) for pair in runs]),
        entries(doubts),
        *(paragraph(line) for line in _additions(reports, runs)),
        *(
            _layers(reports, f"microcontrollers-{number}-{place}", report, entry, runs)
            for place, (report, entry) in enumerate(runs)
        ),
    )


def _row(report: Report, entry: Entry, first: Entry | None) -> list[Any]:
    count = entry["instructions_per_inference"]
    return [
        *(result_title(entry["model"], INT8), report.name, count),
        count / first["instructions_per_inference"] - 1 if first else None,
        *(entry[name] for name in SIZES),
        *_agreement(entry.get("agreement") or {}),
        *(entry["kind"], entry["verdict"]["state"]),
    ]


def _agreement(found: dict[str, Any]) -> list[Any]:
    return [
        of(found.get("equal"), found.get("outputs")),
        found.get("largest_difference_steps"),
        of(found.get("same_class"), found.get("samples")),
    ]


def _arenas(reports: Sequence[Report], cores: dict[str, Runs]) -> Markup:
    """A line a run and arena: a network's arena is the same on all cores."""
    found = [pair for runs in cores.values() for pair in runs]
    found.sort(key=lambda pair: reports.index(pair[0]))
    lines = {}
    for report, entry in found:
        ours, bound, tflm = (entry.get(name) for name in ARENA_SIZES)
        ratio = tflm / ours if tflm and ours else None
        names = (result_title(entry["model"], INT8), report.name)
        lines[report.name, ours, bound, tflm] = [*names, ours, bound, tflm, ratio]
    caption = "Arena: plain C and TensorFlow Lite Micro"
    return run_table(reports, caption, ARENAS, list(lines.values()))


def _origins(runs: Runs) -> list[str]:
    """How the networks were compiled and run; and whether that differs between runs."""
    lines = list(dict.fromkeys(_origin(entry) for _, entry in runs))
    if len(lines) > 1:
        lines.append("The runs were built or emulated differently: their counts differ for that.")
    return lines


def _origin(entry: Entry) -> str:
    tools = "; ".join((entry.get("tools") or {}).values())
    flags = " ".join(entry.get("flags") or [])
    return (
        f"Instructions counted by QEMU, not cycles and not time. Built with {flags}, run on the "
        f"emulated board {entry['machine']}. Tools: {tools}."
    )


def _additions(reports: Sequence[Report], runs: Runs) -> list[str]:
    """What only some entries have: a count that depends on the sample, an estimate of the time."""
    lines = []
    for report, entry in runs:
        run = of_run(reports, report)
        low, high = entry["instructions_range"]
        if low != high:
            lines.append(
                f"The count{run} is the first sample’s; over all samples it is "  # noqa: RUF001
                f"{formats.count(low)} to {formats.count(high)}."
            )
        if estimate := entry.get("estimated_latency_us"):
            lines.append(f"Latency{run}, {_estimate(estimate)}")
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
    title = f"{entry['target']}{of_run(reports, report)}"
    colour = point_look(reports, report, entry["model"] or TEACHER).colour
    most = most_instructions([each for _, each in runs])
    picture = layer_picture(anchor, title, entry, colour, most)
    return beside(layer_table(title, entry), figures([picture]))
