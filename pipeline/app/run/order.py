"""The stages of a run in their order, and running all of them or one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hintlite.benchmarks.targets.names import ETHOS_U
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.devices import devices
from hintlite.pipeline.app.run.devices.options import wanted
from hintlite.pipeline.app.run.explanation import show
from hintlite.pipeline.app.run.folder import RunError, Stage
from hintlite.pipeline.app.run.options.explain import sample_count
from hintlite.pipeline.app.run.pair import check_arms
from hintlite.pipeline.app.run.session import load_tensorflow
from hintlite.pipeline.app.run.stages import (
    android,
    benchmark,
    bundle,
    by_hand,
    data,
    distill,
    evaluate,
    explain,
    mcu,
    npu,
    phone,
    quantize,
    target,
    teacher,
)

# Stages are described when their turn comes: a stage's key needs the stages before it.
ORDER: dict[str, Callable[[Context], list[Stage]]] = {
    "data": data.stages,
    "teacher": teacher.stages,
    "distill": distill.stages,
    "quantize": quantize.stages,
    "evaluate": lambda context: [evaluate.stage(context)],
    "bundle": lambda context: [bundle.stage(context)],
    "benchmark": lambda context: [benchmark.stage(context)],
}
MAKE_DATA = ("teacher", "distill", "quantize")  # these stages do the data stage, if need be
TRAINED = ("teacher", "distill")
UNREAD = ("evaluate", "bundle", "benchmark")  # no later stage reads these


def run_all(context: Context, last: str | None = None) -> None:
    """Completes every stage up to `last`, or all; those that are fresh are passed over."""
    for step in ORDER:
        if step == TRAINED[0] and not _is_trained(context):
            load_tensorflow(context)
            check_arms(context)
        if step == evaluate.NAME and last is None:
            bundle.chosen_arm(context)  # refuses before the test data are opened for nothing
        complete(context, step)
        if step == last:
            break


def _is_trained(context: Context) -> bool:
    """Whether no network is left to train; a stage is described when those before it are there."""
    return all(context.folder.is_fresh(each) for step in TRAINED for each in ORDER[step](context))


def require_inputs(context: Context, step: str, options: Mapping[str, Any]) -> None:
    """Checks that one stage can be done now, and changes nothing.

    Raises:
        RunError: a stage before it is missing or made with other settings.
    """
    elsewhere = options.get("target", target.HOST) != target.HOST or options.get("targets")
    for earlier in itertools.takewhile(lambda name: name != step, ORDER):
        makes_data = earlier == "data" and step in MAKE_DATA
        if earlier not in UNREAD and not makes_data:
            require_fresh(context, earlier, step)
    if elsewhere:
        require_fresh(context, "bundle", step)


def run_one(context: Context, step: str, options: Mapping[str, Any]) -> list[str]:
    """Completes one stage, or what the command's options ask for in its place or beside it.

    Returns:
        The folders of the run that it has filled.
    """
    if step == "benchmark" and (entries := wanted(options)):
        return devices.measure_run(context, entries)
    elsewhere = _elsewhere(options.get("target", target.HOST))
    if elsewhere is not None:
        return [elsewhere(context, options)]
    if step in MAKE_DATA:
        complete(context, "data")
    if step in TRAINED and not _is_trained(context):
        load_tensorflow(context)
        check_arms(context)
    if step == evaluate.NAME:
        bundle.chosen_arm(context)  # refuses before the test data are opened for nothing
    complete(context, step)
    return [step, *_beside(context, options)]


def _elsewhere(name: str) -> Callable[[Context, Mapping[str, Any]], str] | None:
    """What measures on a target that is not this host."""
    if name == target.HOST:
        return None
    if name == android.TARGET:
        return _measure_phone
    return _estimate if name in ETHOS_U else _emulate


def _beside(context: Context, options: Mapping[str, Any]) -> list[str]:
    """What `hintlite bundle` was asked for beside the bundle, and `quantize` beside the files."""
    made = []
    if options.get("explain"):
        made += _explain(context, sample_count(options["samples"]))
    kind = options.get("mcu")
    if kind in ETHOS_U:
        made += _compiled_bundle(context, kind)
    elif kind is not None:
        sources = mcu.stage(context, options)
        _complete_stage(context, sources)
        made.append(sources.name)
    if options.get("for_device"):
        zipped = by_hand.stage(context)
        _complete_stage(context, zipped)
        made.append(zipped.name)
    if options.get("phone"):
        _complete_stage(context, phone.stage(context))
        _print(context, phone.summary(context))
        made.append(phone.NAME)
    return made


def _explain(context: Context, samples: int | None) -> list[str]:
    stages = explain.stages(context, samples)
    for stage in stages:
        _complete_stage(context, stage)
    for place, (model, content) in enumerate(explain.results(context).items()):
        show(context.terminal.out, f"{model}, INT8", content, legend=place == len(stages) - 1)
    return [stage.name for stage in stages]


def _emulate(context: Context, options: Mapping[str, Any]) -> str:
    name = options["target"]
    stage = target.stage(context, name)
    _complete_stage(context, stage)
    _print(context, target.summary(context, name))
    return stage.name


def _measure_phone(context: Context, options: Mapping[str, Any]) -> str:
    stage = android.stage(context, options["serial"], options["benchmark_model"])
    _complete_stage(context, stage)
    _print(context, android.summary(context))
    return stage.name


def _estimate(context: Context, options: Mapping[str, Any]) -> str:
    stage = npu.stage(context, options["target"], npu.vela_options(options))
    _complete_stage(context, stage)
    _print(context, npu.summary(npu.result(context, options["target"])))
    return stage.name


def _compiled_bundle(context: Context, name: str) -> list[str]:
    """The NPU's stage, with the options that it was last made with, and the bundle with it."""
    stages = [npu.stage(context, name, npu.known_options(context, name))]
    _complete_stage(context, stages[0])
    stages.append(npu.bundle_stage(context, name))
    _complete_stage(context, stages[1])
    return [stage.name for stage in stages]


def _print(context: Context, lines: list[str]) -> None:
    for line in lines:
        context.terminal.out.print(line, markup=False)


def require_fresh(context: Context, earlier: str, step: str) -> None:
    """Refuses to build on a stage that is not there.

    Raises:
        RunError: it is missing or made with other settings.
    """
    for stage in ORDER[earlier](context):
        if not context.folder.is_fresh(stage):
            raise RunError(
                f"{context.folder.path}: the stage {stage.name!r} is missing or was made with "
                f"other settings, data or library versions; `hintlite {earlier} "
                f"{context.folder.path}` makes it, `hintlite run {context.folder.path}` makes "
                f"everything ({step} needs it)"
            )


def complete(context: Context, step: str) -> None:
    """Completes one step, provided that the steps before it are complete."""
    for stage in ORDER[step](context):
        _complete_stage(context, stage)


def _complete_stage(context: Context, stage: Stage) -> None:
    """Completes a stage; only work on networks waits for TensorFlow."""

    def on_networks(folder: Path) -> None:
        load_tensorflow(context)
        stage.work(folder)

    work = on_networks if "tensorflow" in stage.libraries else stage.work
    if not context.folder.complete(replace(stage, work=work)):
        context.terminal.say(f"{stage.name}: up to date")
