"""The one place where words become a remote command line."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from hintlite.benchmarks.targets.base import BenchmarkError


def remote_command(words: Sequence[str]) -> str:
    """One line for the device's shell that means just these words.

    OpenSSH hands the remote command as one string to the login shell of the account. Each word is
    quoted for POSIX shells (IEEE Std 1003.1, 2.2.2 "Single-Quotes"): nothing in it is expanded.

    Raises:
        BenchmarkError: there is no word, or one holds a NUL character, which no program can take.
    """
    if not words:
        raise BenchmarkError("a remote command needs at least one word")
    for word in words:
        if "\0" in word:
            raise BenchmarkError(f"a remote command cannot hold a NUL character: {word!r}")
    return " ".join(shlex.quote(word) for word in words)
