"""`hintlite benchmark MODEL.tflite|BUNDLE --target ...`: a file or a bundle of any origin."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.benchmarks.targets.names import ETHOS_U, TARGETS
from hintlite.deploy.bundle.deployed import is_bundle, model_file
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.devices.options import wanted
from hintlite.pipeline.app.run.folder import RunError
from hintlite.pipeline.app.run.stages.measured import request_of, write_result
from hintlite.pipeline.runs.layout import RESULT

if TYPE_CHECKING:
    from hintlite.benchmarks.targets.base import BenchmarkRequest, BenchmarkResult
    from hintlite.pipeline.app.run.devices.file import Entry

Options = Mapping[str, Any]
Told = tuple["BenchmarkResult", list[str]]  # a result, and its lines for the terminal


def benchmark_file(subject: Path, options: Options, terminal: Terminal) -> int:
    """Benchmarks one model; its results go to --out, by default targets/ beside it.

    Args:
        subject: a `.tflite` file, or a bundle's folder, whose samples are then used.
        options: of the command, and the settings "benchmark".
        terminal: shows progress and the result.

    Raises:
        RunError: the results would lie in a bundle.
        BenchmarkError, StageError: see the target.
    """
    terminal.out.quiet = options["json"]
    entries = wanted(options)
    with _folder(subject, options) as folder:
        if entries is not None:
            results = _on_devices(subject, options, entries, folder, terminal)
        else:
            results = [_on_target(subject, options, folder, terminal)]
    if options["json"]:
        told = [result.to_dict() for result in results]
        print(json.dumps(told[0] if len(told) == 1 else told, indent=1))
    return 0


@contextmanager
def _folder(subject: Path, options: Options) -> Iterator[Path]:
    """Where the results go; of --json alone they are printed and not kept."""
    if options["json"] and not options["out"]:
        with tempfile.TemporaryDirectory(prefix="hintlite-") as place:
            yield Path(place)
        return
    model = model_file(subject)
    if not options["out"] and is_bundle(model.parent):
        raise RunError(
            f"{model} lies in a bundle, which holds nothing but what its manifest names: give "
            "--out FOLDER for the results, or --json to have them printed alone"
        )
    yield Path(options["out"] or model.parent / "targets")


def _on_target(
    subject: Path, options: Options, folder: Path, terminal: Terminal
) -> BenchmarkResult:
    place = folder / options["target"]
    result, lines = FILE_TARGETS[options["target"]](subject, options, place, terminal)
    place.mkdir(parents=True, exist_ok=True)
    write_result(result, place / RESULT)
    for line in lines:
        terminal.out.print(line, markup=False)
    _say(place, options, terminal)
    return result


def _on_devices(
    subject: Path, options: Options, entries: list[Entry], folder: Path, terminal: Terminal
) -> list[BenchmarkResult]:
    from hintlite.benchmarks.targets.ssh.device import folder_name
    from hintlite.pipeline.app.run.devices.devices import measure

    results = []

    def keep(entry: Entry, request: BenchmarkRequest, result: BenchmarkResult) -> None:
        del request
        place = folder / folder_name(entry.device.name, TARGETS)
        place.mkdir(parents=True, exist_ok=True)
        write_result(result, place / RESULT)
        results.append(result)
        _say(place, options, terminal)

    measure(subject, request_of(options["benchmark"]), entries, terminal, keep)
    return results


def _say(place: Path, options: Options, terminal: Terminal) -> None:
    if options["out"] or not options["json"]:
        terminal.say(f"benchmark: {place}")


def _ethos_u(subject: Path, options: Options, place: Path, terminal: Terminal) -> Told:
    from hintlite.pipeline.app.run.stages import npu

    target = options["target"]
    with terminal.task(f"{target}, estimated by Vela"):
        result = npu.estimate(subject, target, npu.vela_options(options), place)
    return result, npu.summary(result.to_dict())


def _cortex_m(subject: Path, options: Options, place: Path, terminal: Terminal) -> Told:
    from hintlite.pipeline.app.run.stages import target

    del place
    result = target.measure(subject, options["target"], terminal)
    return result, target.lines(result.to_dict())


def _tflm(subject: Path, options: Options, place: Path, terminal: Terminal) -> Told:
    from hintlite.pipeline.app.run.stages import tflm

    del options, place
    with terminal.task("TensorFlow Lite Micro, simulated"):
        result = tflm.measure(subject)
    return result, tflm.lines(result.to_dict())


def _android(subject: Path, options: Options, place: Path, terminal: Terminal) -> Told:
    from hintlite.benchmarks.targets.android import AndroidTarget
    from hintlite.pipeline.app.run.stages import android

    del place
    phone = AndroidTarget(options["serial"], options["benchmark_model"])
    with terminal.task("benchmark on the phone"):
        result = phone.run(model_file(subject), request_of(options["benchmark"]))
    return result, android.lines([result.to_dict()])


def _host(subject: Path, options: Options, place: Path, terminal: Terminal) -> Told:
    from hintlite.benchmarks.targets.host import HostTarget
    from hintlite.pipeline.app.run.stages.measured import verdict_text

    del place
    with terminal.task("benchmark on this host"):
        result = HostTarget().run(subject, request_of(options["benchmark"]))
    latency = result.latency_us or {}
    figures = ", ".join(f"{name} {latency[name]:,.1f} us" for name in ("p50", "p99", "first"))
    return result, [f"measured: {figures}", f"verdict: {verdict_text(result.verdict)}"]


FILE_TARGETS: dict[str, Callable[[Path, Options, Path, Terminal], Told]] = {
    **dict.fromkeys(TARGETS, _cortex_m),
    **dict.fromkeys(ETHOS_U, _ethos_u),
    "host": _host,
    "android": _android,
    "tflm": _tflm,
}
