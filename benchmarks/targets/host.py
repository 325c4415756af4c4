"""The machine that hintlite runs on, measured by bench_tflite.py in a fresh process."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from hintlite.benchmarks.targets.base import (
    BenchmarkError,
    BenchmarkRequest,
    BenchmarkResult,
    require_model,
)
from hintlite.benchmarks.targets.bench_json import parse_report, to_result

SCRIPT = Path(__file__).parents[1] / "bench_tflite.py"
RUNTIMES = ("ai_edge_litert", "tflite_runtime", "tensorflow")
PREFIX = "bench_tflite: "
Progress = Callable[[str], None]


class HostTarget:
    """Runs bundles, and single .tflite files, on this machine.

    Args:
        progress: is called with each line of progress.
        script: the benchmark to run; another one only in tests.
    """

    name = "host"

    def __init__(self, progress: Progress | None = None, script: Path = SCRIPT) -> None:
        self._progress = progress or (lambda line: None)
        self._script = script

    def prepare(self, bundle: Path) -> Path:
        """Checks that there are a model and a runtime.

        Returns:
            The path, absolute.

        Raises:
            BenchmarkError: one of them is missing.
        """
        require_model(bundle)
        if not any(importlib.util.find_spec(name) for name in RUNTIMES):
            raise BenchmarkError("no TFLite runtime here: python -m pip install ai-edge-litert")
        return bundle.resolve()

    def run(self, bundle: Path, request: BenchmarkRequest) -> BenchmarkResult:
        """Measures one model; a Ctrl-C ends the measuring process too.

        Raises:
            BenchmarkError: the script failed or took too long, or answered something else.
        """
        bundle = self.prepare(bundle)
        if bundle.is_file() and request.model not in (None, bundle.name):
            raise BenchmarkError(f"{bundle} is a single model, it holds no {request.model}")
        nonce = secrets.token_hex(16)
        report = parse_report(self._measure(self._command(bundle, request, nonce), request))
        return to_result(
            report,
            kind="measured",
            target=self.name,
            nonce=nonce,
            model_sha256=_sha256(_model_path(bundle, report["model"]["file"])),
        )

    def _command(self, bundle: Path, request: BenchmarkRequest, nonce: str) -> list[str]:
        # -P: the script's folder holds modules of ours, which it must not import.
        command = [sys.executable, "-P", str(self._script.resolve())]
        command += ["--nonce", nonce, "--json", "-"]
        if bundle.is_file():
            command += ["--model", str(bundle)]
        else:
            command += ["--bundle", str(bundle)]
            command += [] if request.model is None else ["--model", request.model]
        for name in ("threads", "kernels", "warmup_s", "window_s", "windows", "min_runs"):
            command += [f"--{name}", str(getattr(request, name))]
        if request.sweep:
            command.append("--sweep")
        return command

    def _measure(self, command: list[str], request: BenchmarkRequest) -> str:
        """Runs the script and returns what it printed: a report, or an error is raised."""
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            code, last = self._watch(command, output, request.timeout_s)
            output.seek(0)
            text = output.read()
        # Exit code 1 with a report is an invalid verdict: an answer too.
        if code == 0 or (code == 1 and text.strip()):
            return text
        raise BenchmarkError(f"the benchmark on this machine failed (exit code {code}): {last}")

    def _watch(self, command: list[str], output: IO[str], timeout_s: float) -> tuple[int, str]:
        """Waits for the script; returns its exit code and its last line."""
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a group of its own, to be ended as a whole
        ) as child:
            try:
                with _deadline(child, timeout_s):
                    last = self._follow(child)
                    return child.wait(), last
            except BaseException:
                _end(child)
                child.wait()
                raise

    def _follow(self, child: subprocess.Popen[str]) -> str:
        """Hands on the script's own lines of progress; returns the last line of any kind."""
        last = "it said nothing"
        for line in child.stderr or ():
            last = line.rstrip().removeprefix(PREFIX) or last
            if line.startswith(PREFIX):
                self._progress(last)
        return last


@contextlib.contextmanager
def _deadline(child: subprocess.Popen[str], timeout_s: float) -> Iterator[None]:
    """Ends the child after the time, and says so when it is over."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        _end(child)

    timer = threading.Timer(timeout_s, give_up)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
    if late.is_set():
        raise BenchmarkError(
            f"the benchmark took longer than {timeout_s:g} s and was ended: allow more "
            "(timeout_s), or ask for shorter windows or fewer runs"
        )


def _end(child: subprocess.Popen[str]) -> None:
    """Ends the script and the process that it measures in."""
    if not hasattr(os, "killpg"):
        child.kill()
        return
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.killpg(child.pid, signal.SIGKILL)


def _model_path(bundle: Path, name: object) -> Path:
    """The model that the script says it ran; refused outside the bundle."""
    if bundle.is_file():
        return bundle
    path = bundle / str(name)
    if path.name != name or not path.is_file():
        raise BenchmarkError(f"the benchmark ran {name!r}, which is no file of the bundle {bundle}")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
