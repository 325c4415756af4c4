"""A student of which no INT8 file can be made: what its float file alone can tell.

A layer that has died in training is 0 for every sample, and a tensor that is always 0 has no scale.
Such a run is an outcome like any other, of the method or the depth that led there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hintlite.pipeline.app.run.context import Context, fresh_session, load_network
from hintlite.pipeline.app.run.stages import evaluate
from hintlite.pipeline.runs.layout import FLOAT, INT8, file_name

FOLDER = "float"  # in the run folder


def measure(context: Context, said: str) -> dict[str, Any]:
    """The float file's figures, with empty places where those of the INT8 file would stand.

    Args:
        context: of the run, whose student is trained.
        said: why there is no INT8 file.

    Returns:
        The fields of a record: unquantized, validation, test, test_sha256, fingerprint, macs and
        bytes.
    """
    from hintlite.deploy.tflite.inspect import inspect

    (arm,) = context.models
    path = _convert(context, arm)
    figures, samples = evaluate.alone(context, path)
    return {
        "unquantized": said,
        "validation": {FLOAT: _validated(context, path), INT8: None, "agreement": None},
        "test": {FLOAT: figures, INT8: None},
        "test_sha256": samples,
        "fingerprint": context.kept.fingerprint,
        "macs": inspect(path).macs,
        "bytes": {FLOAT: path.stat().st_size, INT8: None},
    }


def _convert(context: Context, arm: str) -> Path:
    from hintlite.deploy.convert.convert import to_float32

    path = context.folder.path / FOLDER / file_name(arm, FLOAT)
    path.parent.mkdir(exist_ok=True)
    with fresh_session(0):
        path.write_bytes(to_float32(load_network(context.file(f"distill/{arm}", "student.keras"))))
    return path


def _validated(context: Context, path: Path) -> float:
    from hintlite.deploy.interpret.runtime import Runner

    data = context.kept
    logits = Runner(path, threads=2).predict(data.fed(data.validation))
    return float((logits.argmax(axis=1) == data.labels[data.validation]).mean())
