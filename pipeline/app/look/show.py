"""`hintlite report`, `inspect` and `predict`: looking at a run or a file, and asking it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hintlite.pipeline.app.run.folder import RunError

if TYPE_CHECKING:
    from hintlite.deploy.tflite.inspect import ModelInfo, TensorInfo

SHOWN_SCALES = 3  # of a per-channel tensor; --json has all


def report(runs: list[Path], out: Path | None, measured: list[Path], pictures: Path | None) -> int:
    """Writes report.html and report.json of one run or several, and pictures where asked for."""
    from hintlite.pipeline.report.page import write_report

    place = out or runs[0]
    write_report(runs, place / "report.html", place / "report.json", measured)
    _console().print(f"report: {place / 'report.html'}", markup=False)
    if pictures is not None:
        from hintlite.pipeline.report.pictures import write_pictures

        for path in write_pictures(runs, pictures):
            _console().print(f"picture: {path}", markup=False)
    return 0


def inspect_model(path: Path, as_json: bool) -> int:
    """Prints what a .tflite file holds."""
    from hintlite.deploy.tflite.inspect import inspect

    info = inspect(path, optimal=True)
    if as_json:
        print(json.dumps(info.to_dict(), indent=1))
        return 0
    console = _console()
    console.print(_summary(path, info), markup=False)
    console.print(_operators(info))
    console.print()
    console.print(_tensors(info))
    return 0


def _console() -> Console:
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
        f" planned greedily as TFLM does, {arena.optimal_bytes:,} optimally{gap}"
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


def predict(place: Path, images: list[Path], as_json: bool) -> int:
    """Prints what the deployed file makes of each picture."""
    import numpy as np

    from hintlite.deploy.bundle.predict import classify
    from hintlite.pipeline.data.picture import load_picture

    folder, manifest, model = _deployed(place)
    normalization = manifest["normalization"]
    shape = tuple(manifest["task"]["input_shape"])
    raw = [
        load_picture(image, shape, normalization["raw_dtype"], normalization.get("raw_max"))
        for image in images
    ]
    probabilities = classify(folder, np.stack(raw), model=model)
    labels = manifest["task"]["labels"]
    answers = [_answer(*pair, labels) for pair in zip(images, probabilities, strict=True)]
    if as_json:
        print(json.dumps(answers, indent=1))
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("image", "label", "probability", "next"):
        table.add_column(name)
    for answer in answers:
        following = f"{answer['next']} ({answer['next_probability']:.3f})"
        cells = (answer["image"], answer["label"], f"{answer['probability']:.3f}", following)
        table.add_row(*(escape(cell) for cell in cells))
    _console().print(table)
    return 0


def _answer(image: Path, probabilities: Any, labels: list[str]) -> dict[str, Any]:
    first, second = probabilities.argsort()[::-1][:2]
    return {
        "image": str(image),
        "label": labels[first],
        "probability": float(probabilities[first]),
        "next": labels[second],
        "next_probability": float(probabilities[second]),
    }


def _deployed(place: Path) -> tuple[Path, dict[str, Any], str]:
    """The bundle that a run, a bundle or a file in one stands for, and the file in it."""
    from hintlite.deploy.bundle.bundle import read_manifest
    from hintlite.pipeline.app.run.stages.bundle import DEVICE

    folder = place.parent if place.suffix == ".tflite" else place
    if (folder / DEVICE).is_dir():
        folder = folder / DEVICE
    if not (folder / "manifest.json").is_file():
        raise RunError(
            f"{place}: no manifest.json tells how its input is normalised and what its classes "
            "are called: name a run, a bundle, or a .tflite file inside a bundle"
        )
    manifest = read_manifest(folder)
    model = place.name if place.suffix == ".tflite" else next(iter(manifest["models"]))
    if model not in manifest["models"]:
        raise RunError(f"{folder / 'manifest.json'} does not know {model}")
    return folder, manifest, model
