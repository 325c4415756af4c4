"""Starts the quantizer's process and follows it."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hintlite.child import Child, ChildError, RefusedError
from hintlite.errors import HintliteError
from hintlite.pipeline.qat.blueprint import CarryError
from hintlite.pipeline.qat.job import Outcome, read_outcome

NEEDED = {
    "tensorflow_model_optimization": "tensorflow-model-optimization>=0.8,<0.9",
    "tf_keras": "tf_keras>=2.21,<2.22",
}
NAME = "the process for quantization-aware fine-tuning"


class QatError(HintliteError):
    """The quantizer's process cannot start, or failed."""


class MissingPackagesError(QatError):
    """What fine-tuning needs is not installed."""


def require_packages() -> None:
    """Refuses to begin what could not be ended.

    Raises:
        MissingPackagesError: the text has the command that installs them.
    """
    missing = [need for name, need in NEEDED.items() if importlib.util.find_spec(name) is None]
    if missing:
        words = " ".join(f"'{need}'" for need in missing)
        raise MissingPackagesError(
            f"quantization-aware fine-tuning needs {' and '.join(missing)}: "
            f"{sys.executable} -m pip install {words}"
        )


def launch(work: str, folder: Path, listen: Callable[[dict[str, Any]], None]) -> Outcome:
    """Does the job of a folder in a process of its own; goes on from its checkpoint.

    Whatever ends this call early, Ctrl-C among it, ends the process.

    Args:
        work: "module:function" of what is done there.
        folder: see hintlite.pipeline.qat.job.
        listen: is handed each thing that the process reports.

    Returns:
        Its outcome.

    Raises:
        CarryError: the network was refused; the process's own sentence.
        QatError: the process ended in another way; its last lines.
    """
    child = Child(
        work,
        name=NAME,
        # Before TensorFlow is loaded: it decides once for a process which Keras it takes.
        environment={"TF_USE_LEGACY_KERAS": "1"},
        log=logging.getLogger("hintlite.qat").info,
    )
    with child:
        try:
            child.ask({"folder": str(folder)}, listen)
        except RefusedError as error:
            raise CarryError(str(error)) from error
        except ChildError as error:
            said = "\n".join(error.last)
            raise QatError(
                f"{error}; the last lines of {NAME}:\n{said}\nthe same command goes on from its "
                "last epoch"
            ) from error
    return read_outcome(folder)
