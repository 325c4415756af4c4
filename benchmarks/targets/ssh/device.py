"""How one device is reached: its destination, as OpenSSH takes it, and what goes with it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass

from hintlite.benchmarks.targets.base import BenchmarkError

PREFIX = "ssh:"
MOST_PORT = 65535
# Characters that mean something to a shell: a ProxyCommand of the user's may hand them on to one.
_UNSAFE = re.compile(r"[\s'\"`$\\;&<>|(){}*?!#\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Device:
    """One device.

    Args:
        destination: as the ssh command takes it: an alias of ~/.ssh/config, host, user@host or
            ssh://user@host:port.
        name: shown in tables and the name of the result's folder; the destination if empty.
        port: of the SSH server; None leaves it to OpenSSH.
        identity: file of the private key; None leaves it to OpenSSH.
        ssh_config: file to read instead of ~/.ssh/config.
        python: the Python to use there, a name in PATH or a path (from the home folder on).
        folder: where the fresh folder is made there; None is $TMPDIR or /tmp.
        install: install a runtime into a folder of its own where none is usable.
        keep: leave there what was copied.
    """

    destination: str
    name: str = ""
    port: int | None = None
    identity: str | None = None
    ssh_config: str | None = None
    python: str = "python3"
    folder: str | None = None
    install: bool = False
    keep: bool = False

    def __post_init__(self) -> None:
        """Refuses what OpenSSH would take for something else."""
        check_destination(self.destination)
        if self.port is not None and not 0 < self.port <= MOST_PORT:
            raise BenchmarkError(f"port must lie in 1 to {MOST_PORT}, got {self.port}")
        if not self.python or self.python.startswith("-") or "\0" in self.python:
            raise BenchmarkError(f"python must name a program on the device, got {self.python!r}")
        if self.folder is not None and not self.folder.startswith("/"):
            raise BenchmarkError(f"folder must be an absolute path there, got {self.folder!r}")
        if not self.name:
            object.__setattr__(self, "name", self.destination)


def check_destination(text: str) -> None:
    """Refuses a destination that is an option, empty, or holds what a shell could act on.

    Raises:
        BenchmarkError: it is one of these.
    """
    if not text or text.startswith("-") or _UNSAFE.search(text):
        raise BenchmarkError(
            f"expected an SSH destination such as pi@raspberrypi.local, got {text!r}: it must not "
            "be empty, begin with a dash, or hold blanks, quotes or other signs of the shell; an "
            "odd name can have an alias in ~/.ssh/config"
        )


def destination_of(target: str) -> str | None:
    """The SSH destination that a target's name means, or None for a name that means none.

    `ssh:NAME` is always one (an alias of ~/.ssh/config, say), and so is `ssh://...` as it stands;
    of other names those with "@", "." or ":", which no built-in target has.
    """
    if target.startswith(PREFIX + "//"):
        return target
    if target.startswith(PREFIX):
        return target.removeprefix(PREFIX)
    return target if any(sign in target for sign in "@.:") else None


def target_of(destination: str) -> str:
    """The `--target` that means a destination."""
    return destination if destination_of(destination) == destination else PREFIX + destination


def folder_name(name: str, taken: Collection[str] = ()) -> str:
    """A file name for a device's results: its own where that is a plain one.

    Args:
        name: of the device.
        taken: names of other targets, which it must not be.
    """
    plain = re.sub(r"[^A-Za-z0-9@._-]", "_", name).lstrip(".-")[:80]
    clash = plain in taken or plain.endswith((".partial", ".old"))
    if plain == name and not clash:
        return plain
    return f"{plain or 'device'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
