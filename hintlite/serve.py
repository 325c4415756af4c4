"""The process that `hintlite.child` asks.

    python -P -m hintlite.serve MODULE:FUNCTION MEMORY_BYTES

It ends when its input does, which also happens when the process dies that has started it.
"""

from __future__ import annotations

import json
import os
import pkgutil
import queue
import resource
import signal
import sys
import threading
import traceback
from typing import IO, Any, NoReturn

from hintlite.errors import HintliteError, exit_code

_LONGEST = 500  # characters of a foreign error


def main(work: str, memory_bytes: int) -> NoReturn:
    """Answers until the input ends.

    Args:
        work: "module:function" of what it does, see `hintlite.child.Child`.
        memory_bytes: the most addresses that it may have; 0 for no limit.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no reply
    requests: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    while True:
        print(_answer(work, requests.get(), replies), file=replies)


def _read(requests: queue.Queue[bytes]) -> None:
    """Hands on what comes in; at its end the process ends, in the middle of its work too."""
    rest = b""
    while chunk := os.read(0, 1 << 16):  # not sys.stdin, whose lock would be held at the end
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            requests.put(line)
    os._exit(0)


def _answer(work: str, request: bytes, replies: IO[str]) -> str:
    def tell(said: Any) -> None:
        print(json.dumps({"said": said}), file=replies)

    try:
        return json.dumps({"done": pkgutil.resolve_name(work)(json.loads(request), tell)})
    except HintliteError as error:
        return json.dumps({"refused": str(error), "exit_code": exit_code(error)})
    except MemoryError:
        return json.dumps({"memory": None})
    except (Exception, SystemExit) as error:  # a library that ends its process ends a request alone
        traceback.print_exc()
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return json.dumps({"failed": what[:_LONGEST]})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
