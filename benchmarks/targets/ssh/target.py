"""The target behind `--target user@host`: check, copy, measure, fetch, remove; again if need be."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hintlite.benchmarks.targets.base import (
    BenchmarkError,
    BenchmarkRequest,
    BenchmarkResult,
    require_model,
)
from hintlite.benchmarks.targets.bench_json import parse_report, to_result
from hintlite.benchmarks.targets.device_row import device_row
from hintlite.benchmarks.targets.ssh.device import Device
from hintlite.benchmarks.targets.ssh.failures import UnreachableError
from hintlite.benchmarks.targets.ssh.package import Package, listing, read_package, to_archive
from hintlite.benchmarks.targets.ssh.runtime import check_facts, describe, explain_missing
from hintlite.benchmarks.targets.ssh.session import DroppedError, Progress, Session
from hintlite.benchmarks.targets.ssh.wheels import download

SCRIPT = Path(__file__).parents[2] / "bench_tflite.py"
CONNECT_S, CHECK_S, REMOVE_S = 30.0, 180.0, 30.0
SLOWEST_BYTES_S, LEAST_COPY_S = 50_000, 30.0
PAUSES_S = (2.0, 5.0, 15.0)  # before each new try
OPTIONS = ("threads", "kernels", "warmup_s", "window_s", "windows", "min_runs")
REASON = ("state", "code", "what", "why", "cure")  # texts of a verdict's reason
KINDS: dict[bool, str] = {False: "measured", True: "simulated"}


class SshTarget:
    """Runs bundles, and single .tflite files, on a device that OpenSSH reaches.

    Args:
        device: which one, and how.
        progress: is called with each line of progress.
        pauses_s: seconds before each new try after a connection was lost.
        script: the benchmark to run; another one only in tests.
    """

    def __init__(
        self,
        device: Device,
        progress: Progress | None = None,
        pauses_s: Sequence[float] = PAUSES_S,
        script: Path = SCRIPT,
    ) -> None:
        self.name = device.name
        self._device = device
        self._progress = progress or (lambda line: None)
        self._pauses_s = tuple(pauses_s)
        self._script = script.read_bytes()
        self._stopped = threading.Event()
        self._session: Session | None = None

    def prepare(self, bundle: Path) -> Path:
        """Checks the bundle, and that there is an OpenSSH client; the device is left alone.

        Returns:
            The path, absolute.

        Raises:
            BenchmarkError: one of them is missing or damaged.
        """
        if shutil.which("ssh") is None:
            raise BenchmarkError("no OpenSSH client here: apt-get install openssh-client")
        require_model(bundle)
        return bundle.absolute()

    def run(self, bundle: Path, request: BenchmarkRequest) -> BenchmarkResult:
        """Measures one model; a lost connection is taken up again, from the start.

        Raises:
            BenchmarkError: it failed, or what came back is not an answer to this request.
        """
        package = read_package(self.prepare(bundle), request.model)
        return self._again(lambda: self._attempt(package, request))

    def stop(self) -> None:
        """Ends the work from another thread; on the device nothing is left."""
        self._stopped.set()
        if (session := self._session) is not None:
            session.hang_up()

    def _again(self, attempt: Callable[[], BenchmarkResult]) -> BenchmarkResult:
        """Tries once more for each pause; only what was reached once is waited for."""
        reached = False
        for pause_s in self._pauses_s:
            try:
                return attempt()
            except (DroppedError, UnreachableError) as error:
                reached = reached or isinstance(error, DroppedError)
                if not reached or self._stopped.is_set():
                    raise
                self._progress(f"{error}; trying again in {pause_s:g} s")
                self._stopped.wait(pause_s)
        try:
            return attempt()
        except (DroppedError, UnreachableError) as error:
            tries = len(self._pauses_s) + 1
            raise BenchmarkError(
                f"{error}. Given up after {tries} tries; nothing was kept"
            ) from error

    def _attempt(self, package: Package, request: BenchmarkRequest) -> BenchmarkResult:
        nonce = secrets.token_hex(16)
        self._progress("connecting")
        with Session(self._device) as session:
            self._session = session
            try:
                if self._stopped.is_set():
                    raise BenchmarkError(f"{self.name}: interrupted")
                with session.step("connecting", CONNECT_S):
                    session.greet(nonce)
                facts = self._check(session)
                self._copy(session, package)
                report = self._measure(session, package, request, nonce)
                self._remove(session)
            finally:
                self._session = None
        return self._judge(report, package, facts, nonce)

    def _check(self, session: Session) -> dict[str, Any]:
        """What the device is; a runtime that is missing is installed if that was asked for."""
        self._progress("checking the device")
        facts = self._probe(session)
        if facts["runtime"] is None and self._device.install:
            self._install(session, facts)
            facts = self._probe(session)
        if facts["runtime"] is None:
            raise BenchmarkError(explain_missing(self._device, facts))
        self._progress(describe(facts))
        return facts

    def _probe(self, session: Session) -> dict[str, Any]:
        source = self._script
        with session.step("checking the device", CHECK_S):
            facts, _ = session.order(
                "check",
                source,
                bytes=len(source),
                python=self._device.python,
                folder=self._device.folder,
            )
        check_facts(facts)
        return facts

    def _install(self, session: Session, facts: dict[str, Any]) -> None:
        self._progress("downloading a runtime for it")
        wheels = download(facts)
        archive = to_archive(wheels)
        self._progress(f"copying {len(wheels)} packages, {len(archive) / 1e6:.0f} MB")
        with session.step("installing the runtime", CHECK_S + _copy_limit_s(archive)):
            answer, _ = session.order("install", archive, bytes=len(archive), files=listing(wheels))
        self._progress(f"installed in {answer['folder']}")

    def _copy(self, session: Session, package: Package) -> None:
        archive, script = to_archive(package.files), self._script
        self._progress(f"copying {len(archive) / 1e3:.0f} kB")
        with session.step("copying the bundle", _copy_limit_s(archive)):
            session.order(
                "unpack",
                archive + script,
                bytes=len(archive),
                script_bytes=len(script),
                files=listing(package.files),
                keep=self._device.keep,
            )

    def _measure(
        self, session: Session, package: Package, request: BenchmarkRequest, nonce: str
    ) -> dict[str, Any]:
        """Runs the script and returns its report, or an error is raised."""
        options = ["--nonce", nonce, "--json", "-"]
        for name in OPTIONS:
            options += ["--" + name.replace("_", "-"), str(getattr(request, name))]
        if request.sweep:
            options.append("--sweep")
        with session.step("measuring", request.timeout_s + REMOVE_S):
            answer, content = session.order(
                "measure",
                progress=self._progress,
                options=options,
                bundle=package.is_bundle,
                model=package.model,
                limit_s=request.timeout_s,
            )
        if hashlib.sha256(content).hexdigest() != answer["sha256"]:
            raise BenchmarkError(
                f"{self.name}: the report did not arrive as it was sent: run again"
            )
        return self._report(answer, content.decode("utf-8", "replace"))

    def _report(self, answer: dict[str, Any], text: str) -> dict[str, Any]:
        """The report, or why there is none."""
        try:
            # Exit code 1 with a report is an invalid verdict: an answer too.
            if answer["code"] == 0 or (answer["code"] == 1 and text.strip()):
                return parse_report(text)
        except BenchmarkError as error:
            raise BenchmarkError(
                f"{self.name}: {error}; its last line: {answer['last']}"
            ) from error
        raise BenchmarkError(
            f"{self.name}: the benchmark failed (exit code {answer['code']}): {answer['last']}"
        )

    def _remove(self, session: Session) -> None:
        """Removes what was copied. The report is here: what goes wrong now costs no result."""
        self._progress(
            "leaving what was copied" if self._device.keep else "removing what was copied"
        )
        try:
            with session.step("removing what was copied", REMOVE_S):
                answer, _ = session.order("remove")
            if answer["left"]:
                self._progress(f"left on the device: {answer['left']}")
        except BenchmarkError as error:
            self._progress(f"{error}; the device removes its folder when it notices")

    def _judge(
        self, report: dict[str, Any], package: Package, facts: dict[str, Any], nonce: str
    ) -> BenchmarkResult:
        result = to_result(
            report,
            kind=KINDS[facts["emulator"] is not None],
            target=self.name,
            nonce=nonce,
            model_sha256=package.model_sha256,
        )
        self._check_shown(result)
        return replace(result, raw={**result.raw, "device": facts})

    def _check_shown(self, result: BenchmarkResult) -> None:
        """Refuses a report that tables and pages could not show: nothing of it is to be kept."""
        try:
            for reason in result.verdict["reasons"]:
                odd = [name for name in REASON if not isinstance(reason[name], str)]
                if odd:
                    raise TypeError(f"a reason's {', '.join(odd)} must be text")
            device_row(result.to_dict())
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BenchmarkError(
                f"{self.name}: the report has a field of a wrong form ({error!r}): run again"
            ) from error


def _copy_limit_s(archive: bytes) -> float:
    return LEAST_COPY_S + len(archive) / SLOWEST_BYTES_S
