"""Starts the quantizer's process and follows it."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from hintlite.errors import HintliteError
from hintlite.pipeline.qat.blueprint import CarryError
from hintlite.pipeline.qat.job import RESULT, Outcome, read_outcome

NEEDED = {
    "tensorflow_model_optimization": "tensorflow-model-optimization>=0.8,<0.9",
    "tf_keras": "tf_keras>=2.21,<2.22",
}
_LAST_LINES = 15
_GRACE_S = 5.0


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


def launch(module: str, folder: Path, listen: Callable[[dict[str, Any]], None]) -> Outcome:
    """Does the job of a folder in a process of its own; goes on from its checkpoint.

    Whatever ends this call early, Ctrl-C among it, ends the process.

    Args:
        module: what `python -m` runs there.
        folder: see hintlite.pipeline.qat.job.
        listen: is handed each thing that the process reports.

    Returns:
        Its outcome.

    Raises:
        CarryError: the network was refused; the process's own sentence.
        QatError: the process ended in another way; its last lines.
    """
    # -P: what lies in the user's working folder must not be taken for a package.
    words = [sys.executable, "-P", "-m", module, str(folder)]
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,  # the process ends when this end is closed
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said: deque[str] = deque(maxlen=_LAST_LINES)
        drain = threading.Thread(target=_listen_aside, args=(process.stderr, said), daemon=True)
        drain.start()
        try:
            refused = _follow(process.stdout, listen)
            code = process.wait()
        except BaseException:
            _stop(process)
            raise
        drain.join(timeout=_GRACE_S)
    if refused is not None:
        raise CarryError(refused)
    if code != 0 or not (folder / RESULT).exists():
        raise QatError(
            f"the process for quantization-aware fine-tuning ended with code {code}; its last "
            f"lines:\n{''.join(said).strip()}\nthe same command goes on from its last epoch"
        )
    return read_outcome(folder)


def _listen_aside(lines: IO[str], last: deque[str]) -> None:
    """What libraries print goes to the log; its end is kept for an error."""
    for line in lines:
        last.append(line)
        logging.getLogger("hintlite.qat").info(line.rstrip())


def _follow(lines: IO[str], listen: Callable[[dict[str, Any]], None]) -> str | None:
    """Hands on what is reported; returns the reason of a refusal."""
    for line in lines:
        report = json.loads(line)
        if report["what"] == "refused":
            return str(report["why"])
        listen(report)
    return None


def _stop(process: subprocess.Popen[str]) -> None:
    """Ends the process: asked first, then made to."""
    process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
