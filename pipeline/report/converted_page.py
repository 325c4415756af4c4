"""The page of conversions: what the file is worth, how it is fed, what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hintlite.files import write_whole
from hintlite.pipeline.report import formats
from hintlite.pipeline.report.converted import SCHEMA, collect_converted
from hintlite.pipeline.report.markup import (
    Column,
    heading,
    interval,
    join,
    numbers,
    paragraph,
    table,
    words,
)
from hintlite.pipeline.report.page import html_page, json_text, report_names
from hintlite.pipeline.report.section import Section
from hintlite.pipeline.report.subjects.explanation import NOTE as EXPLAINED
from hintlite.pipeline.report.subjects.explanation import explained

Named = Sequence[tuple[str, dict[str, Any]]]  # a folder's name, and what it says
_KNOWN = {"float32": "float", "int8_ptq": "INT8 by calibration"}


def write_converted(folders: Sequence[Path], html: Path, json_path: Path) -> None:
    """Writes the page of one folder, or of several side by side, and its figures.

    Args:
        folders: of `hintlite convert` or `hintlite qat`; the same folders give the same bytes.
        html, json_path: to write.

    Raises:
        UnreadableError: a folder that is none, or is damaged.
    """
    found = list(zip(report_names(folders), map(collect_converted, folders), strict=True))
    sections = [part(found) for part in (_worth, _outputs, _feeding, _sizes, _targets, _layers)]
    about = [_about(name, facts) for name, facts in found]
    names = [name for name, _ in found]
    write_whole(html, html_page(names, about, [each for each in sections if each is not None]))
    facts = [each for _, each in found]
    content = facts[0] if len(facts) == 1 else {"schema": SCHEMA, "folders": facts}
    write_whole(json_path, json_text(content))


def _about(name: str, facts: dict[str, Any]) -> str:
    provenance = facts["provenance"]
    return (
        f"{name}: {facts['model']} by `hintlite {facts['made_by']}` on {provenance.get('data')}; "
        f"hintlite {provenance.get('hintlite')}"
    )


def _worth(found: Named) -> Section:
    columns = (
        *words("folder", "what"),
        *numbers(formats.count, "bytes"),
        *numbers(formats.percent, "accuracy"),
        *numbers(formats.number, "mean absolute error"),
        *numbers(formats.percent, "chooses as the model"),
        Column("95 % interval"),
    )
    rows = []
    for name, facts in found:
        model = (name, f"model ({facts['model']})", None)
        rows.append(
            [*model, facts["model_accuracy"], facts["model_error"], None, interval(None, None)]
        )
        for each in facts["files"]:
            last = each is facts["files"][-1]
            ends = facts["agreement_interval"] if last else None
            rows.append(
                [
                    *(name, _KNOWN.get(each["precision"], each["precision"]), each["bytes"]),
                    *(each["accuracy"], each["mean_absolute_error"]),
                    facts["agreement"] if last else None,
                    interval(*(ends or (None, None))),
                ]
            )
    counts = ", ".join(f"{facts['samples']} ({name})" for name, facts in found)
    note = (
        f"On validation samples that set no range: {counts}. A dash: there were no labels, or "
        "nothing is chosen."
    )
    return Section("worth", "Model and file", table("Model and files", columns, rows), note)


def _outputs(found: Named) -> Section:
    columns = (
        *words("folder", "output"),
        *numbers(formats.number, "largest difference", "in steps of the output"),
        *numbers(formats.percent, "root mean square, of the deviation"),
    )
    rows = [
        [name, each["name"], each["max_error"], each["max_error_steps"], each["error"]]
        for name, facts in found
        for each in facts["outputs"]
    ]
    note = "The file’s outputs less the model’s, as real numbers."  # noqa: RUF001
    return Section("outputs", "Outputs", table("Outputs", columns, rows), note)


def _feeding(found: Named) -> Section:
    columns = words("folder", "input", "shape", "raw values", "mean", "deviation", "mean moved by")
    rows = [
        [
            *(name, each["input"], " x ".join(map(str, each["shape"])), each["raw_dtype"]),
            *(_few(each[key]) for key in ("mean", "std")),
            formats.number(each["moved_by"]) if each["moved_by"] else "0",
        ]
        for name, facts in found
        for each in facts["feeding"]
    ]
    note = "The device’s input stands for (raw - mean) / deviation, channel by channel."  # noqa: RUF001
    return Section("feeding", "How it is fed", table("Inputs", columns, rows), note)


def _few(values: Sequence[float]) -> str:
    """The numbers of the channels; one where they are equal."""
    told = [f"{value:g}" for value in values]
    return told[0] if len(set(told)) == 1 else ", ".join(told)


def _sizes(found: Named) -> Section:
    columns = (
        *words("folder"),
        *numbers(formats.count, "parameters", "MACs", "bytes", "arena, planned, bytes"),
        *words("TensorFlow Lite Micro since"),
    )
    rows = [
        [
            *(name, facts["parameters"], facts["macs"], facts["files"][-1]["bytes"]),
            facts["arena_bytes"],
            facts["tensorflow_lite_micro"] or "any",
        ]
        for name, facts in found
    ]
    note = "The arena without the kernels’ scratch buffers and the interpreter’s own memory."  # noqa: RUF001
    return Section("sizes", "Sizes", table("Sizes", columns, rows), note)


def _targets(found: Named) -> Section | None:
    columns = (
        *words("folder", "target", "kind"),
        *numbers(formats.microseconds, "p50, µs", "p99, µs"),
        *numbers(formats.count, "instructions", "memory, bytes"),
        *words("verdict"),
    )
    rows = []
    for name, facts in found:
        for target, result in facts["targets"].items():
            times = result["latency_us"] or {}
            rows.append(
                [
                    *(name, target, result["kind"], times.get("p50"), times.get("p99")),
                    result["raw"].get("instructions_per_inference"),
                    *(result["memory_bytes"], result["verdict"]["state"]),
                ]
            )
    if not rows:
        return None
    note = "What `hintlite benchmark FOLDER --target ...` answered."
    return Section("targets", "On targets", table("On targets", columns, rows), note)


def _layers(found: Named) -> Section | None:
    parts: list[Markup] = []
    for place, (name, facts) in enumerate(found):
        if facts["explanation"] is not None:
            parts.append(heading(name))
            parts.append(explained(f"explanation-{place}", name, facts["explanation"]))
    if not parts:
        told = "`hintlite quantize FOLDER --explain` tells what each operator costs."
        chooses = any(facts["labels"] for _, facts in found)
        return (
            Section("explanation", "Where the error comes from", paragraph(told))
            if chooses
            else None
        )
    return Section("explanation", "Where the error comes from", join(*parts), EXPLAINED)
