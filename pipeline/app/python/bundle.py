"""`hintlite.bundle`: the files of a network in the folder that goes to a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import NoneType

import numpy as np

from hintlite.pipeline.app.python.arguments import ArgumentError, as_folder, class_names, expect
from hintlite.pipeline.app.python.files import Feeding, Files

MODEL = "student_int8.tflite"


def bundle(
    files: Files,
    folder: str | Path,
    labels: Sequence[str] | None = None,
    *,
    feeding: Feeding | None = None,
) -> Path:
    """Writes model, labels, samples with expected outputs, manifest and benchmark script.

    Every command that takes a bundle works on the folder. The device feeds what the arrays held
    that were given to `quantize`: the manifest says so, with their type. Where these arrays were
    computed from pixels, as `x / 255` was, `feeding` says how, and the device then feeds the pixels
    themselves: the same arithmetic, done in the input's quantization.

    Args:
        files: from `hintlite.quantize`.
        folder: new, empty, or an older bundle, which is replaced; written whole or not at all.
        labels: the classes' names, in the order of the outputs; those of `files` if None.
        feeding: how the arrays came from raw values, as `hintlite.Feeding(std=255)` does for
            `x / 255` of uint8 pictures; that of `files` if None.

    Returns:
        The folder.

    Raises:
        HintliteError: labels that do not fit, samples that are not what `feeding` says, or a
            folder that holds something else.
    """
    import hintlite.benchmarks.bench_tflite
    from hintlite.deploy.bundle.bundle import write_bundle

    expect("files", files, Files, "what hintlite.quantize returns")
    expect("feeding", feeding, (Feeding, NoneType), "a hintlite.Feeding")
    place = as_folder(folder)
    names = files.labels if labels is None else class_names(labels, len(files.labels))
    raw, normalization = _raw(files.samples, feeding or files.feeding)
    return write_bundle(
        place,
        models={MODEL: files.int8},
        labels=names,
        input_shape=files.samples.shape[1:],
        normalization=normalization,
        samples_raw=raw,
        sample_labels=files.sample_labels,
        bench_script=Path(hintlite.benchmarks.bench_tflite.__file__),
        provenance=_provenance(files),
    )


def _raw(samples: np.ndarray, feeding: Feeding | None) -> tuple[np.ndarray, dict[str, object]]:
    """The samples as the device has them, and how the manifest says so."""
    channels = samples.shape[-1]
    if feeding is None:
        feeding = Feeding(raw=str(samples.dtype))
    mean, std = (_a_channel(each, channels) for each in (feeding.mean, feeding.std))
    raw = samples.astype(np.float64) * std + mean
    if feeding.raw == "uint8":
        raw = _pixels(raw, feeding)
    most = 255.0 if feeding.raw == "uint8" and feeding.raw_max is None else feeding.raw_max
    told: dict[str, object] = {"mean": mean, "std": std, "raw_dtype": feeding.raw, "raw_max": most}
    return raw.astype(feeding.raw), told


def _a_channel(values: float | tuple[float, ...], channels: int) -> list[float]:
    if np.size(values) not in (1, channels):
        raise ArgumentError(
            f"feeding: {np.size(values)} numbers for samples of {channels} channels; expected one, "
            "or one a channel"
        )
    return list(np.broadcast_to(np.ravel(values).astype(np.float64), channels).tolist())


def _pixels(raw: np.ndarray, feeding: Feeding) -> np.ndarray:
    whole = np.rint(raw)
    if np.abs(raw - whole).max() > _ROUNDING or whole.min() < 0 or whole.max() > _LARGEST:
        raise ArgumentError(
            f"feeding: x * {feeding.std} + {feeding.mean} is {raw.min():g} to {raw.max():g}, "
            "expected whole numbers from 0 to 255; name what the arrays were made from, or "
            "raw='float32'"
        )
    return whole


_ROUNDING = 0.02  # of a step: float32 numbers times some hundreds
_LARGEST = 255


def _provenance(files: Files) -> dict[str, object]:
    from importlib import metadata

    from hintlite.pipeline.app.run.context import commit
    from hintlite.pipeline.app.run.stages.bundle import PROVENANCE_LIBRARIES

    return {
        "hintlite": metadata.version("hintlite"),
        "commit": commit(),
        "data": "arrays given in Python",
        "versions": {name: metadata.version(name) for name in PROVENANCE_LIBRARIES},
        **files.provenance,
    }
