"""One emulated Raspberry Pi: a root folder that shows its kernel's files, and its python3."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from hintlite.benchmarks.dev.emulated_pi.boards import BOARD_32, BOARDS, Board, kernel_files
from hintlite.benchmarks.dev.emulated_pi.userland import USERLANDS, Userland, runtime, userland

# What a board shares with others of its userland. QEMU looks for every path below the root first,
# so /tmp and /home are left out: they are this machine's.
SYSTEM = ("usr", "bin", "sbin", "etc")


@dataclass(frozen=True)
class EmulatedPi:
    """A board with a runtime.

    Args:
        board: what it stands for.
        debian: its userland.
        root: its root folder.
        packages: folder of its Python packages; None has no runtime.
    """

    board: Board
    debian: Userland
    root: Path
    packages: Path | None

    @property
    def emulator(self) -> str:
        """How results name it."""
        return f"qemu-{self.debian.qemu} -cpu {self.board.core}"

    def variables(self) -> dict[str, str]:
        """Environment variables that a program there needs."""
        folders = self.debian.library_folders
        found = {"HINTLITE_EMULATOR": self.emulator}
        if folders:
            found["LD_LIBRARY_PATH"] = os.pathsep.join(str(self.root / each) for each in folders)
        if self.packages is not None:
            found["PYTHONPATH"] = str(self.packages)
        return found

    def words(self, static: bool = True, plugin: str | None = None) -> list[str]:
        """The command line of its Python.

        Args:
            static: Debian's static QEMU, else the dynamic one, which alone takes plugins.
            plugin: one, with its arguments.
        """
        name = self.debian.qemu
        words = [f"qemu-{name}-static" if static else f"qemu-{name}", "-L", str(self.root)]
        words += ["-cpu", self.board.core]
        words += [] if plugin is None else ["-plugin", plugin]
        return [*words, str(self.root / "usr" / "bin" / f"python{self.debian.python}")]

    def script(self) -> str:
        """A shell script that is its python3; further PYTHONPATHs stay in front.

        With 64 bits, Python is told that the script is itself (qemu's -0), by whatever name it was
        called: so the programs that it starts are emulated too, and a virtual environment's
        python3, a link to the script, knows its own folder. Not so with 32 bits, where QEMU does
        not look below the root for what statx() asks for: Python must see the root's own path.
        """
        lines = ["#!/bin/sh"]
        for name, value in self.variables().items():
            text = shlex.quote(value)
            if name == "PYTHONPATH":
                text = f'"${{PYTHONPATH:+$PYTHONPATH:}}"{text}'
            lines.append(f"export {name}={text}")
        emulator, *words = self.words()
        name = "" if self.debian.qemu == "arm" else ' -0 "$0"'
        return "\n".join([*lines, f'exec {emulator}{name} {shlex.join(words)} "$@"', ""])


def emulated_pi(
    name: str, runtime_name: str | None, folder: Path, release: str = "bookworm"
) -> EmulatedPi:
    """A Raspberry Pi.

    Args:
        name: pi3, pi4 or pi5, with 64 bits; pi2 with 32.
        runtime_name: ai-edge-litert or tflite-runtime; None for a fresh one without.
        folder: where its root folder is made, which shares all but its own files.
        release: Debian's, "bookworm" or "trixie".
    """
    of = f"{release}-{'armhf' if name == 'pi2' else 'arm64'}"
    board = BOARD_32 if name == "pi2" else BOARDS[name]
    shared, root = userland(of), folder / name
    root.mkdir(parents=True)
    for path in shared.iterdir():
        if path.name in SYSTEM or path.name.startswith("lib"):
            (root / path.name).symlink_to(path)
    for file, text in kernel_files(board).items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    packages = None if runtime_name is None else runtime(of, runtime_name)
    return EmulatedPi(board, USERLANDS[of], root, packages)
