"""The line: the stages in their order, and running all of them or one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.app import devices
from pipeline.app.context import Context
from pipeline.app.folder import RunError, Stage
from pipeline.app.stages import (
    benchmark,
    bundle,
    by_hand,
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
MAKE_DATA = ("teacher", "distill", "quantize")  # these stages do the data stage, if need be
UNREAD = ("evaluate", "bundle", "benchmark")  # no later stage reads these


def run_all(context: Context, last: str | None = None) -> None:
    """Completes every stage up to `last`, or all; those that are fresh are passed over."""
    for step in LINE:
        _complete(context, step)
        if step == last:
            break


def require_inputs(context: Context, step: str, options: Mapping[str, Any]) -> None:
    """Checks that one stage can be done now, and changes nothing.

    Raises:
        RunError: a stage before it is missing or made with other settings.
    """
    elsewhere = options.get("target", target.HOST) != target.HOST or options.get("targets")
    for earlier in itertools.takewhile(lambda name: name != step, LINE):
        makes_data = earlier == "data" and step in MAKE_DATA
        if earlier not in UNREAD and not makes_data:
            _require_fresh(context, earlier, step)
    if elsewhere:
        _require_fresh(context, "bundle", step)


def run_one(context: Context, step: str, options: Mapping[str, Any]) -> list[str]:
    """Completes one stage, or what the command's options ask for in its place or beside it.

    Returns:
        The folders of the run that it has filled.
    """
    if step == "benchmark" and (entries := devices.wanted(options)):
        return devices.measure(context, entries)
    emulated = options.get("target", target.HOST)
    if emulated != target.HOST:
        return [_emulate(context, emulated)]
    if step in MAKE_DATA:
        _complete(context, "data")
    _complete(context, step)
    extras = []
    if options.get("mcu") is not None:
        extras.append(mcu.stage(context, options["mcu"], options["name"]))
    if options.get("for_device"):
        extras.append(by_hand.stage(context))
    for extra in extras:
        _complete_stage(context, extra)
    return [step, *(extra.name for extra in extras)]


def _emulate(context: Context, name: str) -> str:
    stage = target.stage(context, name)
    _complete_stage(context, stage)
    for line in target.summary(context, name):
        context.terminal.out.print(line, markup=False)
    return stage.name


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
