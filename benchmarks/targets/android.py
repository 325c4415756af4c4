"""An Android phone: TFLite's benchmark_model, run through adb."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hintlite.benchmarks.targets.adb import Adb, Answer
from hintlite.benchmarks.targets.android_phone import emulator_sign, phone_facts, properties
from hintlite.benchmarks.targets.android_verdict import doubts
from hintlite.benchmarks.targets.base import BenchmarkError, BenchmarkRequest, BenchmarkResult
from hintlite.benchmarks.targets.benchmark_model import Log, parse_log
from hintlite.benchmarks.targets.printable import all_printable

HOME = "/data/local/tmp"  # where adb's shell may write and run programs
PROGRAM = f"{HOME}/benchmark_model"
GET_PROGRAM = (
    "download or build it (docs/phones.md says how) and give its place with --benchmark_model"
)
SIGNALS = {134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 137: "SIGKILL", 139: "SIGSEGV"}
Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Found:
    """What came back from the phone."""

    log: Log
    phone: dict[str, str | None]
    emulator: str | None
    thermal: list[int | None]
    sha256_checked: bool


class AndroidTarget:
    """Runs single .tflite files on a phone.

    Args:
        serial: of the device; see `Adb`.
        benchmark_model: the program: a file here, or its absolute path on the phone.
        adb: adb's path; found in PATH if None.
        progress: is called with each step.
    """

    name = "android"

    def __init__(
        self,
        serial: str | None = None,
        benchmark_model: str | None = None,
        adb: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._serial, self._program, self._adb = serial, benchmark_model, adb
        self._progress = progress or (lambda line: None)

    def prepare(self, bundle: Path) -> Path:
        """Checks that there are a model, an adb and a usable phone.

        Returns:
            The model's path, absolute.

        Raises:
            BenchmarkError: one of them is missing.
        """
        if not bundle.is_file():
            raise BenchmarkError(f"expected a .tflite file, got {bundle}")
        self.connect()
        return bundle.resolve()

    def connect(self) -> Adb:
        """The device, checked.

        Raises:
            BenchmarkError: see `Adb`.
        """
        return Adb(self._serial, self._adb)

    def run(self, bundle: Path, request: BenchmarkRequest) -> BenchmarkResult:
        """Measures one .tflite file.

        Raises:
            BenchmarkError: it cannot be done, or what came back is no result.
        """
        model = self.prepare(bundle)
        flags = _flags(request)
        adb = self.connect()
        with _folder(adb) as folder:
            self._progress(f"copying {model.name} to the phone")
            remote = f"{folder}/model.tflite"
            adb.push(model, remote)
            checked = _check_copy(adb, model, remote)
            program = self._place_program(adb, folder)
            thermal = [_thermal_status(adb)]
            self._progress(f"{model.name}: benchmark_model runs")
            words = [program, f"--graph={remote}", *flags]
            log = _result(adb.shell(words, request.timeout_s), program)
            thermal.append(_thermal_status(adb))
            said = properties(adb)
            emulator = emulator_sign(adb.serial, said)
            found = _Found(log, phone_facts(said), emulator, thermal, checked)
        return _to_result(self.name, model, request, flags, found)

    def _place_program(self, adb: Adb, folder: str) -> str:
        """benchmark_model's path on the phone, ready to run."""
        asked = self._program
        if asked is not None and Path(asked).is_file():
            place = f"{folder}/benchmark_model"
            self._progress("copying benchmark_model to the phone")
            adb.push(Path(asked), place)
            adb.shell(["chmod", "755", place])
            return place
        place = PROGRAM if asked is None else asked
        if not place.startswith("/"):
            raise BenchmarkError(f"there is no file {place}: {GET_PROGRAM}")
        if adb.shell(["test", "-f", place]).status != 0:
            raise BenchmarkError(
                f"there is no {place}, neither here nor on the phone: {GET_PROGRAM}"
            )
        if adb.shell(["test", "-x", place]).status != 0:
            raise BenchmarkError(
                f"{place} on the phone is not executable: adb shell chmod 755 {place}"
            )
        return place


@contextmanager
def _folder(adb: Adb) -> Iterator[str]:
    """A fresh folder on the phone, removed with everything that runs in it."""
    made = adb.shell(["mktemp", "-d", f"{HOME}/hintlite.XXXXXX"])
    lines = made.text.strip().splitlines()
    folder = lines[-1] if lines else ""
    if made.status != 0 or not re.fullmatch(rf"{HOME}/hintlite\.\w{{6}}", folder):
        raise BenchmarkError(
            f"cannot make a folder in {HOME} on the phone ({made.text.strip()[:200]}): free some "
            "space on it, or use Android 6 or newer"
        )
    whole = False
    try:
        yield folder
        whole = True
    finally:
        _tidy(adb, folder, whole)


def _tidy(adb: Adb, folder: str, whole: bool) -> None:
    """Removes the folder; after a failure ends what still runs, and hides no first error."""
    steps = [["rm", "-rf", folder]] if whole else [["pkill", "-f", folder], ["rm", "-rf", folder]]
    for words in steps:
        try:
            adb.shell(words)
        except BenchmarkError:
            if whole:
                raise


def _check_copy(adb: Adb, model: Path, remote: str) -> bool:
    """Whether the phone could confirm the file's hash; another hash is refused."""
    answer = adb.shell(["sha256sum", remote])
    found = re.match(r"([0-9a-f]{64})\b", answer.text.strip())
    if answer.status != 0 or found is None:
        return False
    if found[1] != hashlib.sha256(model.read_bytes()).hexdigest():
        raise BenchmarkError(f"{model.name} came to the phone damaged (another sha256): try again")
    return True


def _flags(request: BenchmarkRequest) -> list[str]:
    """benchmark_model's flags; it has one stretch where bench_tflite.py has windows."""
    if request.kernels == "reference":
        raise BenchmarkError(
            "benchmark_model has no reference kernels: ask for --benchmark.kernels xnnpack or "
            "builtin"
        )
    seconds = request.window_s * request.windows
    return [
        f"--num_threads={request.threads}",
        f"--warmup_min_secs={request.warmup_s:g}",
        f"--min_secs={seconds:g}",
        f"--num_runs={request.min_runs}",
        f"--max_secs={max(request.timeout_s / 2, seconds):g}",
        f"--use_xnnpack={'true' if request.kernels == 'xnnpack' else 'false'}",
    ]


def _result(answer: Answer, program: str) -> Log:
    """The log, or why there is none."""
    said = answer.text.strip().splitlines()
    last = said[-1].strip()[:300] if said else "it said nothing"
    if answer.status == 0:
        return parse_log(answer.text)
    if answer.status in (126, 127):
        raise BenchmarkError(
            f"{program} cannot be run on this phone ({last}): take the build for its processor "
            f"(`adb shell getprop ro.product.cpu.abi`); {GET_PROGRAM}"
        )
    if answer.status > 128:
        name = SIGNALS.get(answer.status, f"signal {answer.status - 128}")
        raise BenchmarkError(
            f"benchmark_model crashed on the phone ({name}; last words: {last}): take a newer "
            "build of it, or check the model with `hintlite inspect`"
        )
    raise BenchmarkError(f"benchmark_model failed on the phone (exit code {answer.status}): {last}")


def _thermal_status(adb: Adb) -> int | None:
    """Android's thermal status, 0 (none) to 6 (shutdown), since Android 10; else None."""
    found = re.search(r"Thermal Status: (\d+)", adb.shell(["dumpsys", "thermalservice"]).text)
    return int(found[1]) if found else None


def _to_result(
    target: str, model: Path, request: BenchmarkRequest, flags: list[str], found: _Found
) -> BenchmarkResult:
    """The result; an emulator's times and memory are its own, and stay in `raw`."""
    log, emulated = found.log, found.emulator is not None
    reasons = doubts(request, log, found.thermal, found.emulator)
    return BenchmarkResult(
        kind="simulated" if emulated else "measured",
        target=target,
        model_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        verdict={"state": "doubtful" if reasons else "valid", "reasons": reasons},
        latency_us=None if emulated else _latency_us(log),
        memory_bytes=None if emulated else log.peak_bytes,
        raw={
            "program": "benchmark_model",
            "model": {"file": model.name, "bytes": model.stat().st_size},
            "settings": {
                "threads": request.threads,
                "kernels": request.kernels,
                "warmup_s": request.warmup_s,
                "min_s": request.window_s * request.windows,
                "min_runs": request.min_runs,
                "flags": flags,
                "input": "one random input",
            },
            **all_printable(_said(found)),
        },
    )


def _said(found: _Found) -> dict[str, Any]:
    return {
        "phone": found.phone,
        "emulator": found.emulator,
        "thermal_status": {"before": found.thermal[0], "after": found.thermal[1]},
        "copy_checked": found.sha256_checked,
        "log": found.log.to_dict(),
    }


def _latency_us(log: Log) -> dict[str, float]:
    """Under the contract's names; benchmark_model's Init is load and allocation in one."""
    known = {
        "first": log.first_us,
        "mean": log.mean_us,
        "min": log.min_us,
        "p50": log.p50_us,
        "max": log.max_us,
        "std": log.std_us,
    }
    return {name: value for name, value in known.items() if value is not None}
