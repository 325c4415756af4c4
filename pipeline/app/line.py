"""The line: the stages in their order, and running all of them or one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.app.context import Context
from pipeline.app.folder import RunError, Stage
from pipeline.app.stages import (
    benchmark,
    bundle,
    data,
    distill,
    evaluate,
    mcu,
    quantize,
    target,
    teacher,
)

# Stages are described when their turn comes: a stage's key needs the stages before it.
LINE: dict[str, Callable[[Context], list[Stage]]] = {
    "data": lambda context: [data.stage(context)],
    "teacher": teacher.stages,
    "distill": distill.stages,
    "quantize": quantize.stages,
    "evaluate": lambda context: [evaluate.stage(context)],
    "bundle": lambda context: [bundle.stage(context)],
    "benchmark": lambda context: [benchmark.stage(context)],
}
UNREAD = ("evaluate", "bundle", "benchmark")  # no later stage reads these


def run_all(context: Context, last: str | None = None) -> None:
    """Completes every stage up to `last`, or all; those that are fresh are passed over."""
    for step in LINE:
        _complete(context, step)
        if step == last:
            break


def run_one(context: Context, step: str, options: Mapping[str, Any]) -> list[str]:
    """Completes one stage, or what the command's options ask for in its place or beside it.

    Returns:
        The folders of the run that it has filled.

    Raises:
        RunError: a stage before it is missing or made with other settings.
    """
    emulated = options.get("target", target.HOST)
    if emulated != target.HOST:
        return [_emulate(context, emulated)]
    _complete_with_inputs(context, step)
    if options.get("mcu") is None:
        return [step]
    sources = mcu.stage(context, options["mcu"], options["name"])
    _complete_stage(context, sources)
    return [step, sources.name]


def _emulate(context: Context, name: str) -> str:
    for earlier in ("data", "teacher", "distill", "quantize"):
        _ready(context, earlier, "benchmark")
    _require_fresh(context, "bundle", "benchmark")
    stage = target.stage(context, name)
    _complete_stage(context, stage)
    for line in target.summary(context, name):
        context.terminal.out.print(line, markup=False)
    return stage.name


def _complete_with_inputs(context: Context, step: str) -> None:
    for earlier in itertools.takewhile(lambda name: name != step, LINE):
        if earlier not in UNREAD:
            _ready(context, earlier, step)
    _complete(context, step)


def _ready(context: Context, earlier: str, step: str) -> None:
    """The data stage costs nothing and is done; the others must be there."""
    if earlier == "data":
        _complete(context, earlier)
    else:
        _require_fresh(context, earlier, step)


def _require_fresh(context: Context, earlier: str, step: str) -> None:
    """Refuses to build on a stage that is not there."""
    for stage in LINE[earlier](context):
        if not context.folder.is_fresh(stage):
            raise RunError(
                f"{context.folder.path}: the stage {stage.name!r} is missing or was made with "
                f"other settings, data or library versions; `hintlite {earlier} "
                f"{context.folder.path}` makes it, `hintlite run {context.folder.path}` makes "
                f"everything ({step} needs it)"
            )


def _complete(context: Context, step: str) -> None:
    for stage in LINE[step](context):
        _complete_stage(context, stage)


def _complete_stage(context: Context, stage: Stage) -> None:
    if not context.folder.complete(stage):
        context.terminal.say(f"{stage.name}: up to date")
