"""The arena that TensorFlow Lite Micro's own interpreter takes for a model, on this host.

The figure belongs to the x86-64 build of the package tflite-micro: pointers there are twice as wide
as on a microcontroller, so a 32-bit target's arena is smaller.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

LARGEST = 1 << 26
ALIGNMENT = 16
LIMIT_S = 120.0


def smallest_arena(model: Path) -> int | None:
    """Bytes of the smallest arena that holds the model; None if that cannot be found out here.

    The interpreter runs in a process of its own: a damaged model may end it.

    Args:
        model: a full-INT8 .tflite file.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        return None
    command = [sys.executable, "-m", "benchmarks.targets.tflm_arena", str(model.resolve())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT_S)
        return int(done.stdout.split()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError):
        return None


def bisect(model: bytes) -> int:
    """Smallest arena by bisection, in bytes, to the interpreter's alignment.

    Raises:
        RuntimeError: the interpreter cannot run the model in any arena.
    """
    low, high = 0, LARGEST // ALIGNMENT
    if not _fits(model, LARGEST):
        raise RuntimeError("the interpreter does not take this model")
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _fits(model, middle * ALIGNMENT) else (middle, high)
    return high * ALIGNMENT


def _fits(model: bytes, arena_bytes: int) -> bool:
    from tflite_micro import runtime

    try:
        interpreter = runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)
        interpreter.invoke()
    except RuntimeError:
        return False
    return True


if __name__ == "__main__":
    print(bisect(Path(sys.argv[1]).read_bytes()))
