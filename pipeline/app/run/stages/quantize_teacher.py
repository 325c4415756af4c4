"""The teacher's files: for comparison, so that what cannot be made is a note and ends nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.errors import HintliteError
from hintlite.files import write_whole
from hintlite.pipeline.app.run.context import Context, fresh_session
from hintlite.pipeline.app.run.stages.post_training import bounds
from hintlite.pipeline.runs.layout import DYNAMIC_RANGE, FLOAT, FLOAT16, INT8, TEACHER, file_name

if TYPE_CHECKING:
    from hintlite.deploy.convert.verify import Verification

VERIFY = "verify.json"
PRECISIONS = (FLOAT, INT8)


def made(context: Context) -> tuple[str, ...]:
    """The precisions in which the teacher's stage, which is complete, has a file."""
    return tuple(
        each
        for each in PRECISIONS
        if context.file(f"quantize/{TEACHER}", file_name(TEACHER, each)).exists()
    )


def missing(context: Context) -> dict[str, str]:
    """Precision -> why the teacher has no file of it."""
    record = json.loads(context.file(f"quantize/{TEACHER}", VERIFY).read_text())
    return {name: str(reason) for name, reason in record.get("missing", {}).items()}


def work(context: Context, folder: Path) -> None:
    """Converts and verifies what can be, and fills the stage's folder.

    verify.json holds what it holds of a student, `missing` (precision -> why there is no file) and
    `failures`: where the teacher's INT8 file is worse than a student's may be, that is said and
    kept, since the teacher is not deployed.
    """
    from hintlite.deploy.convert.convert import (
        to_dynamic_range,
        to_float16,
        to_float32,
        to_int8,
    )
    from hintlite.models.taps import logits_only

    data = context.kept
    with fresh_session(0), context.terminal.task(f"INT8, {TEACHER}") as bar:
        network = logits_only(context.teacher())
        bar.update(0, 3, "converting")
        calibration = data.normalized(data.calibration)
        wanted = {
            FLOAT: lambda: to_float32(network),
            INT8: lambda: to_int8(network, calibration),
            FLOAT16: lambda: to_float16(network),
            DYNAMIC_RANGE: lambda: to_dynamic_range(network),
        }
        for name in (FLOAT16, DYNAMIC_RANGE):
            if not getattr(context.config.quantize, name):
                wanted.pop(name)
        found = {name: _tried(convert) for name, convert in wanted.items()}
        files = {name: content for name, content in found.items() if isinstance(content, bytes)}
        reasons = {name: reason for name, reason in found.items() if isinstance(reason, str)}
        bar.update(2, 3, "verifying")
        both = FLOAT in files and INT8 in files
        result = _verified(context, network, files) if both else None
        if result is not None and result.figures is not None:
            bar.note = (
                f"chooses as float does on {result.figures.agreement:.2%} of the validation part, "
                f"{len(files[INT8]):,} bytes"
            )
    for name, content in files.items():
        (folder / file_name(TEACHER, name)).write_bytes(content)
    record = _unverified() if result is None else result.to_dict()
    write_whole(folder / VERIFY, json.dumps(record | {"missing": reasons}, indent=1))
    _tell(context, reasons, () if result is None else result.failures)


def _tried(convert: Callable[[], bytes]) -> bytes | str:
    """The file, or why there is none."""
    try:
        return convert()
    except HintliteError as error:
        return str(error)
    except Exception as error:  # whatever a layer of the user's own raises when it is traced
        return f"a layer cannot be traced ({_last(error)})"


def _last(error: Exception) -> str:
    """What was raised, from the last place that an error's pages name."""
    text = re.sub(r"\x1b\[\d+m", "", str(error))
    start = max(text.rfind("Exception encountered when calling"), 0)
    return f"{type(error).__name__}: {' '.join(text[start:].split())[:400]}"


def _verified(context: Context, network: Any, files: dict[str, bytes]) -> Verification:
    from hintlite.deploy.convert.verify import verify

    data = context.kept
    return verify(
        network,
        (files[FLOAT], files[INT8]),
        data.fed(data.validation),
        data.labels[data.validation],
        bounds=bounds(context.config.quantize),
    )


def _unverified() -> dict[str, Any]:
    return {"ok": False, "samples": 0, "figures": None, "failures": []}


def _tell(context: Context, reasons: dict[str, str], failures: tuple[str, ...]) -> None:
    for name, reason in reasons.items():
        context.terminal.say(f"{TEACHER}: no {name} file, so it is not compared in it: {reason}")
    for failure in failures:
        context.terminal.say(f"{TEACHER}, which is not deployed: {failure}")
