"""`hintlite quantize FLOAT.tflite INT8.tflite --explain`: two files of any origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.files import write_whole
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.folder import RunError

if TYPE_CHECKING:
    import numpy as np


def explain_files(options: Mapping[str, Any]) -> int:
    """Explains one INT8 file; writes NAME.explain.json beside it, or into --out.

    Args:
        options: of the command: run (the float file), int8, samples, out.

    Raises:
        RunError, DataError: a file is missing, or holds something else.
    """
    from hintlite.deploy.interpret.worker import EXPLAIN_LIMIT_S, Worker
    from hintlite.pipeline.app.run.explanation import show

    float_path, int8_path = Path(options["run"]), Path(options["int8"])
    samples, labels = read_samples(Path(options["samples"]))
    terminal = Terminal()
    task = terminal.task("where the error comes from")
    with Worker(EXPLAIN_LIMIT_S) as worker, task as bar:
        content = worker.explain(
            *(_read(float_path), _read(int8_path), samples, labels),
            progress=lambda done, total: bar.update(done, total, f"{done:,} of {total:,} runs"),
        )
    folder = Path(options["out"]) if options["out"] else int8_path.parent
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{int8_path.stem}.explain.json"
    write_whole(place, json.dumps(content, indent=1, allow_nan=False))
    show(terminal.out, int8_path.name, content, legend=True)
    terminal.say(f"explain: {place}")
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read the model {path}: {error.strerror}") from error


def read_samples(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples, and labels if there are any, from an .npz file.

    Args:
        path: arrays "x" [n, ...], float32 and normalised as in training, and "y" [n].

    Raises:
        DataError: it cannot be read.
        RunError: it holds other arrays.
    """
    import numpy as np

    from hintlite.pipeline.data.npz_file import present_in, read_member

    present = present_in(path, "--samples")
    x, y = (read_member(path, name) if name in present else None for name in ("x", "y"))
    if x is None or x.dtype != np.float32 or x.ndim < 2 or not np.isfinite(x).all():
        found = "nothing" if x is None else f"{x.dtype} {list(x.shape)}"
        raise RunError(
            f"{path}: expected x as finite float32 [n, ...], normalised as in training; got {found}"
        )
    if y is not None and (y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer)):
        raise RunError(f"{path}: expected y as integers [{len(x)}], got {y.dtype} {list(y.shape)}")
    return x, None if y is None else y.astype(np.int64)
