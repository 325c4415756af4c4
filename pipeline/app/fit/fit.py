"""`hintlite fit`: does a model fit a board or a budget, what sets its RAM, and what would fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hintlite.deploy.mcu.kernel_memory import scratch_buffers
from hintlite.deploy.tflite.graph import Model
from hintlite.deploy.tflite.lifetimes import Lifetimes, model_lifetimes
from hintlite.deploy.tflite.planner import ArenaPlan, greedy_plan, optimal_plan
from hintlite.pipeline.app.fit.limits import (
    ARENA_SOURCE,
    NO_CODE,
    STACK_BYTES,
    STACK_SOURCE,
    Costs,
    Limits,
    costs_of,
    excess,
    read_limits,
)
from hintlite.pipeline.app.fit.memory_picture import letters, short_name, text_picture, write_svg
from hintlite.pipeline.app.fit.smaller import Change, smallest_changes
from hintlite.pipeline.app.fit.subject import Subject, measure_with, subject_of

SHOWN_CHANGES = 6
CONFIRMED_CHANGES = 3  # a conversion takes seconds
KERNELS = {
    "reference": "TFLM's own kernels",
    "cmsis_nn_dsp": "CMSIS-NN's kernels (DSP instructions)",
    "cmsis_nn_mve": "CMSIS-NN's kernels (vector extension)",
}


def fit(options: Mapping[str, Any]) -> int:
    """Prints whether a model fits; 0 if so, 1 if not.

    Args:
        options: of the command, already checked.

    Raises:
        RunError, ModelError, ...: the model or run cannot be read.
    """
    found = answer(subject_of(Path(options["model"])), read_limits(options))
    if options["svg"]:
        write_svg(Path(options["svg"]), found.subject.title, found.lifetimes, found.plan)
    if options["json"]:
        print(json.dumps(_as_json(found), indent=1))
        return 1 if found.over else 0
    print("\n".join(as_text(found)))
    if options["svg"]:
        print(f"picture: {options['svg']}")
    if found.changes and options["confirm"]:
        confirmed = found.changes[:CONFIRMED_CHANGES]
        print("\n".join(_confirmed(found.subject, found.limits, confirmed)))
    return 1 if found.over else 0


@dataclass(frozen=True)
class Answer:
    """What the command found.

    Attributes:
        subject: the model.
        limits: what there is.
        costs: what it takes.
        over: what is too much, by how much; empty where it fits.
        lifetimes: of its tensors and scratch memory.
        plan: of its arena.
        changes: to the student, that would make it fit.
    """

    subject: Subject
    limits: Limits
    costs: Costs
    over: dict[str, int]
    lifetimes: Lifetimes
    plan: ArenaPlan
    changes: list[Change]


def answer(subject: Subject, limits: Limits) -> Answer:
    """What there is to say of a model."""
    costs = costs_of(subject.model, subject.file_bytes, limits)
    over = excess(costs, limits)
    lifetimes = lifetimes_with(subject.model, costs.kernels)
    changes = _changes(subject, limits) if over else []
    return Answer(subject, limits, costs, over, lifetimes, greedy_plan(lifetimes), changes)


def lifetimes_with(model: Model, kernels: str) -> Lifetimes:
    """The lifetimes of a model's tensors, and of the scratch memory of the named kernels.

    Args:
        model: to be planned.
        kernels: one of `kernel_memory.KERNELS`.

    Raises:
        ModelError: its memory cannot be planned.
    """
    return model_lifetimes(model, partial(scratch_buffers, kernels=kernels))


def as_text(found: Answer) -> list[str]:
    """What the command prints, in lines."""
    head, table = _head(found.subject, found.limits), _table(found.costs, found.limits)
    lines = [*head, "", *table, "", _verdict(found.over), ""]
    lines += _memory(found.lifetimes, found.plan, found.costs.kernels)
    if found.over:
        lines += ["", *_advice(found.subject, found.changes)]
    return lines


def _changes(subject: Subject, limits: Limits) -> list[Change]:
    if subject.student is None:
        return []
    measure = measure_with(subject, limits)
    return smallest_changes(subject.student, measure, lambda costs: not excess(costs, limits))


def _head(subject: Subject, limits: Limits) -> list[str]:
    lines = [f"{subject.title}: {subject.file_bytes:,} bytes" + (", drawn" * subject.drawn)]
    lines += list(subject.notes)
    board = limits.board
    if board:
        lines.append(
            f"board {board.name}: {board.title}, {board.chip}, {board.core}, {board.clock_mhz:g} "
            f"MHz\n  source: {board.source}"
        )
    return lines


def _table(costs: Costs, limits: Limits) -> list[str]:
    code = f"model and {limits.runtime_flash:,} bytes of code as given"
    stack = STACK_SOURCE if limits.runtime_ram == STACK_BYTES else "given with --runtime_ram"
    ram = f"arena, and {limits.runtime_ram:,} bytes {stack}"
    rows = [
        ("flash", costs.flash_bytes, limits.flash_bytes, code if limits.runtime_flash else NO_CODE),
        ("RAM", costs.ram_bytes, limits.ram_bytes, ram),
        ("arena", costs.arena_bytes, limits.block_bytes, ARENA_SOURCE),
        ("MACs", costs.macs, limits.macs, "counted from the shapes of convolutions and products"),
    ]
    lines = [f"{'':6} {'needs':>12} {'there is':>12} {'left':>12}"]
    for name, taken, most, _ in rows:
        there = "no limit" if most is None else f"{most:,}"
        left = "" if most is None else f"{most - taken:,}"
        lines.append(f"{name:6} {taken:>12,} {there:>12} {left:>12}".rstrip())
    return [*lines, *(f"  {name}: {source}" for name, _, _, source in rows)]


def _verdict(over: Mapping[str, int]) -> str:
    if not over:
        return "it fits"
    return "it does not fit: " + ", ".join(f"{name} by {by:,}" for name, by in over.items())


def _memory(lifetimes: Lifetimes, plan: ArenaPlan, kernels: str) -> list[str]:
    best = optimal_plan(lifetimes)
    step = lifetimes.peak_step
    at = f"operator {step - 1} ({lifetimes.steps[step]})" if step else "the input"
    gap = f" (at most {best.gap:.1%} above the best)" if best.gap else ""
    marks = dict(zip(lifetimes.buffers, letters(lifetimes), strict=True))
    lines = [
        f"activations and scratch memory over time, with {KERNELS[kernels]}: {plan.arena_bytes:,} "
        f"bytes planned as TFLM does, {best.arena_bytes:,} planned optimally{gap}",
        *text_picture(lifetimes, plan),
        f"the peak is {lifetimes.lower_bound_bytes:,} bytes, live at {at}:",
    ]
    return lines + [
        f"  {marks[buffer]} {buffer.aligned_bytes:>9,}  steps {buffer.first} to {buffer.last}  "
        f"{short_name(buffer)}"
        for buffer in lifetimes.live(step)
    ]


def _advice(subject: Subject, changes: list[Change]) -> list[str]:
    if subject.student is None:
        return [f"no smaller student is proposed: {subject.why_no_student}"]
    if not changes:
        return [
            "no student of this family fits: neither one channel a stage nor the fewest layers "
            "nor larger strides are small enough"
        ]
    lines = [
        "the smallest changes to the student that make it fit, found by search over its shapes "
        "(arena and MACs as converted, file size estimated; nothing was trained):"
    ]
    for number, change in enumerate(changes[:SHOWN_CHANGES], start=1):
        lines += _change_lines(number, change, subject)
    return lines


def _change_lines(number: int, change: Change, subject: Subject) -> list[str]:
    costs = change.costs
    return [
        f"  {number}. {change.kind}: {change.lost_parameters:.1%} of the parameters and "
        f"{change.lost_macs:.1%} of the MACs less; flash {costs.flash_bytes:,}, RAM "
        f"{costs.ram_bytes:,}, {costs.parameters:,} parameters, {costs.macs:,} MACs",
        f"     {_flags(change, subject)}",
    ]


def _flags(change: Change, subject: Subject) -> str:
    """The settings that differ from the run's, as flags of `hintlite run`."""
    old, new = asdict(subject.given or subject.student or change.config), asdict(change.config)
    return " ".join(
        f"--student.{name} {_value(new[name])}" for name in new if new[name] != old[name]
    )


def _value(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    text = json.dumps(plain)
    return f"'{text}'" if isinstance(plain, list) else text


def _confirmed(subject: Subject, limits: Limits, changes: list[Change]) -> list[str]:
    """The proposals as files: built, given random weights, converted; exact sizes."""
    from hintlite.pipeline.app.fit.subject import converted

    lines = ["converted with random weights:"]
    for number, change in enumerate(changes, start=1):
        model = converted(change.config, subject.input_shape, subject.classes)
        costs = costs_of(model, len(model.content), limits)
        over = excess(costs, limits)
        lines.append(
            f"  {number}. flash {costs.flash_bytes:,}, RAM {costs.ram_bytes:,}, MACs "
            f"{costs.macs:,}: {_verdict(over)}"
        )
    return lines


def _as_json(found: Answer) -> dict[str, Any]:
    subject, lifetimes, plan = found.subject, found.lifetimes, found.plan
    best = optimal_plan(lifetimes)
    return {
        "model": subject.title,
        "drawn": subject.drawn,
        "notes": list(subject.notes),
        "fits": not found.over,
        "excess": found.over,
        "limits": asdict(found.limits),
        "costs": asdict(found.costs),
        "sources": {"arena": ARENA_SOURCE, "runtime_ram": STACK_SOURCE, "flash": NO_CODE},
        "activations": {
            "greedy_bytes": plan.arena_bytes,
            "optimal_bytes": best.arena_bytes,
            "optimal_gap": best.gap,
            "lower_bound_bytes": lifetimes.lower_bound_bytes,
            "peak_step": lifetimes.peak_step,
            "steps": list(lifetimes.steps),
            "bytes_by_step": list(lifetimes.bytes_by_step),
            "buffers": [
                asdict(buffer) | {"offset": offset}
                for buffer, offset in zip(lifetimes.buffers, plan.offsets, strict=True)
            ],
        },
        "changes": [
            {
                "kind": change.kind,
                "flags": _flags(change, subject),
                "costs": asdict(change.costs),
                "lost_parameters": change.lost_parameters,
                "lost_macs": change.lost_macs,
            }
            for change in found.changes
        ],
    }
