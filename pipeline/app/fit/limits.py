"""What a model may take on a target, from the options of `hintlite fit`; and what it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hintlite.deploy.boards import Board, BoardError, find_board, load_boards
from hintlite.deploy.mcu.arena import ArenaEstimate, estimate_arena
from hintlite.deploy.mcu.kernel_memory import KERNELS
from hintlite.deploy.tflite.graph import Model
from hintlite.deploy.tflite.inspect import count_file_parameters
from hintlite.deploy.tflite.macs import count_operator_macs
from hintlite.errors import WRONG_USE, HintliteError

UNITS = {
    **dict.fromkeys(("", "b"), 1),
    **dict.fromkeys(("k", "kb", "kib"), 1024),
    **dict.fromkeys(("m", "mb", "mib"), 1024**2),
}
COUNTS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([a-z]*)")
STACK_BYTES = 2048
STACK_SOURCE = (
    "of stack, of which TensorFlow Lite Micro takes 1,700 to 1,800 bytes on Cortex-M4 and M55 "
    "(docs/results/cortex_m.json), rounded up; --runtime_ram sets it"
)
NO_CODE = (
    "the model file alone; --runtime_flash adds the code of runtime and application (TFLM with "
    "CMSIS-NN and its default registration: 80,900 to 94,500 bytes, docs/results/cortex_m.json)"
)


ARENA_SOURCE = (
    "TensorFlow Lite Micro's allocations gone through for a 32-bit target (deploy/mcu/arena.py), "
    "the larger of TFLM's own kernels and CMSIS-NN's"
)


class LimitError(HintliteError):
    """An option that cannot be understood, or a missing one."""

    exit_code = WRONG_USE


@dataclass(frozen=True)
class Limits:
    """How much there is, None for what is not limited; and what the runtime takes of it.

    Args:
        flash_bytes: for code and constants.
        ram_bytes: for all data.
        block_bytes: the largest arena, where the RAM is in several places.
        macs: multiply-accumulates an inference.
        runtime_flash: bytes of code to count beside the model.
        runtime_ram: bytes of stack and the like to count beside the arena.
        board: where the figures come from, if a board was named.
    """

    flash_bytes: int | None = None
    ram_bytes: int | None = None
    block_bytes: int | None = None
    macs: int | None = None
    runtime_flash: int = 0
    runtime_ram: int = STACK_BYTES
    board: Board | None = None


@dataclass(frozen=True)
class Costs:
    """What a model takes.

    Args:
        flash_bytes: the file, and the runtime's code as far as it is counted.
        arena_bytes: TFLM's arena on a 32-bit target, estimated.
        ram_bytes: the arena, and the runtime's stack.
        macs: multiply-accumulates an inference.
        parameters: weights and biases in the file.
        kernels: whose scratch memory is in the arena, one of `kernel_memory.KERNELS`.
    """

    flash_bytes: int
    arena_bytes: int
    ram_bytes: int
    macs: int
    parameters: int
    kernels: str = KERNELS[0]


def read_limits(options: Mapping[str, Any]) -> Limits:
    """The limits that the options name; single ones go before the board's.

    Raises:
        LimitError: no limit, an amount that cannot be read, an unknown board; the text says what
            to write.
    """
    board = _board(options)
    flash, ram = (_bytes(options, name) for name in ("flash", "ram"))
    limits = Limits(
        flash_bytes=board.flash_bytes if board and flash is None else flash,
        ram_bytes=board.ram_bytes if board and ram is None else ram,
        block_bytes=board.largest_block_bytes if board and ram is None else None,
        macs=amount("--macs", options["macs"], COUNTS) if options["macs"] else None,
        runtime_flash=_bytes(options, "runtime_flash") or 0,
        runtime_ram=STACK_BYTES if options["runtime_ram"] is None else _own_stack(options),
        board=board,
    )
    if limits.flash_bytes is limits.ram_bytes is limits.macs is None:
        raise LimitError(
            "nothing to fit into: give --board NAME, or --flash, --ram or --macs "
            "(--flash 256k --ram 64k --macs 5M)"
        )
    return limits


def _board(options: Mapping[str, Any]) -> Board | None:
    if options["board"] is None:
        if options["boards"]:
            raise LimitError("--boards FILE adds boards: name one of them with --board")
        return None
    try:
        extra = Path(options["boards"]) if options["boards"] else None
        return find_board(options["board"], load_boards(extra))
    except BoardError as error:
        raise LimitError(str(error)) from error


def _bytes(options: Mapping[str, Any], name: str) -> int | None:
    given = options[name]
    return None if given is None else amount(f"--{name}", given, UNITS)


def _own_stack(options: Mapping[str, Any]) -> int:
    return _bytes(options, "runtime_ram") or 0


def amount(option: str, text: str, units: Mapping[str, int]) -> int:
    """A number with a unit: "256k" is 262,144 bytes, "5M" MACs are 5,000,000.

    Args:
        option: for the message.
        text: what was given.
        units: UNITS for bytes, COUNTS for counts.

    Raises:
        LimitError: it is none.
    """
    found = _AMOUNT.fullmatch(str(text).strip().lower())
    if found is None or found[2] not in units:
        known = ", ".join(f"{unit} = {size:,}" for unit, size in units.items() if size > 1)
        raise LimitError(f"{option} must be a number with or without unit ({known}), got {text!r}")
    return int(float(found[1]) * units[found[2]])


def largest_arena(model: Model) -> tuple[str, ArenaEstimate]:
    """The arena to reserve on a 32-bit target, and the kernels that need that much.

    Raises:
        ModelError: its memory cannot be planned.
    """
    arenas = {kernels: estimate_arena(model, kernels) for kernels in KERNELS}
    return max(arenas.items(), key=lambda each: each[1].arena_bytes)


def arena_bytes(model: Model) -> int:
    """The arena to reserve on a 32-bit target, whichever kernels it is built with.

    Raises:
        ModelError: its memory cannot be planned.
    """
    return largest_arena(model)[1].arena_bytes


def costs_of(model: Model, file_bytes: int, limits: Limits) -> Costs:
    """What a model takes with the runtime that the limits name.

    Raises:
        ModelError: its memory cannot be planned.
    """
    kernels, estimate = largest_arena(model)
    arena = estimate.arena_bytes
    return Costs(
        flash_bytes=file_bytes + limits.runtime_flash,
        arena_bytes=arena,
        ram_bytes=arena + limits.runtime_ram,
        macs=sum(count_operator_macs(model.main, each) for each in model.main.operators),
        parameters=count_file_parameters(model),
        kernels=kernels,
    )


def excess(costs: Costs, limits: Limits) -> dict[str, int]:
    """What is too much, by how much; empty where it fits."""
    pairs = {
        "flash": (costs.flash_bytes, limits.flash_bytes),
        "RAM": (costs.ram_bytes, limits.ram_bytes),
        "arena in one block of RAM": (costs.arena_bytes, limits.block_bytes),
        "MACs": (costs.macs, limits.macs),
    }
    return {
        name: taken - most
        for name, (taken, most) in pairs.items()
        if most is not None and taken > most
    }
