"""One connection: OpenSSH's client as a process, and the agent at its other end.

Everything of a benchmark goes through one connection. When it ends, for whatever reason, the agent
notices, ends the process that measures and removes what it has written.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hintlite.benchmarks.targets.base import BenchmarkError
from hintlite.benchmarks.targets.printable import all_printable
from hintlite.benchmarks.targets.ssh.command import ssh_words
from hintlite.benchmarks.targets.ssh.device import Device
from hintlite.benchmarks.targets.ssh.failures import refusal
from hintlite.benchmarks.targets.ssh.words import remote_command

AGENT = Path(__file__).with_name("agent.py")
GREETING = "hintlite-agent"
# One line, so that no shell stumbles over it; the agent's source is the first line it reads.
LOADER = (
    "import sys,base64;"
    'sys.version_info<(3,7)and sys.exit("Python 3.7 or newer is needed, this is "+sys.version);'
    'exec(base64.b64decode(open(0,"rb",0,closefd=False).readline()))'
)
HEARTBEAT_S = 5.0
CLOSING_S = 5.0
MOST_LINE_BYTES = 1 << 20
MOST_NOISE_BYTES = 1 << 16  # what an account's start-up files may print first
MOST_PAYLOAD_BYTES = 16 << 20

Progress = Callable[[str], None]


class DroppedError(BenchmarkError):
    """The connection ended in the middle of the work: it can be tried again."""


class Session:
    """The connection to one device.

    Args:
        device: where to.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._step = "connecting"
        self._greeted = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        remote = remote_command([device.python, "-I", "-c", LOADER])
        try:
            self._process = subprocess.Popen(
                ssh_words(device, remote),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                bufsize=0,
                start_new_session=True,  # a Ctrl-C is ours to hand on
            )
        except OSError as error:
            self._said.close()
            raise BenchmarkError(
                f"OpenSSH's client cannot be started ({error.strerror}): apt-get install "
                "openssh-client"
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._given = self._process.stdin
        self._taken = io.BufferedReader(self._process.stdout)  # type: ignore[type-var]

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def step(self, name: str, limit_s: float) -> Iterator[None]:
        """A step of the work, and how long it may take.

        Raises:
            BenchmarkError: it took longer; the connection is ended.
        """
        self._step, late = name, threading.Event()

        def give_up() -> None:
            late.set()
            self._end()

        timer = threading.Timer(limit_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except BenchmarkError as error:
            if late.is_set():
                raise BenchmarkError(
                    f"{self._device.name}: {name} took longer than {limit_s:g} s and was given up"
                ) from error
            raise
        finally:
            timer.cancel()

    def greet(self, nonce: str) -> None:
        """Starts the agent; what the account prints before it is passed over.

        Raises:
            BenchmarkError: there is no connection, or nothing at its end that can run the agent.
        """
        source = base64.b64encode(AGENT.read_bytes()) + b"\n"
        self._send(source + json.dumps({"nonce": nonce}).encode() + b"\n")
        awaited, noise = f"{GREETING} {nonce}".encode(), 0
        while (line := self._line().strip()) != awaited:
            noise += len(line) + 1
            if noise > MOST_NOISE_BYTES:
                raise BenchmarkError(
                    f"{self._device.name}: the account prints without end where a command is run: "
                    "look at its start-up files (.bashrc)"
                )
        self._greeted = True
        threading.Thread(target=self._beat, daemon=True).start()

    def order(
        self, what: str, payload: bytes = b"", progress: Progress | None = None, **details: Any
    ) -> tuple[dict[str, Any], bytes]:
        """Has one thing done.

        Args:
            what: the agent's word for it.
            payload: bytes that go behind the order.
            progress: is called with each line of progress.
            details: of the order.

        Returns:
            The answer, and the bytes behind it.

        Raises:
            DroppedError: the connection ended.
            BenchmarkError: it cannot be done; the text is the device's.
        """
        with contextlib.suppress(DroppedError):  # it may have said why before it went
            self._send(json.dumps({"do": what} | details).encode() + b"\n" + payload)
        while True:
            answer = self._answer()
            if "failed" in answer:
                text = answer["failed"]
                raise BenchmarkError(f"{self._device.name}: {self._step}: {text}")
            if isinstance(answer.get("done"), dict):
                return answer["done"], self._payload(answer.get("bytes"))
            if progress is not None:
                progress(str(answer.get("say", "")))

    def _answer(self) -> dict[str, Any]:
        """The next answer; its texts are fit for a terminal."""
        line = self._line()
        try:
            answer = all_printable(json.loads(line))
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise BenchmarkError(
                f"{self._device.name}: {self._step}: the device answered {line[:60]!r}, which is "
                "no answer: run again"
            )
        return answer

    def _payload(self, count: object) -> bytes:
        if not isinstance(count, int) or not 0 <= count <= MOST_PAYLOAD_BYTES:
            raise BenchmarkError(
                f"{self._device.name}: {self._step}: {count!r} bytes were promised"
            )
        content = self._taken.read(count)
        if len(content) != count:
            raise self._dropped()
        return content

    def _line(self) -> bytes:
        line = self._taken.readline(MOST_LINE_BYTES)
        if not line.endswith(b"\n"):
            if len(line) == MOST_LINE_BYTES:
                raise BenchmarkError(f"{self._device.name}: {self._step}: an endless answer came")
            raise self._dropped()
        return line

    def _send(self, content: bytes) -> None:
        try:
            self._write(content)
        except (OSError, ValueError) as error:
            raise self._dropped() from error

    def _write(self, content: bytes) -> None:
        with self._lock:
            rest = memoryview(content)
            while rest:
                rest = rest[self._given.write(rest) :]

    def _dropped(self) -> BenchmarkError:
        """Why there is nothing more to read or write."""
        code = self._wait()
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace")
        if not self._greeted:
            return refusal(self._device, code, said)
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        why = lines[-1] if lines else "it said nothing"
        text = f"{self._device.name}: the connection was lost while {self._step} ({why})"
        return DroppedError(text)

    def _beat(self) -> None:
        """Shows the agent that somebody still listens."""
        while not self._ended.wait(HEARTBEAT_S):
            with contextlib.suppress(OSError, ValueError):
                self._write(b"\n")

    def _wait(self) -> int:
        try:
            return self._process.wait(CLOSING_S)
        except subprocess.TimeoutExpired:
            self._end()
            return self._process.wait()

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def hang_up(self) -> None:
        """Ends the work from another thread; the one that waits gets a DroppedError."""
        self._ended.set()
        if not self._lock.acquire(timeout=1.0):
            self._end()
            return
        try:
            self._given.close()  # the agent cleans up and goes, and so does OpenSSH's client
        finally:
            self._lock.release()

    def close(self) -> None:
        """Ends the connection: the agent cleans up first, if it still can."""
        self.hang_up()
        self._wait()
        self._taken.close()
        self._said.close()
