"""`hintlite.bundle`: the files of a network in the folder that goes to a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hintlite.pipeline.app.python.arguments import ArgumentError

if TYPE_CHECKING:
    from hintlite.pipeline.app.python.files import Files

MODEL = "student_int8.tflite"


@dataclass(frozen=True)
class Feeding:
    """How raw values become what a network is fed: `(raw - mean) / std`, per channel.

    Args:
        mean: one number, or one a channel, in raw units.
        std: likewise, above 0.
        raw: type of the raw values, "uint8" or "float32".
    """

    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    raw: str = "uint8"


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
            `x / 255` of uint8 pictures.

    Returns:
        The folder.

    Raises:
        HintliteError: labels that do not fit, samples that are not what `feeding` says, or a
            folder that holds something else.
    """
    import hintlite.benchmarks.bench_tflite
    from hintlite.deploy.bundle.bundle import write_bundle

    raw, normalization = _raw(files.samples, feeding)
    return write_bundle(
        folder,
        models={MODEL: files.int8},
        labels=files.labels if labels is None else tuple(labels),
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
        kind = str(samples.dtype)
        most = 255.0 if kind == "uint8" else None
        plain: dict[str, object] = {"mean": [0.0] * channels, "std": [1.0] * channels}
        return samples, plain | {"raw_dtype": kind, "raw_max": most}
    mean, std = (np.broadcast_to(np.asarray(v, np.float64), channels) for v in _numbers(feeding))
    raw = samples.astype(np.float64) * std + mean
    if feeding.raw == "uint8":
        whole = np.rint(raw)
        if np.abs(raw - whole).max() > _ROUNDING or whole.min() < 0 or whole.max() > 255:
            raise ArgumentError(
                f"feeding: x * {feeding.std} + {feeding.mean} is {raw.min():g} to {raw.max():g}, "
                "expected whole numbers from 0 to 255; name what the arrays were made from, or "
                "raw='float32'"
            )
        raw = whole
    normalization = {"mean": mean.tolist(), "std": std.tolist(), "raw_dtype": feeding.raw}
    most = 255.0 if feeding.raw == "uint8" else None
    return raw.astype(feeding.raw), normalization | {"raw_max": most}


_ROUNDING = 0.02  # of a step: float32 numbers times some hundreds


def _numbers(feeding: Feeding) -> tuple[float | tuple[float, ...], float | tuple[float, ...]]:
    if feeding.raw not in ("uint8", "float32"):
        raise ArgumentError(f"feeding: raw is 'uint8' or 'float32', got {feeding.raw!r}")
    return feeding.mean, feeding.std


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
