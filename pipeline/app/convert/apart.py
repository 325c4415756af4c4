"""The model in a process of its own, as the command asks it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.child import Child, ChildError, RefusedError, memory_share
from hintlite.deploy.convert.checks import ConversionError
from hintlite.deploy.convert.form import Form
from hintlite.deploy.convert.front import Affine
from hintlite.deploy.convert.frozen import End
from hintlite.pipeline.app.convert.foreign import Input
from hintlite.pipeline.app.convert.process import FILE, FLOAT_FILE, arrays, keep

WORK = "hintlite.pipeline.app.convert.process:work"


@dataclass(frozen=True)
class Ends:
    """A model for samples of some shapes.

    Attributes:
        inputs: what it takes.
        outputs: what it answers.
        fronts: for each input what it does to it first, as far as it is affine.
    """

    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    fronts: tuple[Affine | None, ...]


class Apart:
    """One model, loaded in a process that may die.

    Args:
        model: its file or folder.
        legacy: it was saved by Keras 2.
        imports: modules that register its layers.
    """

    def __init__(self, model: Path, legacy: bool, imports: Sequence[str]) -> None:
        self._child = Child(
            WORK,
            name=f"the process that reads {model}",
            memory_bytes=memory_share(),
            # Before TensorFlow is loaded: it decides once for a process which Keras it takes.
            environment={"TF_USE_LEGACY_KERAS": "1" if legacy else "0"},
            log=logging.getLogger("hintlite.convert").info,
        )
        self._model, self._imports = model, imports
        self._folder = tempfile.TemporaryDirectory(prefix="hintlite-")

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close()
        self._folder.cleanup()

    def open(self) -> tuple[tuple[Input, ...], tuple[str, ...]]:
        """What the model takes, and which of its layers have no part in inference.

        Raises:
            ConversionError: it cannot be loaded.
        """
        found = self._ask("open", model=str(self._model), imports=list(self._imports))
        inputs = tuple(Input(e["name"], tuple(e["sizes"]), e["dtype"]) for e in found["inputs"])
        return inputs, tuple(found["left_out"])

    def trace(self, shapes: Sequence[Sequence[int]]) -> Ends:
        """Binds the model to samples of these shapes, one an input.

        Raises:
            ConversionError: it cannot be called on them.
        """
        found = self._ask("trace", shapes=[list(shape) for shape in shapes])
        return Ends(
            _ends(found["inputs"]),
            _ends(found["outputs"]),
            tuple(_affine(front) for front in found["fronts"]),
        )

    def answers(self, samples: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The model's own outputs [n, ...] for what it is fed, one array [n, ...] an input."""
        place = Path(self._folder.name)
        keep(place / "samples.npz", list(samples))
        names = {"samples": str(place / "samples.npz"), "answers": str(place / "answers.npz")}
        self._ask("answers", **names)
        return arrays(place / "answers.npz")

    def files(self, calibration: Sequence[np.ndarray], form: Form) -> tuple[bytes, bytes]:
        """The float file and the one of the form, both without the affine front.

        Args:
            calibration: what comes behind the front, one array [n, ...] an input.
            form: of the second file.

        Raises:
            ConversionError: an operation that TFLite does not have, or not in this precision.
        """
        place = Path(self._folder.name)
        keep(place / "calibration.npz", list(calibration))
        self._ask(
            "files",
            folder=str(place),
            calibration=str(place / "calibration.npz"),
            form=asdict(form),
        )
        return (place / FLOAT_FILE).read_bytes(), (place / FILE).read_bytes()

    def _ask(self, what: str, **details: Any) -> Any:
        try:
            return self._child.ask({"what": what, **details})
        except RefusedError as error:
            raise ConversionError(str(error)) from error
        except ChildError as error:
            said = [line for line in error.last if line.strip()][-5:]
            lines = "".join(f"\n  {line[:300]}" for line in said)
            raise ConversionError(
                f"{error}; it said last:{lines}\nthe model is damaged, too large for this machine, "
                "or holds a layer that TensorFlow's converter cannot take: save it again, or "
                "convert it in parts to find that layer"
            ) from error


def _ends(found: list[dict[str, Any]]) -> tuple[End, ...]:
    return tuple(End(each["name"], tuple(each["shape"]), each["dtype"]) for each in found)


def _affine(front: dict[str, Any] | None) -> Affine | None:
    if front is None:
        return None
    return Affine(tuple(front["mean"]), tuple(front["std"]), tuple(front["operators"]))
