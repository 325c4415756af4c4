"""TensorFlow Lite Micro's real interpreter on this host: every operator's agreement, the arena.

Simulated: what runs is TFLM's own code, but an x86-64 build of it. Its arena holds pointers of 8
bytes; what a 32-bit target takes is *estimated* by `hintlite.deploy.mcu.arena`, whose model of the
interpreter's allocations is checked here against what the interpreter records.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from hintlite.benchmarks.targets.base import (
    BenchmarkError,
    BenchmarkRequest,
    BenchmarkResult,
    require_model,
)
from hintlite.benchmarks.targets.tflm_arena import LARGEST, ArenaRecord, bisect, parse_record
from hintlite.benchmarks.targets.tflm_operators import compare_operators, end_agreement, verdict
from hintlite.benchmarks.targets.tflm_samples import TflmSamples, load_samples
from hintlite.deploy.bundle.manifest import BundleError, choices, read_manifest
from hintlite.deploy.interpret.worker import Worker
from hintlite.deploy.mcu.arena import ArenaEstimate, cmsis_nn_arena, estimate_arena
from hintlite.deploy.mcu.structures import HOST
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.full_integer import full_int8_faults
from hintlite.deploy.tflite.graph import Model, ModelError
from hintlite.deploy.tflite.kernel_limits import check_scales

PACKAGE = "tflite-micro"
METHOD = (
    "every allocation of TFLM's interpreter gone through in its order with the sizes that its "
    "structures have where a pointer takes 4 bytes; activations and scratch buffers placed as its "
    "GreedyMemoryPlanner places them; scratch buffers of CMSIS-NN by its *_get_buffer_size "
    "functions, the larger of the DSP and the MVE variant; what the host's record shows beyond "
    "the same computation for the host is added"
)
_SHOWN_FAULTS = 3


class TflmTarget:
    """Runs a bundle's int8 model, or a full-INT8 .tflite file, in the package tflite-micro.

    Args:
        samples: how many of the bundle's samples to run.
    """

    name = "tflm"

    def __init__(self, samples: int = 8) -> None:
        if samples < 1:
            raise BenchmarkError(f"samples must be 1 or more, got {samples}")
        self._samples = samples

    def prepare(self, bundle: Path) -> Path:
        """Checks that there are a model and the package.

        Returns:
            The path, absolute.

        Raises:
            BenchmarkError: one of them is missing; the text has the command to install it.
        """
        require_model(bundle)
        if importlib.util.find_spec("tflite_micro") is None:
            raise BenchmarkError(
                f"the target tflm needs the package {PACKAGE} (x86-64 Linux only): "
                f"{sys.executable} -m pip install {PACKAGE}"
            )
        return bundle.resolve()

    def run(self, bundle: Path, request: BenchmarkRequest) -> BenchmarkResult:
        """Compares the operators and finds the arena.

        Raises:
            BenchmarkError: the model is not full INT8, or TFLM cannot run it.
        """
        bundle = self.prepare(bundle)
        try:
            path = _model_path(bundle, request.model)
            model = read_int8(path)
            samples = load_samples(bundle, path.name, model, self._samples)
            with Worker(request.timeout_s) as worker:
                operators, outputs = compare_operators(
                    worker, model, samples.inputs, samples.answer
                )
                arena = _arena(worker, model)
        except (ModelError, BundleError) as error:
            raise BenchmarkError(f"{self.name}: {error}") from error
        return BenchmarkResult(
            kind="simulated",
            target=self.name,
            model_sha256=hashlib.sha256(model.content).hexdigest(),
            verdict=verdict(operators),
            memory_bytes=arena["tflm_arena_bytes_x86_64"],
            accuracy=_accuracy(samples, outputs),
            raw={
                "unit": "bytes of arena on this x86-64 host, and estimated for a 32-bit target",
                **arena,
                "operators": operators,
                "agreement": end_agreement(operators, model, len(samples.inputs[0])),
                "tools": {name: metadata.version(name) for name in (PACKAGE, "ai-edge-litert")},
            },
        )


def read_int8(path: Path) -> Model:
    """A model that is full INT8 and that no kernel aborts on for its scales alone.

    Raises:
        ModelError: it is not; the text names the operators.
    """
    model = read_model(path)
    faults = full_int8_faults(model)
    if faults:
        shown = " ".join(str(fault) for fault in faults[:_SHOWN_FAULTS])
        more = f" And {len(faults) - _SHOWN_FAULTS} more." if len(faults) > _SHOWN_FAULTS else ""
        raise ModelError(f"{path} is not full INT8: {shown}{more}")
    check_scales(model.main)
    return model


def _model_path(bundle: Path, name: str | None) -> Path:
    """The asked model's file, or the bundle's int8 model."""
    if bundle.is_file():
        return bundle
    models = read_manifest(bundle)["models"]
    int8 = [file for file, entry in models.items() if entry.get("precision") == "int8"]
    chosen = name or (int8[0] if len(int8) == 1 else None)
    if chosen is None or chosen not in models:
        raise BenchmarkError(f"{bundle} holds {', '.join(models)}: name one int8 model of these")
    return bundle / chosen


def _arena(worker: Worker, model: Model) -> dict[str, Any]:
    """Measured on the host, split, and estimated for the target."""
    smallest = bisect(worker, model.content)
    record = parse_record(worker.record(model.content, LARGEST))
    host = estimate_arena(model, build=HOST)
    beyond = {
        "persistent": max(record.persistent - host.tail_bytes, 0),
        "non_persistent": max(record.non_persistent - host.non_persistent_bytes, 0),
    }
    reference = _estimate(estimate_arena(model), sum(beyond.values()))
    return {
        "tflm_arena_bytes_x86_64": smallest,
        "record": asdict(record),
        "host_model": _estimate(host, 0),
        "unexplained_bytes": beyond,
        "overhead_64_bit": _overhead(record, reference, smallest),
        "estimate": {
            "kind": "estimated",
            "method": METHOD,
            "reference": reference,
            "cmsis_nn": _estimate(cmsis_nn_arena(model), sum(beyond.values())),
        },
    }


def _estimate(found: ArenaEstimate, beyond: int) -> dict[str, Any]:
    extra = -(-beyond // 16) * 16
    return {
        "arena_bytes": found.arena_bytes + extra,
        "non_persistent_bytes": found.non_persistent_bytes,
        "persistent_bytes": found.tail_bytes + extra,
        "persistent_by_category": dict(found.persistent_bytes),
        "preparing_bytes": found.preparing_bytes,
        "scratch_bytes": found.scratch_bytes,
        "assumed_operators": list(found.assumed),
    }


def _overhead(record: ArenaRecord, target: dict[str, Any], smallest: int) -> dict[str, int]:
    """What the host's arena has more than a 32-bit target's, by what it is for."""
    categories = target["persistent_by_category"]
    named = {name: getattr(record, name) - categories[name] for name in ("tensors", "nodes")}
    named |= {name: getattr(record, name) - categories[name] for name in ("kernels", "ends")}
    total = smallest - target["arena_bytes"]
    # The interpreter's own objects; the package's keep a record of allocations beside.
    return {"total": total, **named, "interpreter_and_rounding": total - sum(named.values())}


def _accuracy(samples: TflmSamples, outputs: Any) -> dict[str, int] | None:
    if samples.labels is None:
        return None
    right = int((choices(outputs, samples.limit) == samples.labels).sum())
    return {"correct": right, "total": len(samples.labels)}
