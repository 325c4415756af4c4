"""`hintlite benchmark MODEL.tflite --target ...`: a single file, of this project or any other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hintlite.benchmarks.targets.names import ETHOS_U
from hintlite.deploy.bundle.manifest import MANIFEST
from hintlite.files import write_whole
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.folder import RunError
from hintlite.pipeline.runs.layout import RESULT


def benchmark_file(model: Path, options: Mapping[str, Any], terminal: Terminal) -> int:
    """Benchmarks one .tflite file; its results go to --out, by default targets/ beside it.

    Args:
        model: the file.
        options: of the command, and the settings "benchmark".
        terminal: shows progress and the result.

    Raises:
        RunError: the target takes runs only, or the results would lie in a bundle.
    """
    target = options["target"]
    if target not in FILE_TARGETS:
        raise RunError(
            f"--target {target} takes a run; a single file goes with {', '.join(FILE_TARGETS)}"
        )
    if not options["out"] and (model.parent / MANIFEST).is_file():
        raise RunError(
            f"{model} lies in a bundle, which holds nothing but what its manifest names: give "
            "--out FOLDER for the results, or name the run instead of the file"
        )
    place = Path(options["out"] or model.parent / "targets") / target
    place.mkdir(parents=True, exist_ok=True)
    FILE_TARGETS[target](model, options, place, terminal)
    terminal.say(f"benchmark: {place}")
    return 0


def _ethos_u(model: Path, options: Mapping[str, Any], place: Path, terminal: Terminal) -> None:
    from hintlite.pipeline.app.run.stages import npu

    target = options["target"]
    with terminal.task(f"{target}, estimated by Vela"):
        result = npu.estimate(model, target, npu.vela_options(options), place)
    for line in npu.summary(result.to_dict()):
        terminal.out.print(line, markup=False)


def _tflm(model: Path, options: Mapping[str, Any], place: Path, terminal: Terminal) -> None:
    from hintlite.pipeline.app.run.stages import tflm

    del options
    with terminal.task("TensorFlow Lite Micro, simulated"):
        result = tflm.measure(model)
    write_whole(place / RESULT, json.dumps(result, indent=1))
    for line in tflm.lines(result):
        terminal.out.print(line, markup=False)


def _host(model: Path, options: Mapping[str, Any], place: Path, terminal: Terminal) -> None:
    from hintlite.benchmarks.targets.base import BenchmarkRequest
    from hintlite.benchmarks.targets.host import HostTarget
    from hintlite.pipeline.app.run.stages.measured import verdict_text, write_result

    wanted = BenchmarkRequest(**asdict(options["benchmark"]))
    with terminal.task("benchmark on this host"):
        result = HostTarget().run(model, wanted)
    write_result(result, place / RESULT)
    latency = result.latency_us or {}
    figures = ", ".join(f"{name} {latency[name]:,.1f} us" for name in ("p50", "p99", "first"))
    terminal.out.print(f"measured: {figures}", markup=False)
    terminal.out.print(f"verdict: {verdict_text(result.verdict)}", markup=False)


FILE_TARGETS: dict[str, Callable[[Path, Mapping[str, Any], Path, Terminal], None]] = {
    "host": _host,
    "tflm": _tflm,
    **dict.fromkeys(ETHOS_U, _ethos_u),
}
