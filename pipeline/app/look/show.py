"""`hintlite report` and `hintlite inspect`: looking at a run or a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hintlite.pipeline.app.run.folder import RunError
from hintlite.pipeline.app.run.not_a_run import not_a_run
from hintlite.pipeline.runs.layout import SETTINGS

if TYPE_CHECKING:
    from hintlite.deploy.tflite.inspect import ModelInfo, TensorInfo

SHOWN_SCALES = 3  # of a per-channel tensor; --json has all


def report(runs: list[Path], out: Path | None, measured: list[Path], pictures: Path | None) -> int:
    """Writes report.html and report.json of one run or several, and pictures where asked for."""
    from hintlite.pipeline.report.converted import record_of
    from hintlite.pipeline.report.page import write_report

    place = out or runs[0]
    if any(record_of(run) for run in runs):
        return _report_converted(runs, place, bool(measured or pictures))
    for run in runs:
        if not (run / SETTINGS).is_file():
            raise RunError(not_a_run(run))
    write_report(runs, place / "report.html", place / "report.json", measured)
    console().print(f"report: {place / 'report.html'}", markup=False)
    if pictures is not None:
        from hintlite.pipeline.report.pictures import write_pictures

        for path in write_pictures(runs, pictures):
            console().print(f"picture: {path}", markup=False)
    return 0


def _report_converted(folders: list[Path], place: Path, of_runs: bool) -> int:
    """The page of folders of `hintlite convert` and `qat`."""
    from hintlite.pipeline.report.converted import record_of
    from hintlite.pipeline.report.converted_page import write_converted

    others = [str(folder) for folder in folders if record_of(folder) is None]
    if others:
        raise RunError(
            f"{', '.join(others)}: no folder of `hintlite convert` or `qat`, as the others are; "
            "one page compares such folders, or runs"
        )
    if of_runs:
        raise RunError("--measured and --pictures are for runs: leave them out")
    write_converted(folders, place / "report.html", place / "report.json")
    console().print(f"report: {place / 'report.html'}", markup=False)
    return 0


def inspect_model(path: Path, as_json: bool) -> int:
    """Prints what a .tflite file holds."""
    from hintlite.deploy.bundle.deployed import model_file
    from hintlite.deploy.tflite.inspect import inspect

    path = model_file(path)
    info = inspect(path, optimal=True)
    if as_json:
        print(json.dumps(info.to_dict(), indent=1))
        return 0
    shown = console()
    shown.print(_summary(path, info), markup=False)
    shown.print(_operators(info))
    shown.print()
    shown.print(_tensors(info))
    return 0


def console() -> Console:
    """For tables: 160 columns where the output is no terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    return console


def _summary(path: Path, info: ModelInfo) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in info.operator_counts.items())
    lines = [
        f"{path}: {info.file_bytes:,} bytes, {info.precision}, sha256 {info.sha256}",
        f"{info.parameters:,} parameters, {info.macs:,} MACs, {len(info.operators)} operators: "
        + counts,
    ]
    for end, tensors in (("input", info.inputs), ("output", info.outputs)):
        for tensor in tensors:
            lines.append(
                f"{end}: {tensor.name} {list(tensor.shape)} {tensor.dtype} {_scale(tensor)}"
            )
    if info.arena:
        lines.append(_arena(info))
    if info.is_full_int8:
        lines.append("full INT8: every operator computes with integers")
    else:
        lines += ["not full INT8:", *(f"  {reason}" for reason in info.not_int8_reasons[:5])]
        if len(info.not_int8_reasons) > 5:
            lines.append(f"  and {len(info.not_int8_reasons) - 5} more")
    return "\n".join(lines) + "\n"


def _arena(info: ModelInfo) -> str:
    arena = info.arena
    assert arena is not None
    at = "the input"
    if arena.peak_operator is not None:
        at = f"operator {arena.peak_operator} ({info.operators[arena.peak_operator].name})"
    gap = f", at most {arena.optimal_gap:.1%} above the best" if arena.optimal_gap else ""
    return (
        f"activations: {arena.lower_bound_bytes:,} bytes live at {at}; arena {arena.greedy_bytes:,}"
        f" planned greedily as TFLM does, {arena.optimal_bytes:,} optimally{gap}; "
        "without the kernels' scratch buffers and TFLM's own structures"
    )


def _operators(info: ModelInfo) -> Table:
    table = Table(box=None, pad_edge=False, title="operators", title_justify="left")
    for name in ("#", "operator", "inputs", "outputs", "options"):
        table.add_column(name, overflow="fold")
    for name in ("parameters", "MACs"):
        table.add_column(name, justify="right")
    for row in info.rows():
        table.add_row(*(escape(cell) for cell in row))
    return table


def _tensors(info: ModelInfo) -> Table:
    table = Table(box=None, pad_edge=False, title="tensors", title_justify="left")
    for name in ("#", "tensor", "shape", "type", "scale and zero point"):
        table.add_column(name, overflow="fold")
    table.add_column("constant bytes", justify="right")
    for tensor in info.tensors:
        table.add_row(
            str(tensor.index),
            escape(tensor.name),
            "x".join(str(size) for size in tensor.shape) or "scalar",
            tensor.dtype,
            _scale(tensor),
            f"{tensor.buffer_bytes:,}" if tensor.constant else "",
        )
    return table


def _scale(tensor: TensorInfo) -> str:
    if not tensor.scales:
        return ""
    pairs = zip(tensor.scales, tensor.zero_points, strict=True)
    shown = [f"{scale:.6g} {zero:+d}" for scale, zero in pairs][:SHOWN_SCALES]
    if len(tensor.scales) == 1:
        return shown[0]
    more = f", ... {len(tensor.scales)} channels" if len(tensor.scales) > len(shown) else ""
    return f"{', '.join(shown)}{more} (dimension {tensor.quantized_dimension})"
