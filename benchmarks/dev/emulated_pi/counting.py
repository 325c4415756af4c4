"""Instructions per inference on an emulated core: builds the plugin, runs, takes differences."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hintlite.benchmarks.dev.emulated_pi.device import EmulatedPi
from hintlite.benchmarks.dev.emulated_pi.userland import INSTALL, UserlandError

SOURCE = Path(__file__).with_name("count.c")
LOOP = Path(__file__).with_name("infer.py")
FLAGS = ("-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-shared", "-fPIC")
GETPPID = 173  # on 64-bit Arm: include/uapi/asm-generic/unistd.h of Linux
LIMIT_S = 1800
# One thread, and nothing that differs from process to process for no reason.
VARIABLES = {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}


@dataclass(frozen=True)
class Count:
    """Instructions of one inference, simulated.

    Args:
        model: file name.
        sha256: of the file.
        version: of ai-edge-litert.
        kernels: "xnnpack" or "reference".
        delegate_applied: whether a delegate really ran operators.
        instructions: the median of the repeats.
        least, most: of the repeats.
    """

    model: str
    sha256: str
    version: str
    kernels: str
    delegate_applied: bool
    instructions: float
    least: float
    most: float

    @property
    def spread_percent(self) -> float:
        """Most less least, in percent of the median."""
        return 100 * (self.most - self.least) / self.instructions


def missing_tools() -> list[str]:
    """Programs that counting needs and that are not there."""
    return [program for program in ("gcc", "qemu-aarch64") if shutil.which(program) is None]


def build_plugin(folder: Path) -> Path:
    """The plugin, built with gcc.

    Raises:
        UserlandError: a tool is missing, or gcc failed.
    """
    if missing := missing_tools():
        raise UserlandError(f"missing: {', '.join(missing)}; {INSTALL} gcc")
    plugin = folder / "count.so"
    _run(["gcc", *FLAGS, str(SOURCE), "-o", str(plugin)], dict(os.environ))
    return plugin


def per_inference(marks: Sequence[int], few: int, many: int) -> list[float]:
    """Instructions per inference of each repeat.

    Args:
        marks: the counts before `few` inferences, between them and `many`, and after: three a
            repeat. What a mark itself and the way to the first inference cost is in both
            differences and so in neither result.
        few: inferences.
        many: more inferences.
    """
    repeats = [marks[start : start + 3] for start in range(0, len(marks), 3)]
    return [((end - middle) - (middle - begin)) / (many - few) for begin, middle, end in repeats]


def count(
    pi: EmulatedPi,
    subjects: Sequence[tuple[Path, str]],
    few: int = 10,
    many: int = 60,
    repeats: int = 5,
) -> list[Count]:
    """Counts for models and kernel sets, all in one process on the emulated core.

    Args:
        pi: with 64 bits and ai-edge-litert.
        subjects: model files, each with "xnnpack" or "reference".
        few, many: inferences, whose difference is taken.
        repeats: of both.

    Raises:
        UserlandError: a tool is missing, or the emulated program failed.
    """
    with tempfile.TemporaryDirectory(prefix="hintlite-count-") as name:
        out = Path(name) / "counts"
        plugin = f"{build_plugin(Path(name))},mark={GETPPID},out={out}"
        words = [*pi.words(static=False, plugin=plugin), str(LOOP)]
        words += [str(number) for number in (few, many, repeats)]
        words += [word for path, kernels in subjects for word in (str(path), kernels)]
        told = json.loads(_run(words, {**os.environ, **VARIABLES, **pi.variables()}))
        marks = [int(line) for line in out.read_text().split()]
    if len(marks) != 3 * repeats * len(subjects):
        raise UserlandError(f"expected {3 * repeats * len(subjects)} marks, got {len(marks)}")
    size = 3 * repeats
    return [
        _count(path, entry, per_inference(marks[number * size :][:size], few, many))
        for number, ((path, _), entry) in enumerate(zip(subjects, told, strict=True))
    ]


def _count(path: Path, told: dict[str, Any], values: list[float]) -> Count:
    return Count(
        model=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        version=told["version"],
        kernels=told["kernels"],
        delegate_applied=told["delegate_applied"],
        instructions=statistics.median(values),
        least=min(values),
        most=max(values),
    )


def _run(words: Sequence[str], variables: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            words, env=variables, capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired as error:
        raise UserlandError(f"{words[0]} took longer than {LIMIT_S} s") from error
    if done.returncode:
        raise UserlandError(f"{words[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout
