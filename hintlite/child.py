"""Processes of our own that may die, and one protocol to ask them.

Native code that a damaged file brings down, a library that needs another Keras, a training beside
others: each runs in a process of its own, `python -P -m hintlite.serve MODULE:FUNCTION`. A request
is one line of JSON on its standard input. It answers in lines of JSON: any number of {"said": ...},
then one of {"done": ...}, {"refused": sentence}, {"failed": error}, {"memory": null}.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from hintlite.errors import HintliteError

Tell = Callable[[Any], None]
_LAST_LINES = 15
_GRACE_S = 5.0
_LEAST_BYTES = 4 << 30  # addresses, of which Python and its libraries take more than they fill


class ChildError(HintliteError):
    """A process did not do what it was asked.

    Attributes:
        last: the last lines that it wrote to standard error.
    """

    def __init__(self, text: str, last: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.last = last


class RefusedError(ChildError):
    """It answered with a refusal: the sentence of a HintliteError, and its exit code."""


class FailedError(ChildError):
    """It answered with an error that is none of ours."""


class DiedError(ChildError):
    """It ended, or was ended at a limit, before it answered."""


class Child:
    """One process, started when it is first asked, and again after it has died.

    Args:
        work: "module:function" of what it does: `(request, tell) -> answer`, all of them JSON.
        name: what the errors call the process.
        limit_s: the longest silence before an answer, or before the next thing that it tells.
        memory_bytes: the most addresses that it may have.
        environment: variables beside those of this process.
        log: is handed each line that it writes to standard error.
    """

    def __init__(
        self,
        work: str,
        *,
        name: str = "the process",
        limit_s: float | None = None,
        memory_bytes: int | None = None,
        environment: Mapping[str, str] | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        # -P: what lies in the user's working folder must not be taken for a package.
        self._command = [sys.executable, "-P", "-m", "hintlite.serve", work, str(memory_bytes or 0)]
        self._name, self._limit_s, self._memory_bytes = name, limit_s, memory_bytes
        self._environment, self._log = environment or {}, log
        self._process: subprocess.Popen[bytes] | None = None
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self.starts = 0

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether there is a process, which the next request goes to."""
        return self._process is not None and self._process.poll() is None

    def ask(self, request: Any, listen: Tell | None = None) -> Any:
        """One request; whatever ends this call early, Ctrl-C among it, ends the process.

        Args:
            request: plain data.
            listen: is handed what the process tells on the way.

        Raises:
            RefusedError: it refused.
            FailedError: it met an error that is none of ours.
            DiedError: it died, was silent for too long, or needed too much memory.
        """
        process = self._running()
        try:
            reply = self._reply(process, request, listen)
        except BaseException:
            self._end(process)
            raise
        if "refused" in reply:
            refused = RefusedError(reply["refused"])
            refused.exit_code = reply["exit_code"]
            raise refused
        if "done" in reply:
            return reply["done"]
        self._end(process)
        if "failed" in reply:
            raise FailedError(reply["failed"], tuple(self._last))
        raise DiedError(f"{self._name} {_needs_memory(self._memory_bytes)}", tuple(self._last))

    def kill(self) -> None:
        """Ends the process at once; a request that is under way in another thread ends, too."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Ends the process, which nobody asks at the moment."""
        if self._process is not None:
            self._end(self._process)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self.starts += 1
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self._environment},
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends the others
        )
        self._last.clear()
        self._drain = threading.Thread(target=self._hear, args=(self._process.stderr,), daemon=True)
        self._drain.start()
        return self._process

    def _hear(self, lines: IO[bytes]) -> None:
        """What libraries print goes to the log; its end is kept for an error."""
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip()
            self._last.append(text)
            if self._log is not None:
                self._log(text)

    def _reply(
        self, process: subprocess.Popen[bytes], request: Any, listen: Tell | None
    ) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        try:
            for line in _lines(process.stdout, self._limit_s):
                reply: dict[str, Any] = json.loads(line)
                if "said" not in reply:
                    return reply
                if listen is not None:
                    listen(reply["said"])
        except TimeoutError as error:
            self._end(process)
            raise DiedError(
                f"{self._name} did not answer within {self._limit_s:g} s", tuple(self._last)
            ) from error
        code = process.wait()
        self._end(process)
        raise DiedError(f"{self._name} {_how(code, self._memory_bytes)}", tuple(self._last))

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Ends the process and hears what it said last."""
        if self._process is process:
            self._process = None
        process.kill()  # whoever writes files in it writes them whole or not at all
        process.wait()
        self._drain.join(_GRACE_S)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def memory_share() -> int:
    """Bytes for a process that reads a foreign file: three quarters of the machine's memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(_LEAST_BYTES, machine // 4 * 3)


def _lines(stream: IO[bytes], limit_s: float | None) -> Iterator[bytes]:
    """Whole lines, until the stream ends.

    Raises:
        TimeoutError: nothing came for so long.
    """
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while selector.select(limit_s):
            chunk = os.read(stream.fileno(), 1 << 16)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
    raise TimeoutError


def _how(code: int, memory_bytes: int | None) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended by itself with code {code}"
    name = signal.Signals(-code).name
    if name == "SIGKILL":
        return "was ended by SIGKILL; too little memory?"
    limit = f" (it may take {memory_bytes / 2**30:.1f} GiB of memory)" if memory_bytes else ""
    return f"was ended by {name}{limit}"


def _needs_memory(memory_bytes: int | None) -> str:
    limit = f"the {memory_bytes / 2**30:.1f} GiB of memory that it may take" if memory_bytes else ""
    return f"needed more than {limit or 'the memory that there is'}"
