"""What emulated microcontrollers answered of the bundled student: simulated, never measured."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hintlite.pipeline.report.facts.choice import MANIFEST
from hintlite.pipeline.report.facts.devices import is_device
from hintlite.pipeline.runs.layout import TARGETS
from hintlite.pipeline.runs.reading import RunFiles

RESULT = "result.json"
MODEL = "device/student_int8.tflite"
SIMULATED = "simulated"
# As benchmarks/targets/cortex_m.py names them.
FIGURES = (
    "unit",
    "instructions_per_inference",
    "layers",
    "code_bytes",
    "weight_bytes",
    "ram_bytes",
    "arena_bytes",
    "stack_bytes",
    "agreement",
    "machine",
    "flags",
    "tools",
    "estimated_latency_us",
    "tflm_arena_bytes_x86_64",
)

# As benchmarks/targets/tflm.py names them.
TFLM_FIGURES = (
    "tflm_arena_bytes_x86_64",
    "record",
    "overhead_64_bit",
    "unexplained_bytes",
    "estimate",
    "operators",
    "agreement",
    "tools",
)


def microcontrollers(run: RunFiles) -> list[dict[str, Any]]:
    """One entry a core that was emulated.

    Returns:
        model (the arm, or None), target, kind, verdict, model_sha256, what FIGURES names,
        instructions_range over the samples, arena_lower_bound_bytes (no plan of these buffers is
        smaller).
    """
    results = [run.json(name, RESULT) for name in run.targets]
    simulated = [each for each in results if each is not None and _emulated(each)]
    model = run.content("bundle", MODEL) if simulated else None
    arm = _arm(run) if simulated else None
    return [_entry(result, arm, model) for result in simulated]


def _emulated(result: Mapping[str, Any]) -> bool:
    """Whether a core counted instructions; other targets have sections of their own."""
    counted = result["kind"] == SIMULATED and "instructions_per_inference" in result["raw"]
    return counted and not is_device(result)


def tflm(run: RunFiles) -> list[dict[str, Any]]:
    """What TensorFlow Lite Micro's interpreter answered: no entry or one.

    Returns:
        model (the arm, or None), kind, verdict, and what TFLM_FIGURES names.
    """
    result = run.json(f"{TARGETS}/tflm", RESULT) if f"{TARGETS}/tflm" in run.targets else None
    if result is None or result["kind"] != SIMULATED:
        return []
    entry = {name: result[name] for name in ("kind", "verdict", "model_sha256")}
    return [{"model": _arm(run), **entry, **{name: result["raw"][name] for name in TFLM_FIGURES}}]


def _arm(run: RunFiles) -> str | None:
    """The student that the bundle holds."""
    manifest = run.json("bundle", MANIFEST)
    return None if manifest is None else str(manifest["provenance"]["arm"])


def _entry(result: Mapping[str, Any], arm: str | None, model: bytes | None) -> dict[str, Any]:
    raw = result["raw"]
    counts = raw.get("instructions") or [raw["instructions_per_inference"]]
    return {
        "model": arm,
        **{name: result[name] for name in ("target", "kind", "verdict", "model_sha256")},
        **{name: raw.get(name) for name in FIGURES},
        "instructions_range": [min(counts), max(counts)],
        "arena_lower_bound_bytes": _lower_bound(result, model),
    }


def _lower_bound(result: Mapping[str, Any], model: bytes | None) -> int | None:
    """The most bytes in use at once; None if it cannot be that of the arena in the result."""
    from hintlite.deploy.c_export.export import lower_network
    from hintlite.deploy.c_export.graph import ExportError

    if model is None or hashlib.sha256(model).hexdigest() != result["model_sha256"]:
        return None
    try:
        plan = lower_network(model, "network").plan
    except ExportError:
        return None
    # Another arena was planned by another version, for other buffers.
    return plan.lower_bound if plan.arena_bytes == result["raw"]["arena_bytes"] else None
