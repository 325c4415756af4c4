"""The cross-compiler, the boards that QEMU has, and one run on one of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hintlite.errors import HintliteError

FIRMWARE = Path(__file__).parent
COMPILER = "arm-none-eabi-gcc"
EMULATOR = "qemu-system-arm"
INSTALL = (
    "apt-get install --no-install-recommends gcc-arm-none-eabi libnewlib-arm-none-eabi "
    "qemu-system-arm"
)
OPTIMIZATION = ("-O2",)
_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
_STACK_BYTES = 8192


class ToolchainError(HintliteError):
    """A tool is missing or failed; the message says which and what to do."""


@dataclass(frozen=True)
class Board:
    """A core and the QEMU machine that runs it; sizes in bytes."""

    machine: str
    flags: tuple[str, ...]
    code: tuple[int, int]
    ram: tuple[int, int]


_MPS2 = ((0x0, 4 << 20), (0x20000000, 4 << 20))
BOARDS: Mapping[str, Board] = {
    # QEMU has no Cortex-M0 board of this size: Armv6-M code runs on an M3 as it stands.
    "cortex-m0": Board("mps2-an385", ("-mcpu=cortex-m0",), *_MPS2),
    "cortex-m3": Board("mps2-an385", ("-mcpu=cortex-m3",), *_MPS2),
    "cortex-m4": Board("mps2-an386", ("-mcpu=cortex-m4",), *_MPS2),
    "cortex-m7": Board("mps2-an500", ("-mcpu=cortex-m7",), *_MPS2),
    "cortex-m33": Board(
        "mps2-an505", ("-mcpu=cortex-m33",), (0x10000000, 4 << 20), (0x38000000, 4 << 20)
    ),
    "cortex-m55": Board(
        "mps3-an547",
        ("-mcpu=cortex-m55", "-mfloat-abi=hard"),
        (0x0, 512 << 10),
        (0x20000000, 512 << 10),
    ),
}


def missing_tools() -> list[str]:
    """The tools that are not on the PATH."""
    return [tool for tool in (COMPILER, EMULATOR) if shutil.which(tool) is None]


def check_tools() -> None:
    """Raise a ToolchainError with the install command if a tool is missing."""
    missing = missing_tools()
    if missing:
        raise ToolchainError(f"{' and '.join(missing)} not found; install with: {INSTALL}")


def _run(command: Sequence[str], timeout_s: float, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            list(command),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"{command[0]} did not end within {timeout_s:.0f} s") from error
    if done.returncode != 0:
        raise ToolchainError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def compile_objects(
    board: Board, sources: Sequence[Path], folder: Path, extra: Sequence[str] = ()
) -> list[Path]:
    """Compile C files, one object each.

    Args:
        board: for the core's flags.
        sources: the files; `folder` is on the include path.
        folder: where the objects go.
        extra: further flags.

    Returns:
        The objects in the order of the sources.
    """
    objects = []
    for source in sources:
        target = folder / f"{source.stem}.o"
        flags = (*board.flags, "-mthumb", "-std=c99", *OPTIMIZATION, *_WARNINGS)
        places = ("-ffunction-sections", "-fdata-sections", "-I", str(folder), "-I", str(FIRMWARE))
        if source.is_relative_to(FIRMWARE):
            flags = (*flags, "-std=gnu99")  # start-up code needs assembly
        _run((COMPILER, *flags, *places, *extra, "-c", str(source), "-o", str(target)), 300)
        objects.append(target)
    return objects


def link(board: Board, objects: Sequence[Path], folder: Path, program: str) -> Path:
    """Link a program without a C library's start-up, with a map beside it.

    Args:
        board: for the memory.
        objects: what to link; what is not reached is left out.
        folder: where the program goes.
        program: its name without a suffix.

    Returns:
        The path of the ELF file.
    """
    script = folder / "board.ld"
    script.write_text(_linker_script(board), encoding="utf-8")
    elf = folder / f"{program}.elf"
    _run(
        (
            COMPILER,
            *board.flags,
            "-mthumb",
            "-nostartfiles",
            "--specs=nano.specs",
            "-Wl,--gc-sections",
            f"-Wl,-Map={folder / program}.map",
            f"-Wl,-T,{script}",
            *(str(o) for o in objects),
            "-o",
            str(elf),
        ),
        300,
    )
    return elf


def _linker_script(board: Board) -> str:
    import jinja2

    template = jinja2.Template(
        (FIRMWARE / "board.ld.j2").read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined
    )
    return template.render(
        machine=board.machine,
        code_origin=hex(board.code[0]),
        code_bytes=board.code[1],
        ram_origin=hex(board.ram[0]),
        ram_bytes=board.ram[1],
        stack_bytes=_STACK_BYTES,
    )


def emulate(board: Board, elf: Path, folder: Path, timeout_s: float = 600) -> None:
    """Run a program until it exits; its files are those of `folder`.

    Every instruction takes 64 ns of the board's time, so its timers count instructions.
    """
    _run(
        (
            EMULATOR,
            *("-M", board.machine, "-nographic", "-monitor", "none", "-serial", "none"),
            *("-semihosting", "-icount", "shift=6", "-kernel", str(elf)),
        ),
        timeout_s,
        folder,
    )


def section_bytes(elf: Path) -> dict[str, int]:
    """Sizes of the sections of a program, by name."""
    listing = _run(("arm-none-eabi-size", "-A", str(elf)), 60)
    rows = [line.split() for line in listing.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[0].startswith(".")}


def versions() -> dict[str, str]:
    """The first line that each tool says of its version."""
    tools = (COMPILER, EMULATOR)
    return {tool: _run((tool, "--version"), 60).splitlines()[0] for tool in tools}
