"""An emulated Cortex-M that runs the network as plain C: instructions, code, memory, agreement.

Nothing here is a time. QEMU counts instructions exactly and models no pipeline, cache or flash wait
state; what a stated range of cycles per instruction would make of a count is an *estimate* and
labelled so.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hintlite.benchmarks.targets.base import (
    BenchmarkError,
    BenchmarkRequest,
    BenchmarkResult,
    require_model,
)
from hintlite.benchmarks.targets.cortex_m_firmware import toolchain
from hintlite.benchmarks.targets.cortex_m_firmware.measure import Int8Array, Measurement, measure
from hintlite.benchmarks.targets.cortex_m_firmware.toolchain import ToolchainError
from hintlite.deploy.bundle.manifest import BundleError, choices, read_manifest
from hintlite.deploy.bundle.samples import read_samples
from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.read import read_model
from hintlite.deploy.tflite.graph import Graph

CORES = tuple(toolchain.BOARDS)
# LiteRT's reference kernels, which made a bundle's expected outputs, and TFLM, whose arithmetic the
# C code has, round FULLY_CONNECTED differently: measured up to 3 steps and 0.04 on average on small
# networks. A wrong kernel is off by tens of steps.
_USUAL_MOST_STEPS, _USUAL_MEAN_STEPS = 8, 0.25


@dataclass(frozen=True)
class _Samples:
    """Inputs in the model's numbers, and what a bundle knows of their outputs."""

    inputs: Int8Array
    expected: Int8Array | None
    labels: npt.NDArray[np.int64] | None
    limit: float | None = None  # see hintlite.deploy.bundle.manifest.choices


class CortexMTarget:
    """Cross-compiles a bundle's int8 model and runs it in qemu-system-arm.

    Args:
        core: one of CORES; a Cortex-M0 is compiled for Armv6-M and run on an M3.
        samples: how many of the bundle's samples to run.
        clock_hz: with `cycles_per_instruction`, adds an estimate of the latency to `raw`.
        cycles_per_instruction: (least, most) that the core is believed to need on average.
    """

    def __init__(
        self,
        core: str,
        samples: int = 16,
        clock_hz: float | None = None,
        cycles_per_instruction: tuple[float, float] | None = None,
    ) -> None:
        if core not in toolchain.BOARDS:
            raise BenchmarkError(f"core must be one of {', '.join(CORES)}, got {core!r}")
        if samples < 1:
            raise BenchmarkError(f"samples must be 1 or more, got {samples}")
        if (clock_hz is None) != (cycles_per_instruction is None):
            raise BenchmarkError("an estimate needs both clock_hz and cycles_per_instruction")
        self.name = core
        self._samples = samples
        self._clock_hz = clock_hz
        self._cycles = cycles_per_instruction

    def prepare(self, bundle: Path) -> Path:
        """Checks that there are a model and the tools.

        Returns:
            The path, absolute.

        Raises:
            BenchmarkError: something is missing; the text has the command to install it.
        """
        require_model(bundle)
        try:
            toolchain.check_tools()
        except ToolchainError as error:
            raise BenchmarkError(str(error)) from error
        return bundle.resolve()

    def run(self, bundle: Path, request: BenchmarkRequest) -> BenchmarkResult:
        """Counts instructions of one model on the bundled samples.

        Raises:
            BenchmarkError: the model cannot become C, does not fit the board, or did not end.
        """
        bundle = self.prepare(bundle)
        try:
            path = _model_path(bundle, request.model)
            samples = self._load(bundle, path)
            with tempfile.TemporaryDirectory(prefix="hintlite-") as folder:
                board = toolchain.BOARDS[self.name]
                found = measure(path, samples.inputs, board, Path(folder), request.timeout_s)
        except (ToolchainError, ExportError, BundleError) as error:
            raise BenchmarkError(f"{self.name}: {error}") from error
        return self._result(path, samples, found)

    def _load(self, bundle: Path, model: Path) -> _Samples:
        graph = read_model(model)
        if bundle.is_file():
            return _random_samples(graph, self._samples)
        return _bundled_samples(bundle, model.name, graph, self._samples)

    def _result(self, path: Path, samples: _Samples, found: Measurement) -> BenchmarkResult:
        agreement = _agreement(samples, found)
        return BenchmarkResult(
            kind="simulated",
            target=self.name,
            model_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            verdict=_verdict(agreement),
            memory_bytes=found.footprint.ram_bytes + found.stack_bytes,
            accuracy=_accuracy(samples, found),
            raw=self._raw(found) | {"agreement": agreement} | self._estimate(found),
        )

    def _raw(self, found: Measurement) -> dict[str, Any]:
        footprint = found.footprint
        return {
            "unit": "instructions, counted by QEMU; not cycles and not time",
            "instructions_per_inference": found.instructions[0],
            "instructions": list(found.instructions),
            "layers": [
                {"index": i, "operator": operator, "instructions": count}
                for i, (operator, count) in enumerate(found.layers)
            ],
            "code_bytes": footprint.code_bytes,
            "weight_bytes": footprint.weight_bytes,
            "ram_bytes": footprint.ram_bytes,
            "arena_bytes": footprint.arena_bytes,
            "stack_bytes": found.stack_bytes,
            "machine": toolchain.BOARDS[self.name].machine,
            "flags": [*toolchain.BOARDS[self.name].flags, *toolchain.OPTIMIZATION],
            "tools": toolchain.versions(),
        }

    def _estimate(self, found: Measurement) -> dict[str, Any]:
        """What the stated cycles per instruction make of the count; empty if none were stated."""
        if self._clock_hz is None or self._cycles is None:
            return {}
        low, high = (found.instructions[0] * c / self._clock_hz * 1e6 for c in self._cycles)
        return {
            "estimated_latency_us": {
                "low": low,
                "high": high,
                "clock_hz": self._clock_hz,
                "cycles_per_instruction": list(self._cycles),
            }
        }


def _model_path(bundle: Path, name: str | None) -> Path:
    """The asked model's file, or the bundle's int8 model."""
    if bundle.is_file():
        if name not in (None, bundle.name):
            raise BenchmarkError(f"{bundle} is a single model, it holds no {name}")
        return bundle
    models = read_manifest(bundle)["models"]
    if name is None:
        int8 = [file for file, entry in models.items() if entry.get("precision") == "int8"]
        if len(int8) != 1:
            raise BenchmarkError(f"expected one int8 model in {bundle}, found {int8}: name one")
        return bundle / int8[0]
    if name not in models:
        raise BenchmarkError(f"{bundle} holds no {name}: it has {', '.join(models)}")
    return bundle / name


def _random_samples(graph: Graph, count: int) -> _Samples:
    """Seeded inputs for a model that comes without any."""
    shape = (count, graph.tensors[graph.inputs[0]].elements)
    values = np.random.default_rng(0).integers(-128, 128, shape, dtype=np.int8)
    return _Samples(values, None, None)


def _bundled_samples(bundle: Path, model: str, graph: Graph, count: int) -> _Samples:
    """The first samples, normalized and quantized as the device's program would."""
    manifest = read_manifest(bundle)
    found = read_samples(bundle, manifest, model, count)
    (values,) = found.stored(graph)
    expected = None if found.expected is None else found.expected[0]
    return _Samples(values.reshape(len(values), -1), expected, found.labels, found.limit)


def _agreement(samples: _Samples, found: Measurement) -> dict[str, Any] | None:
    """How far the outputs are from the bundle's, in steps; None if it has none."""
    if samples.expected is None:
        return None
    expected = samples.expected.reshape(len(samples.expected), -1).astype(np.int32)
    limit = samples.limit
    steps = np.abs(found.outputs.astype(np.int32) - expected)
    return {
        "outputs": int(steps.size),
        "equal": int((steps == 0).sum()),
        "largest_difference_steps": int(steps.max()),
        "mean_difference_steps": float(steps.mean()),
        "same_class": None
        if samples.labels is None
        else int(np.sum(choices(found.outputs, limit) == choices(expected, limit))),
        "samples": len(expected),
    }


def _verdict(agreement: dict[str, Any] | None) -> dict[str, Any]:
    """Valid if outputs are the bundle's, but for roundings."""
    if agreement is None:
        return {"state": "valid", "reasons": []}
    most, mean = agreement["largest_difference_steps"], agreement["mean_difference_steps"]
    if most <= _USUAL_MOST_STEPS and mean <= _USUAL_MEAN_STEPS:
        return {"state": "valid", "reasons": []}
    reason = {
        "state": "invalid",
        "code": "outputs_differ",
        "what": f"outputs differ from the bundle's by up to {most} steps, {mean:.2f} on average",
        "why": "the C code, the compiler or the bundle is not what it should be",
        "cure": "check the bundle, then compile with another version of the compiler",
    }
    return {"state": "invalid", "reasons": [reason]}


def _accuracy(samples: _Samples, found: Measurement) -> dict[str, int] | None:
    if samples.labels is None:
        return None
    right = int((choices(found.outputs, samples.limit) == samples.labels).sum())
    return {"correct": right, "total": len(samples.labels)}
