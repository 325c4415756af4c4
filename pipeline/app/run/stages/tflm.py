"""targets/tflm: the bundled student in TensorFlow Lite Micro's own interpreter on this host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.stages import bundle
from hintlite.pipeline.app.run.stages.measured import verdict_text, write_result
from hintlite.pipeline.runs.layout import RESULT

if TYPE_CHECKING:
    from hintlite.benchmarks.targets.base import BenchmarkResult

TARGET = "tflm"
NAME = f"targets/{TARGET}"


def stage(context: Context) -> Stage:
    """The stage that writes result.json."""
    return Stage(
        name=NAME,
        version=1,
        settings={"target": TARGET},
        inputs=(bundle.NAME,),
        libraries=("numpy", "tflite", "tflite-micro", "ai-edge-litert"),
        work=lambda folder: _work(context, folder),
    )


def _work(context: Context, folder: Path) -> None:
    device = context.folder.path / bundle.DEVICE
    bundle.int8_model(device)
    with context.terminal.task("TensorFlow Lite Micro, simulated") as bar:
        result = measure(device)
        bar.note = f"{result.raw['tflm_arena_bytes_x86_64']:,} bytes of arena on this host"
    write_result(result, folder / RESULT)


def measure(place: Path) -> BenchmarkResult:
    """What TFLM says of a bundle's int8 model or a single file."""
    from hintlite.benchmarks.targets.base import BenchmarkRequest
    from hintlite.benchmarks.targets.tflm import TflmTarget

    return TflmTarget().run(place, BenchmarkRequest())


def summary(context: Context) -> list[str]:
    """What the stage found, in lines for the terminal."""
    return lines(json.loads(context.file(NAME, RESULT).read_text()))


def lines(result: Mapping[str, Any]) -> list[str]:
    """A result in lines for the terminal."""
    raw = result["raw"]
    record, estimate, over = raw["record"], raw["estimate"], raw["overhead_64_bit"]
    reference, cmsis_nn = estimate["reference"], estimate["cmsis_nn"]
    found = [
        "tflm, simulated: TFLM's interpreter, x86-64 build of the package tflite-micro "
        f"{raw['tools']['tflite-micro']}",
        f"arena on this host: {raw['tflm_arena_bytes_x86_64']:,} bytes by bisection; its own "
        f"record: {record['non_persistent']:,} non-persistent + {record['persistent']:,} "
        f"persistent = {record['total']:,}",
        f"arena on a 32-bit target, estimated: {reference['arena_bytes']:,} bytes with TFLM's "
        f"reference kernels ({_split(reference)}), {cmsis_nn['arena_bytes']:,} with CMSIS-NN "
        f"({_split(cmsis_nn)})",
        f"64-bit overhead of the host: {over['total']:,} bytes (tensors {over['tensors']:,}, "
        f"nodes {over['nodes']:,}, kernels {over['kernels']:,}, inputs and outputs "
        f"{over['ends']:,}, interpreter and rounding {over['interpreter_and_rounding']:,})",
        "operators against LiteRT's reference kernels:",
    ]
    found += [_operator_line(entry) for entry in raw["operators"]]
    return [*found, f"verdict: {verdict_text(result['verdict'])}"]


def _split(estimate: Mapping[str, Any]) -> str:
    text = f"{estimate['non_persistent_bytes']:,} + {estimate['persistent_bytes']:,}"
    if estimate["preparing_bytes"] > estimate["arena_bytes"] - 16:
        text += f", but {estimate['preparing_bytes']:,} while tensors are allocated"
    return text


def _operator_line(entry: Mapping[str, Any]) -> str:
    note = "" if entry["inputs_equal"] else "  (its inputs differ already)"
    return (
        f"  {entry['index']:3} {entry['operator']:20} {entry['equal']:>9,} of "
        f"{entry['outputs']:>9,} equal, at most {entry['largest_difference_steps']} steps{note}"
    )
