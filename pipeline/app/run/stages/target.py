"""targets: the bundled student on something else than this host."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from hintlite.benchmarks.targets.names import TARGETS
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.stages import bundle, tflm
from hintlite.pipeline.app.run.stages.measured import verdict_text, write_result
from hintlite.pipeline.runs.layout import RESULT

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
    from hintlite.benchmarks.targets.base import BenchmarkRequest
    from hintlite.benchmarks.targets.cortex_m import CortexMTarget
    from hintlite.benchmarks.targets.tflm_arena import smallest_arena

    device = context.folder.path / bundle.DEVICE
    model = bundle.int8_model(device)
    with context.terminal.task(f"{target}, emulated") as bar:
        bar.update(0, 2, "compiling and counting instructions")
        result = CortexMTarget(target).run(device, BenchmarkRequest())
        bar.update(1, 2, "the arena of TensorFlow Lite Micro")
        arena = {"tflm_arena_bytes_x86_64": smallest_arena(model)}
        result = replace(result, raw={**result.raw, **arena})
        bar.note = f"{result.raw['instructions_per_inference']:,} instructions an inference"
    write_result(result, folder / RESULT)


def summary(context: Context, target: str) -> list[str]:
    """What a target said, in lines for the terminal."""
    if target == tflm.TARGET:
        return tflm.summary(context)
    result = json.loads(context.file(f"targets/{target}", RESULT).read_text())
    raw = result["raw"]
    lines = [
        f"{target}, simulated: {raw['instructions_per_inference']:,} instructions an inference "
        "(counted by QEMU; neither cycles nor time)",
        f"code {raw['code_bytes']:,} bytes, weights {raw['weight_bytes']:,}, RAM "
        f"{raw['ram_bytes']:,} of which arena {raw['arena_bytes']:,}, stack {raw['stack_bytes']:,}",
    ]
    if raw["tflm_arena_bytes_x86_64"]:
        lines.append(
            f"TensorFlow Lite Micro's arena for the same file, x86-64 build: "
            f"{raw['tflm_arena_bytes_x86_64']:,} bytes"
        )
    total = raw["instructions_per_inference"]
    lines += [
        f"  {layer['index']:3} {layer['operator']:20} {layer['instructions']:12,} "
        f"{layer['instructions'] / total:6.1%}"
        for layer in raw["layers"]
    ]
    return [*lines, f"verdict: {verdict_text(result['verdict'])}"]
