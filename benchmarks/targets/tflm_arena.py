"""The arena that TensorFlow Lite Micro's own interpreter takes for a model, on this host.

Figures belong to the x86-64 build of the package tflite-micro: pointers there are twice as wide as
on a microcontroller, so a 32-bit target's arena is smaller.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from hintlite.benchmarks.targets.base import BenchmarkError
from hintlite.deploy.interpret.worker import Worker
from hintlite.deploy.tflite.graph import ModelError

LARGEST = 1 << 26
ALIGNMENT = 16


@dataclass(frozen=True)
class ArenaRecord:
    """What the recording interpreter says of its own allocations, in bytes.

    Args:
        total: both parts.
        non_persistent: activations and scratch buffers (the arena's head).
        persistent: all that stays (its tail).
        tensors: TfLiteEvalTensor structures.
        nodes: NodeAndRegistration structures.
        kernels: persistent buffers of kernels, lists of inputs and outputs included.
        ends: TfLiteTensor structures of inputs and outputs, and their quantization.
    """

    total: int
    non_persistent: int
    persistent: int
    tensors: int
    nodes: int
    kernels: int
    ends: int


_FIELDS = {
    "total": r"Arena allocation total (\d+)",
    "non_persistent": r"Arena allocation head (\d+)",
    "persistent": r"Arena allocation tail (\d+)",
    "tensors": r"'TfLiteEvalTensor data' used (\d+)",
    "nodes": r"'NodeAndRegistration struct' used (\d+)",
    "kernels": r"'Persistent buffer data' used (\d+)",
    "ends": r"'Persistent TfLiteTensor (?:quantization )?data' used (\d+)",
}


def parse_record(text: str) -> ArenaRecord:
    """The figures of `print_allocations`.

    Raises:
        BenchmarkError: a total is missing; the text is of another version.
    """
    found = {name: sum(map(int, re.findall(field, text))) for name, field in _FIELDS.items()}
    if not found["total"] or found["non_persistent"] + found["persistent"] != found["total"]:
        raise BenchmarkError(
            "tflite-micro printed no allocation record of the known form: install the version that "
            f"setup.cfg names (got {text[:200]!r})"
        )
    return ArenaRecord(**found)


def smallest_arena(model: Path) -> int | None:
    """Bytes of the smallest arena that holds the model; None if that cannot be found out here.

    The interpreter runs in a process of its own: a damaged model may end it.

    Args:
        model: a full-INT8 .tflite file.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        return None
    try:
        with Worker() as worker:
            return bisect(worker, model.read_bytes())
    except (BenchmarkError, ModelError):
        return None


def bisect(worker: Worker, model: bytes) -> int:
    """Smallest arena by bisection, in bytes, to the interpreter's alignment.

    Raises:
        BenchmarkError: the interpreter cannot run the model in any arena.
    """
    low, high = 0, LARGEST // ALIGNMENT
    if not worker.fits(model, LARGEST):
        raise BenchmarkError(
            f"TensorFlow Lite Micro cannot run this model in {LARGEST:,} bytes of arena"
        )
    while low + 1 < high:
        middle = (low + high) // 2
        fits = worker.fits(model, middle * ALIGNMENT)
        low, high = (low, middle) if fits else (middle, high)
    return high * ALIGNMENT
