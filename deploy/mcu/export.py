"""From a full-INT8 `.tflite` to the files of a TensorFlow Lite Micro project."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hintlite.deploy.mcu import settings_text
from hintlite.deploy.mcu.abi import align_up
from hintlite.deploy.mcu.arena import ArenaEstimate, cmsis_nn_arena, estimate_arena
from hintlite.deploy.mcu.identifiers import check_namespace, comment_text
from hintlite.deploy.mcu.labels import LABELS, label_fields
from hintlite.deploy.mcu.operators import OPERATORS, used_operators
from hintlite.deploy.mcu.rendering import render
from hintlite.deploy.mcu.sample import (
    TOLERANCE_STEPS,
    TestSample,
    reference_output,
    seeded_sample,
)
from hintlite.deploy.mcu.strip import strip_model
from hintlite.deploy.tflite.flatbuffer import load_bytes, read_model
from hintlite.deploy.tflite.full_integer import full_int8_faults
from hintlite.deploy.tflite.graph import Model, ModelError, Tensor
from hintlite.deploy.tflite.kernel_limits import check_scales
from hintlite.files import replace_folder

MARGIN_PERCENT = 5
_SHOWN_FAULTS = 3
_BYTES_A_ROW = 12


@dataclass(frozen=True)
class TflmExport:
    """The files, and what they stand for.

    Args:
        files: name -> content.
        model_bytes: of the model in model_data.cc.
        won_bytes: by stripping; 0 where nothing was taken out.
        operators: that the resolver registers.
        reference: arena with TFLM's kernels, estimated.
        cmsis_nn: arena with CMSIS-NN's kernels, estimated.
        reserved_bytes: of the arena, margin included.
    """

    files: Mapping[str, bytes]
    model_bytes: int
    won_bytes: int
    operators: tuple[str, ...]
    reference: ArenaEstimate
    cmsis_nn: ArenaEstimate
    reserved_bytes: int


def read_int8_model(source: bytes | str | Path) -> Model:
    """A model that a microcontroller can take: one graph, full INT8, one input and one output.

    Raises:
        ModelError: it is something else; the text says what.
    """
    model = read_model(source)
    check_scales(model.main)
    faults = full_int8_faults(model)
    if faults:
        shown = " ".join(str(fault) for fault in faults[:_SHOWN_FAULTS])
        more = f" And {len(faults) - _SHOWN_FAULTS} more." if len(faults) > _SHOWN_FAULTS else ""
        raise ModelError(
            f"The model is not full INT8: {shown}{more} Convert it with int8 inputs, outputs and "
            "operators (`hintlite inspect` lists all of them)."
        )
    ends = len(model.main.inputs), len(model.main.outputs)
    if ends != (1, 1):
        raise ModelError(
            f"Expected one input and one output, got {ends[0]} and {ends[1]}: `hintlite benchmark "
            "FILE --target tflm` runs such a file in TensorFlow Lite Micro's interpreter."
        )
    dtype = model.main.tensors[model.main.inputs[0]].dtype
    if dtype != "INT8":
        raise ModelError(f"Expected an INT8 input, got {dtype}: the sources feed INT8 alone.")
    return model


def export_tflm(
    source: bytes | str | Path,
    name: str,
    *,
    labels: Sequence[str] = (),
    normalization: Mapping[str, Any] | None = None,
    sample: TestSample | None = None,
    strip: bool = False,
) -> TflmExport:
    """Make the files of a TFLM project; equal arguments give equal bytes.

    Args:
        source: a full-INT8 `.tflite` file's bytes or path.
        name: the C++ namespace, small letters.
        labels: the classes' names in the order of the outputs, or none.
        normalization: "mean", "std" and "raw_dtype" of the raw values; None if unknown.
        sample: the test input; None for a seeded one.
        strip: take names and other things out that the target does not read.

    Raises:
        ModelError: the model, the name or the labels do not fit.
    """
    check_namespace(name)
    content = load_bytes(source)
    model = read_int8_model(content)
    kept = strip_model(content) if strip else content
    _check_labels(model, labels)
    arenas = estimate_arena(model), cmsis_nn_arena(model)
    reserved = _with_margin(max(arena.arena_bytes for arena in arenas))
    fields = {
        "name": name,
        "guard": name.upper(),
        "sha256": _sha256(kept),
        "size": len(kept),
        "operators": [{"name": n, "add": OPERATORS[n].add} for n in used_operators(model.main)],
        "operator_names": ", ".join(used_operators(model.main)),
        "arena": _arena_fields(*arenas, reserved),
        **label_fields(name, labels),
        **_end_fields(model, normalization),
        **_sample_fields(kept, sample or seeded_sample(model)),
        "rows": settings_text.number_rows((f"0x{byte:02x}" for byte in kept), "    "),
        "model_line": _model_line(len(content), len(kept), len(model.main.operators)),
    }
    return TflmExport(
        files={f: render(f, fields) for f in FILES if labels or f != LABELS},
        model_bytes=len(kept),
        won_bytes=len(content) - len(kept),
        operators=used_operators(model.main),
        reference=arenas[0],
        cmsis_nn=arenas[1],
        reserved_bytes=reserved,
    )


FILES = (
    "README.md",
    LABELS,
    "main.cc",
    "model_data.cc",
    "model_data.h",
    "model_settings.h",
    "op_resolver.h",
    "test_sample.h",
)


HASHES = "SHA256SUMS"


def write_tflm(folder: str | Path, export: TflmExport) -> Path:
    """Write the files and their hashes, whole or not at all.

    Args:
        folder: new, empty, or an older export and nothing else, as it was written.
        export: what to write.

    Returns:
        The folder.

    Raises:
        ModelError: the folder holds something else, or a file that was edited.
    """
    target = Path(folder).resolve()
    present = {path.name for path in target.iterdir()} if target.is_dir() else set()
    foreign = present - {*FILES, HASHES}
    if target.is_file() or foreign:
        raise ModelError(
            f"{target} holds other things than an export "
            f"({', '.join(sorted(foreign)) or 'it is a file'}): give the name of a new folder."
        )
    hashes = {name: _sha256(content) for name, content in export.files.items()}
    _check_unedited(target, sorted(present - {HASHES}), hashes)
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    replace_folder(target, {**export.files, HASHES: lines.encode()})
    return target


def _check_unedited(target: Path, present: Sequence[str], new: Mapping[str, str]) -> None:
    """Refuses to replace a file that is neither as it was exported nor as it will be."""
    written = _written_hashes(target / HASHES)
    edited = []
    for name in present:
        path = target / name
        known = {written.get(name), new.get(name)}
        if not path.is_file() or _sha256(path.read_bytes()) not in known:
            edited.append(name)
    if not edited:
        return
    why = (
        f"{' and '.join(edited)} changed since the export"
        if written
        else f"it has no {HASHES}, which tells the user's edits in {' and '.join(edited)} apart"
    )
    raise ModelError(
        f"{target} is not replaced: {why}. Give the name of a new folder and bring your edits "
        "over, or remove this one."
    )


def _written_hashes(path: Path) -> dict[str, str]:
    """File name -> sha256 as the export noted it; empty where there is no such note."""
    lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    return {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _with_margin(size: int) -> int:
    return align_up(size + -(-size * MARGIN_PERCENT // 100), 16)


def _check_labels(model: Model, labels: Sequence[str]) -> None:
    outputs = model.main.tensors[model.main.outputs[0]].elements
    if labels and len(labels) != outputs:
        raise ModelError(f"Expected one label an output, got {len(labels)} for {outputs}.")


def _model_line(before: int, after: int, operators: int) -> str:
    line = f"A full-INT8 model of {operators} operators."
    if before != after:
        line += (
            f" Names, metadata and what else the target does not read were taken out: "
            f"{before - after:,} bytes of {before:,}."
        )
    return line


def _arena_fields(
    reference: ArenaEstimate, cmsis_nn: ArenaEstimate, reserved: int
) -> dict[str, Any]:
    notes = []
    if cmsis_nn.assumed:
        notes.append(
            f"The kernels' own memory of {', '.join(cmsis_nn.assumed)} is assumed, not known."
        )
    return {
        "reference": reference.arena_bytes,
        "cmsis_nn": cmsis_nn.arena_bytes,
        "margin_percent": MARGIN_PERCENT,
        "reserved": reserved,
        "notes": notes,
    }


def _end_fields(model: Model, normalization: Mapping[str, Any] | None) -> dict[str, Any]:
    source = model.main.tensors[model.main.inputs[0]]
    output = model.main.tensors[model.main.outputs[0]]
    for end in (source, output):
        if not end.shape:
            raise ModelError(
                f"Tensor {end.index} ({end.name}) is an end of the model and should have a shape: "
                "convert the model to full INT8."
            )
    return {
        "ends": [_end("Input", source), _end("Output", output)],
        "normalization": settings_text.normalization_text(
            normalization, source.scale, source.zero_point
        ),
    }


def _end(word: str, tensor: Tensor) -> dict[str, Any]:
    return {
        "word": word,
        "shape": list(tensor.shape),
        "bytes": tensor.elements,
        "scale": settings_text.float_literal(tensor.scale),
        "zero_point": tensor.zero_point,
    }


def _sample_fields(content: bytes, sample: TestSample) -> dict[str, Any]:
    return {
        "source": comment_text(sample.source),
        "output": settings_text.number_rows(reference_output(content, sample).tolist()),
        "input": settings_text.number_rows(sample.values.reshape(-1).tolist()),
        "tolerance": TOLERANCE_STEPS,
    }
