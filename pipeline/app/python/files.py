"""What `hintlite.quantize` gives back: the files of a network, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hintlite.pipeline.app.python.arguments import ArgumentError, expect

if TYPE_CHECKING:
    from hintlite.deploy.convert.verify import Verification


@dataclass(frozen=True)
class Feeding:
    """How raw values become what a network is fed: `(raw - mean) / std`, per channel.

    Args:
        mean: one number, or one a channel, in raw units.
        std: likewise, above 0.
        raw: type of the raw values, "uint8" or "float32".
        raw_max: the raw value of full brightness, which pictures are brought to; 255 for uint8,
            unknown for float32.

    Raises:
        ArgumentError: another type, or a std that is not above 0.
    """

    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    raw: str = "uint8"
    raw_max: float | None = None

    def __post_init__(self) -> None:
        if self.raw not in ("uint8", "float32"):
            raise ArgumentError(f"feeding: raw is 'uint8' or 'float32', got {self.raw!r}")
        for name in ("mean", "std"):
            value = getattr(self, name)
            if np.asarray(value).dtype.kind not in "fiu" or np.ndim(value) > 1:
                raise ArgumentError(
                    f"feeding: {name} is a number, or a tuple of one a channel; got {value!r}"
                )
        if not np.min(self.std) > 0:
            raise ArgumentError(f"feeding: std must be above 0, got {self.std}")


@dataclass(frozen=True, eq=False)
class Files:
    """A network as `.tflite` files, from `hintlite.quantize` or `hintlite.load_run`.

    Attributes:
        int8: bytes of the full-INT8 file, `[1, h, w, c]` -> logits `[1, classes]`.
        float32: bytes of the float file of the same network.
        checks: what was compared on validation samples: `checks.figures` has the accuracies, the
            agreement and the errors, `checks.failures` a sentence for each bound that is broken.
        samples: some validation samples as the network is fed them, `[k, h, w, c]`, for bundles.
        sample_labels: their class indices.
        labels: the classes' names; their numbers where nobody has named them.
        feeding: how the samples came from raw values; None where the device feeds them as they are.
        provenance: what is known of where the network comes from, as plain data.
    """

    int8: bytes
    float32: bytes
    checks: Verification
    samples: np.ndarray
    sample_labels: np.ndarray
    labels: tuple[str, ...]
    feeding: Feeding | None = None
    provenance: Mapping[str, object] = field(default_factory=dict)

    @property
    def agreement(self) -> float:
        """Share of the validation samples on which INT8 and Keras choose the same class."""
        figures = self.checks.figures
        return figures.agreement if figures else 0.0

    def __repr__(self) -> str:
        figures = self.checks.figures
        said = (
            f"agreement {figures.agreement:.2%}, accuracy {figures.keras_accuracy:.2%} in Keras "
            f"and {figures.int8_accuracy:.2%} in INT8 on {self.checks.samples} samples"
            if figures
            else "nothing compared"
        )
        return f"<Files: int8 {len(self.int8):,} bytes, float32 {len(self.float32):,}; {said}>"


_EXPECTED = "what hintlite.quantize returns, or the bytes or the path of a .tflite file or bundle"


def int8_bytes(model: Files | bytes | str | Path) -> bytes:
    """The content of the INT8 file of whatever stands for one; see `int8_source`."""
    found = int8_source(model)
    return found if isinstance(found, bytes) else found.read_bytes()


def int8_source(model: Files | bytes | str | Path) -> bytes | Path:
    """The INT8 file of whatever stands for one: its path, or its bytes where it has none.

    Args:
        model: from `hintlite.quantize`; the bytes or the path of a `.tflite` file; the folder of a
            bundle, of which its INT8 file is taken.

    Raises:
        ArgumentError: none of these.
    """
    if isinstance(model, Files):
        return model.int8
    if isinstance(model, bytes):
        return model
    return model_path(model).read_bytes()


def model_path(model: str | Path) -> Path:
    """The model file that a path stands for: of a bundle's folder, its INT8 file.

    Raises:
        ArgumentError: no such file, or something else than a path.
    """
    from hintlite.deploy.bundle.deployed import model_file

    expect("model", model, (str, Path), _EXPECTED)
    path = model_file(Path(model))
    if not path.is_file():
        raise ArgumentError(f"there is no file {path}; expected a .tflite file or a bundle")
    return path
