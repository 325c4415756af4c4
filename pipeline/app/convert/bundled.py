"""The folder of a conversion: files, record, and a bundle where one can say all that is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.deploy.tflite.inspect import inspect
from hintlite.files import write_whole, writing
from hintlite.pipeline.app.convert.feeding import Contract
from hintlite.pipeline.app.convert.samples import Samples
from hintlite.pipeline.app.convert.task import Task
from hintlite.pipeline.app.run.single_file.dispatch import PAIR
from hintlite.pipeline.data.rows import SampleArray

BUNDLED = 16  # samples that travel along
EXPLAINED, SAMPLES = 200, "samples.npz"  # that an explanation runs on
# Per-channel FULLY_CONNECTED: tensorflow/tflite-micro pull request 2673, merged in October 2024.
TFLM_PER_CHANNEL = "October 2024"


def write(
    out: Path,
    options: Mapping[str, Any],
    samples: Samples,
    task: Task,
    contracts: Sequence[Contract],
    files: tuple[bytes, bytes],
    found: Mapping[str, Any],
) -> dict[str, Any]:
    """Writes the files and the bundle; returns the record."""
    stem, precision = Path(options["model"]).stem, options["precision"]
    names = {"float32": f"{stem}_float32.tflite", precision: f"{stem}_{precision}.tflite"}
    contents = dict(zip(("float32", precision), files, strict=True))
    for kind, name in names.items():
        write_whole(out / "model" / name, contents[kind])
    record = {
        "model": Path(options["model"]).name,
        "files": names,
        "bytes": {kind: len(content) for kind, content in contents.items()},
        "form": {name: options[name] for name in ("precision", "io", "dense")},
        "task": asdict(task),
        "classes": list(class_names(samples, task)),
        "feeding": [each.to_dict() for each in contracts],
        "tensorflow_lite_micro": least_tflm(files[1]),
        "data": samples.name,
        "labels": samples.labels is not None,
        **found,
    }
    rows = samples.validation
    known = None if samples.labels is None else samples.labels[rows]
    chosen = np.asarray(record.pop("chosen")) if known is None else known
    provenance = {
        "model": record["model"],
        "data": samples.name,
        "data_sha256": samples.sha256,
        "labels": "what the float model chooses" if known is None else "of the data",
        "tensorflow_lite_micro_since": record["tensorflow_lite_micro"],
    }
    record.pop("chosen", None)
    if len(contracts) > 1 or task.kind == "values" or len(found["outputs"]) > 1:
        _write_several(
            out, (names[precision], files[1]), samples, task, contracts, record, chosen, provenance
        )
        return record
    contract = contracts[0]
    write_device(
        out,
        names[precision],
        files[1],
        class_names(samples, task),
        contract.normalization(),
        (samples.inputs[0][rows], chosen),
        provenance,
        task.threshold if task.kind == "binary" else None,
    )
    if precision == "int8" and task.kind == "classes":
        taken = contract.whole.apply(samples.inputs[0][rows])
        keep_pair(out, (f"model/{names['float32']}", f"model/{names['int8']}"), taken, known)
    return record


def _write_several(
    out: Path,
    file: tuple[str, bytes],
    samples: Samples,
    task: Task,
    contracts: Sequence[Contract],
    record: Mapping[str, Any],
    chosen: np.ndarray,
    provenance: Mapping[str, Any],
) -> None:
    """Writes the bundle of a file of several ends, or that answers numbers."""
    import hintlite.benchmarks.bench_tflite
    from hintlite.deploy.bundle.several import Choice, Given, write_several
    from hintlite.deploy.interpret.several import end_names, plain
    from hintlite.deploy.tflite.flatbuffer import read_model
    from hintlite.pipeline.app.run.stages import bundle

    taken, given = end_names(read_model(file[1]))
    rows = samples.validation
    some = np.arange(min(BUNDLED, len(rows)))
    choice = None
    if task.kind != "values":
        some = bundle.samples(chosen, np.arange(len(rows)), BUNDLED)
        choice = Choice(
            given[0] if len(given) == 1 else plain(record["outputs"][task.output]["name"]),
            class_names(samples, task),
            chosen[some].astype(np.int64),
            task.threshold if task.kind == "binary" else None,
        )
    named = taken if len(taken) == 1 else [plain(each.input) for each in contracts]
    write_several(
        out / bundle.DEVICE,
        *file,
        inputs=[
            Given(name, np.asarray(raw[rows[some]]), contract.normalization())
            for name, raw, contract in zip(named, samples.inputs, contracts, strict=True)
        ],
        choice=choice,
        bench_script=Path(hintlite.benchmarks.bench_tflite.__file__),
        provenance=_provenance(provenance),
    )


def _provenance(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a bundle says of its origin: versions and commit, and what is found."""
    from hintlite.pipeline.app.run.context import commit
    from hintlite.pipeline.app.run.stages import bundle

    return {
        "hintlite": metadata.version("hintlite"),
        "commit": commit(),
        "versions": {each: metadata.version(each) for each in bundle.PROVENANCE_LIBRARIES},
        **found,
    }


def class_names(samples: Samples, task: Task) -> tuple[str, ...]:
    """Names of the classes, or their numbers."""
    named = samples.class_names
    return named if len(named) == task.classes else tuple(map(str, range(task.classes)))


def least_tflm(content: bytes) -> str | None:
    """Since when TensorFlow Lite Micro has the kernels of a file; None where it always had."""
    info = inspect(content)
    dense = [each for each in info.operators if each.name == "FULLY_CONNECTED"]
    by_unit = any(len(info.tensors[each.inputs[1]].scales) > 1 for each in dense)
    return TFLM_PER_CHANNEL if by_unit else None


def write_device(
    out: Path,
    name: str,
    content: bytes,
    labels: Sequence[str],
    normalization: Mapping[str, Any],
    samples: tuple[SampleArray, np.ndarray],
    provenance: Mapping[str, Any],
    threshold: float | None = None,
) -> None:
    """Writes the bundle of a folder, with some of the samples that judged.

    Args:
        out: the folder.
        name: of the model's file; content: its bytes.
        labels: the classes' names.
        normalization: see `hintlite.deploy.bundle.bundle.write_bundle`.
        samples: raw [k, ...] and their class indices [k].
        provenance: what is known beside versions and commit.
        threshold: of a model with one output, see `write_bundle`.
    """
    import hintlite.benchmarks.bench_tflite
    from hintlite.deploy.bundle.bundle import write_bundle
    from hintlite.pipeline.app.run.stages import bundle

    raw, classes = samples
    some = bundle.samples(classes, np.arange(len(classes)), BUNDLED)
    write_bundle(
        out / bundle.DEVICE,
        models={name: content},
        labels=labels,
        input_shape=raw.shape[1:],
        normalization=normalization,
        samples_raw=raw[some],
        sample_labels=classes[some].astype(np.int64),
        bench_script=Path(hintlite.benchmarks.bench_tflite.__file__),
        provenance=_provenance(provenance),
        threshold=threshold,
    )


def keep_pair(out: Path, files: tuple[str, str], x: SampleArray, y: np.ndarray | None) -> None:
    """Keeps what `quantize FOLDER --explain` compares two files on.

    Args:
        out: the folder.
        files: the float file and the other, from there.
        x: float32 [n, ...], as both take them; y: class indices [n], if they are known.
    """
    few = slice(0, EXPLAINED)
    arrays = {"x": x[few]} | ({} if y is None else {"y": y[few].astype(np.int64)})
    with writing(out / SAMPLES) as file:
        np.savez(file, allow_pickle=False, **arrays)
    pair = {"run": files[0], "int8": files[1], "samples": SAMPLES}
    write_whole(out / PAIR, json.dumps(pair, indent=1))
