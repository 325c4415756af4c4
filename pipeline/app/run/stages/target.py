"""targets: the bundled student on something else than this host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.benchmarks.targets.names import TARGETS
from hintlite.deploy.bundle.deployed import model_file
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.stages import bundle, tflm
from hintlite.pipeline.app.run.stages.measured import verdict_text, write_result
from hintlite.pipeline.runs.layout import RESULT

if TYPE_CHECKING:
    from hintlite.benchmarks.targets.base import BenchmarkResult

HOST = TARGETS[0]


def stage(context: Context, target: str) -> Stage:
    """The stage that writes result.json of one target."""
    if target == tflm.TARGET:
        return tflm.stage(context)
    return Stage(
        name=f"targets/{target}",
        version=1,
        settings={"target": target, "tools": _tools()},
        inputs=(bundle.NAME,),
        libraries=("numpy", "tflite", "jinja2", "tflite-micro"),
        work=lambda folder: _work(context, target, folder),
    )


def _tools() -> dict[str, str]:
    """Versions of the cross-compiler and the emulator, which decide the counts."""
    from hintlite.benchmarks.targets.base import BenchmarkError
    from hintlite.benchmarks.targets.cortex_m_firmware import toolchain

    try:
        toolchain.check_tools()
        return toolchain.versions()
    except toolchain.ToolchainError as error:
        raise BenchmarkError(str(error)) from error


def _work(context: Context, target: str, folder: Path) -> None:
    device = context.folder.path / bundle.DEVICE
    bundle.int8_model(device)
    write_result(measure(device, target, context.terminal), folder / RESULT)


def measure(place: Path, target: str, terminal: Terminal) -> BenchmarkResult:
    """What a core makes of a bundle's int8 model or a single file, as plain C.

    Raises:
        BenchmarkError: the tools are missing, or the model cannot become C.
    """
    from hintlite.benchmarks.targets.base import BenchmarkRequest
    from hintlite.benchmarks.targets.cortex_m import CortexMTarget
    from hintlite.benchmarks.targets.tflm_arena import smallest_arena

    with terminal.task(f"{target}, emulated") as bar:
        bar.update(0, 2, "compiling and counting instructions")
        result = CortexMTarget(target).run(place, BenchmarkRequest())
        bar.update(1, 2, "the arena of TensorFlow Lite Micro")
        arena = {"tflm_arena_bytes_x86_64": smallest_arena(model_file(place))}
        bar.note = f"{result.raw['instructions_per_inference']:,} instructions an inference"
    return replace(result, raw={**result.raw, **arena})


def summary(context: Context, target: str) -> list[str]:
    """What a target said, in lines for the terminal."""
    if target == tflm.TARGET:
        return tflm.summary(context)
    return lines(json.loads(context.file(f"targets/{target}", RESULT).read_text()))


def lines(result: Mapping[str, Any]) -> list[str]:
    """What a core made of it, in lines for the terminal."""
    target, raw = result["target"], result["raw"]
    found = [
        f"{target}, simulated: {raw['instructions_per_inference']:,} instructions an inference "
        "(counted by QEMU; neither cycles nor time)",
        f"code {raw['code_bytes']:,} bytes, weights {raw['weight_bytes']:,}, RAM "
        f"{raw['ram_bytes']:,} of which arena {raw['arena_bytes']:,}, stack {raw['stack_bytes']:,}",
    ]
    if raw["tflm_arena_bytes_x86_64"]:
        found.append(
            f"TensorFlow Lite Micro's arena for the same file, x86-64 build: "
            f"{raw['tflm_arena_bytes_x86_64']:,} bytes"
        )
    total = raw["instructions_per_inference"]
    found += [
        f"  {layer['index']:3} {layer['operator']:20} {layer['instructions']:12,} "
        f"{layer['instructions'] / total:6.1%}"
        for layer in raw["layers"]
    ]
    return [*found, f"verdict: {verdict_text(result['verdict'])}"]
