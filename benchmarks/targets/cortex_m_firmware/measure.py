"""Build the measuring programs for a network, run them, and read what they counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hintlite.benchmarks.targets.cortex_m_firmware import toolchain
from hintlite.benchmarks.targets.cortex_m_firmware.toolchain import FIRMWARE, Board
from hintlite.deploy.c_export.emit import Network
from hintlite.deploy.c_export.export import lower_network, write_sources

Int8Array = npt.NDArray[np.int8]

_SPIN_INSTRUCTIONS = 200_000  # between the two spins of measure.c
_OVERFLOW_TICKS = 1 << 24
_OVERFLOW_INSTRUCTIONS = 5


@dataclass(frozen=True)
class Footprint:
    """Bytes of the smallest program that runs the network; the caller's buffers not counted."""

    code_bytes: int
    weight_bytes: int
    ram_bytes: int
    arena_bytes: int


@dataclass(frozen=True)
class Measurement:
    """What one emulated core did.

    Args:
        instructions: of one invoke, for each sample.
        layers: (operator, instructions) in order, for the first sample.
        outputs: int8 `[samples, output bytes]`.
        stack_bytes: the most stack that an invoke used, its own frame included.
        footprint: code and memory.
    """

    instructions: tuple[int, ...]
    layers: tuple[tuple[str, int], ...]
    outputs: Int8Array
    stack_bytes: int
    footprint: Footprint


def measure(
    model: bytes | Path, inputs: Int8Array, board: Board, folder: Path, timeout_s: float = 600
) -> Measurement:
    """Export a model, build it for a board and run it there.

    Args:
        model: a full-INT8 .tflite.
        inputs: int8 `[samples, ...]`, in the model's own numbers.
        board: where to run.
        folder: an empty folder for the build.
        timeout_s: of each run in the emulator.

    Returns:
        Counts, outputs and sizes.

    Raises:
        ToolchainError: a tool is missing or failed.
        ExportError: the model cannot become C.
    """
    toolchain.check_tools()
    network = lower_network(model, "network")
    _prepare(network, inputs, folder)
    kernels, common = _compile(network, board, folder)
    footprint = _footprint(network, board, [*common, *kernels], folder)
    counts, outputs = _run(board, [*common, *kernels], folder, inputs.shape[0], timeout_s)
    header, marks = _parse(counts, 2)
    _retrace(board, folder)
    traced, _ = _run(board, [*common, *kernels], folder, 1, timeout_s)
    traced_header, layer_marks = _parse(traced, 2 + len(network.steps))
    layer_counts = _instructions(traced_header, layer_marks)[0]
    names = (step.operator.name for step in network.steps)
    return Measurement(
        instructions=tuple(int(row[0]) for row in _instructions(header, marks)),
        layers=tuple(zip(names, (int(n) for n in layer_counts), strict=False)),
        outputs=np.frombuffer(outputs, np.int8).reshape(inputs.shape[0], -1),
        stack_bytes=int(header[3]),
        footprint=footprint,
    )


def _prepare(network: Network, inputs: Int8Array, folder: Path) -> None:
    write_sources(network, folder)
    (folder / "input.bin").write_bytes(inputs.tobytes())
    (folder / "network_under_test.h").write_text(
        '#include "network.h"\n'
        f"#define NETWORK_LAYERS {len(network.steps)}\n"
        f"#ifndef NETWORK_SAMPLES\n#define NETWORK_SAMPLES {inputs.shape[0]}U\n#endif\n",
        encoding="utf-8",
    )


def _compile(network: Network, board: Board, folder: Path) -> tuple[list[Path], list[Path]]:
    """Objects of the network and its kernels, and of the start-up code."""
    calls = [call for step in network.steps for call in step.calls]
    names = ["network.c", "network_weights.c", *sorted({call.source for call in calls})]
    kernels = toolchain.compile_objects(board, [folder / name for name in names], folder)
    return kernels, toolchain.compile_objects(board, [FIRMWARE / "startup.c"], folder)


def _footprint(network: Network, board: Board, objects: list[Path], folder: Path) -> Footprint:
    bare = toolchain.compile_objects(board, [FIRMWARE / "bare.c"], folder)
    sections = toolchain.section_bytes(toolchain.link(board, [*bare, *objects], folder, "bare"))
    code = sum(sections.get(s, 0) for s in (".vectors", ".text", ".rodata", ".ARM.exidx"))
    return Footprint(
        code_bytes=code,
        weight_bytes=sections.get(".weights", 0),
        ram_bytes=sections.get(".data", 0) + sections.get(".bss", 0),
        arena_bytes=network.plan.arena_bytes,
    )


def _run(
    board: Board, objects: list[Path], folder: Path, samples: int, timeout_s: float
) -> tuple[bytes, bytes]:
    extra = (f"-DNETWORK_SAMPLES={samples}U",)
    sources = [FIRMWARE / "measure.c", FIRMWARE / "host.c"]
    own = toolchain.compile_objects(board, sources, folder, extra)
    elf = toolchain.link(board, [*own, *objects], folder, "measure")
    toolchain.emulate(board, elf, folder, timeout_s)
    return (folder / "counts.bin").read_bytes(), (folder / "output.bin").read_bytes()


def _retrace(board: Board, folder: Path) -> None:
    """Compile the network once more, so that it marks the end of each layer."""
    extra = ("-include", str(FIRMWARE / "trace.h"))
    toolchain.compile_objects(board, [folder / "network.c"], folder, extra)


def _parse(counts: bytes, marks: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]:
    """(header of four numbers, marks `[samples, marks]`)."""
    header = np.frombuffer(counts[:16], "<u4")
    return header, np.frombuffer(counts[16:], "<u8").reshape(-1, marks)


def _instructions(
    header: npt.NDArray[np.uint32], marks: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """Instructions between neighbouring marks, the marking itself taken off.

    The ticks of one instruction come from two spins of known length on the same board.
    """
    per_instruction = (int(header[1]) - int(header[0])) / _SPIN_INSTRUCTIONS
    overflows = (marks >> np.uint64(32)).astype(np.int64)
    ticks = overflows * _OVERFLOW_TICKS + (marks & np.uint64(0xFFFFFFFF)).astype(np.int64)
    between = np.diff(ticks, axis=1) - int(header[2])
    counted: npt.NDArray[np.int64] = np.rint(between / per_instruction).astype(np.int64)
    return counted - np.diff(overflows, axis=1) * _OVERFLOW_INSTRUCTIONS
