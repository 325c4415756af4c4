"""Where the error of an INT8 file comes from: each operator's noise, and what it costs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.figure import Picture, bars
from hintlite.pipeline.report.markup import (
    Cell,
    figures,
    heading,
    join,
    numbers,
    paragraph,
    part,
    table,
    words,
)
from hintlite.pipeline.report.names import result_title
from hintlite.pipeline.report.palette import RIGHT, WRONG
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.series import per_run
from hintlite.pipeline.runs.layout import EXPLANATION, INT8
from hintlite.pipeline.runs.reading import RunFiles

MOST_BARS = 24
COLUMNS = (
    *numbers(formats.text, "#"),
    *words("operator", "layer"),
    *numbers(formats.number, "SQNR, dB"),
    *numbers(formats.percent, "clipped", "range used"),
    *numbers(formats.count, "widest channel"),
    *numbers(formats.number, "times the others", "weights, widest to narrowest"),
    *numbers(formats.signed_points, "points regained"),
    *numbers(formats.count, "won", "lost"),
    *numbers(formats.percent, "of the error"),
)
NOTE = (
    "For each operator of the INT8 file, on validation data. SQNR: the float values’ squares over "  # noqa: RUF001
    "the squares of the differences, in decibels, of the operator’s output; what was lost before "  # noqa: RUF001
    "it is in it. Clipped: values beyond the range of the integers. Range used: share of the "
    "integers that occur. Regained, simulated: what accuracy and the logits’ squared error gain "  # noqa: RUF001
    "when this operator alone is kept in float, with float weights and an output that is neither "
    "rounded nor clipped; a dash stands for operators that only move or compare integers."
)

Entry = dict[str, Any]


def explanations(run: RunFiles) -> list[Entry]:
    """One entry a model that an explanation was begun for.

    Returns:
        model; content, what explain.json holds, or null where that no longer fits the run; state
        and reason of the stage; command, which makes it anew.
    """
    command = f"hintlite quantize {shlex.quote(str(run.path))} --explain"
    states = {model: run.state(f"explain/{model}") for model in run.models}
    return [
        {
            "model": model,
            "state": state.state,
            "reason": state.reason,
            "content": run.json(state.name, EXPLANATION),
            "command": command,
        }
        for model, state in states.items()
        if state.state != "missing"
    ]


def render(reports: Sequence[Report]) -> Section | None:
    """Sentences, pictures and tables; None if no run was explained."""
    content = per_run(reports, _one)
    return Section("explanation", "Where the error comes from", content, NOTE) if content else None


def _one(place: int, report: Report) -> Markup | None:
    parts: list[Markup] = []
    for number, entry in enumerate(report.facts["explanations"]):
        title = result_title(entry["model"], INT8)
        parts.append(heading(title))
        if entry["content"] is None:
            parts += [paragraph(_outdated(entry)), part("code", text=entry["command"])]
        else:
            parts.append(explained(f"explanation-{place}-{number}", title, entry["content"]))
    return join(*parts) if parts else None


def _outdated(entry: Entry) -> str:
    why = entry["reason"] or (
        "it is not finished" if entry["state"] == "begun" else "its file was changed"
    )
    return f"The explanation is out of date: {why}. To make it again:"


def explained(anchor: str, title: str, content: Entry) -> Markup:
    """Sentences, pictures and a table of one explanation.

    Args:
        anchor: what ids of its pictures begin with.
        title: of the file.
        content: what explain.json holds.
    """
    operators = content["operators"]
    pictures = [
        _bars(f"{anchor}-sqnr", title, operators, _SQNR),
        _bars(f"{anchor}-regained", title, operators, _REGAINED),
    ]
    return join(
        paragraph(content["finding"]["sentence"]),
        *(paragraph(remark) for remark in content["remarks"]),
        figures(pictures),
        table(f"Operators of {title}", COLUMNS, [_row(entry) for entry in operators]),
        paragraph(_trust(content)),
    )


def _trust(content: Entry) -> str:
    agreed = content["agreement"]
    right = "Accuracy" if content["labelled"] else "Share of the float file’s choices"  # noqa: RUF001
    return (
        f"{right} on {formats.count(content['samples'])} validation samples: float file "
        f"{formats.percent(content['float_accuracy'])}, INT8 file "
        f"{formats.percent(content['int8_accuracy'])}{_other_kernels(content)}, its simulation "
        f"{formats.percent(content['simulated_accuracy'])}. The simulation chooses as the file "
        f"does on {formats.percent(agreed['same_choice'])}, and "
        f"{formats.percent(agreed['equal_outputs'])} of its outputs are equal to the file’s; the "  # noqa: RUF001
        f"largest difference is {formats.number(agreed['largest_steps'])} steps of the output. It "
        f"misses {formats.percent(agreed['missed_error'])} of the logits’ squared error."  # noqa: RUF001
    )


def _other_kernels(content: Entry) -> str:
    """What other kernels choose; the explanations of earlier versions do not say it."""
    other = content.get("builtin_accuracy", content["int8_accuracy"])
    if other == content["int8_accuracy"]:
        return ""
    return (
        f" (with XNNPACK, as in every table; {formats.percent(other)} with LiteRT’s built-in "  # noqa: RUF001
        "kernels, whose tensors are compared here)"
    )


def _sqnr(entry: Entry) -> float | None:
    value: float | None = entry["output"]["sqnr_db"]
    return value


def _points(entry: Entry) -> float | None:
    value: float | None = entry["regained"] and entry["regained"]["points"]
    return value


@dataclass(frozen=True)
class _Quantity:
    """What a picture shows of each operator."""

    read: Callable[[Entry], float | None]
    caption: str
    axis: str
    unit: str
    colour: str


_SQNR = _Quantity(_sqnr, "Signal to quantization noise of each output", "SQNR, dB", "dB", RIGHT)
_REGAINED = _Quantity(
    _points,
    "Accuracy regained with one operator in float, simulated",
    "percentage points",
    "points",
    WRONG,
)


def _bars(anchor: str, title: str, operators: Sequence[Entry], what: _Quantity) -> Picture | None:
    """A bar an operator, in order; of a deep network those that cost most."""
    shown = costliest(operators)
    values = {_name(entry): what.read(entry) for entry in shown}
    if all(value is None for value in values.values()):
        return None
    which = "" if len(shown) == len(operators) else f", the {len(shown)} costliest"
    told = "; ".join(f"{n} {formats.number(value)} {what.unit}" for n, value in values.items())
    return bars(anchor, f"{what.caption}: {title}{which}", values, what.colour, what.axis, told)


def costliest(operators: Sequence[Entry]) -> list[Entry]:
    """At most `MOST_BARS` operators, in their order: those that cost most accuracy and error."""

    def cost(entry: Entry) -> tuple[float, float]:
        gain = entry["regained"] or {"points": 0.0, "error_share": 0.0}
        return gain["points"], gain["error_share"] or 0.0

    ranked = sorted(operators, key=cost, reverse=True)[:MOST_BARS]
    return sorted(ranked, key=lambda entry: int(entry["index"]))


def _name(entry: Entry) -> str:
    return "input" if entry["index"] < 0 else f"{entry['index']} {entry['operator']}"


def _row(entry: Entry) -> list[Any]:
    output, weights, gain = entry["output"], entry["weights"] or {}, entry["regained"] or {}
    points = gain.get("points")
    return [
        Cell(formats.DASH, -1) if entry["index"] < 0 else entry["index"],
        *(entry["operator"], entry["layer"]),
        *(output[name] for name in ("sqnr_db", "clipped", "range_use", "widest_channel")),
        *(output["channel_ratio"], weights.get("ratio")),
        None if points is None else points / 100,
        *(gain.get(name) for name in ("won", "lost", "error_share")),
    ]
