"""From what programs and targets say of themselves to task, device, method, model and software."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hintlite.benchmarks.targets.base import BenchmarkResult
from hintlite.benchmarks.targets.bench_json import SCHEMA

Facts = dict[str, Any]


def report_facts(report: Mapping[str, Any]) -> dict[str, Facts]:
    """From a report of bench_tflite.py."""
    task, runtime = report.get("task") or {}, report["runtime"] or {}
    machine, settings = report["machine"], report["settings"]
    inputs = report["model"].get("inputs") or [{}]
    shape = task.get("input_shape") or (inputs[0].get("shape") or [])[1:] or None
    return {
        "task": {
            "labels": task.get("labels_sha256"),
            "input_shape": shape,
            "samples": task.get("samples_sha256"),
        },
        "device": {name: machine[name] for name in ("model", "cpu", "architecture", "cores")},
        "method": {
            "program": "bench_tflite.py",
            "kernels": settings["kernels"],
            "threads": settings["threads"],
            "XNNPACK applied": runtime.get("delegate_applied"),
            "input": ((report["latency"] or {}).get("input") or {}).get("kind"),
        },
        "model": {name: report["model"].get(name) for name in ("file", "sha256", "precision")},
        "software": {
            "runtime": runtime.get("name"),
            "runtime version": runtime.get("version"),
            "Python": report["python"]["version"],
            "numpy": report["numpy"],
            "system": machine["os"],
            "kernel": machine["kernel"],
            "memory_bytes": machine["memory_bytes"],
            "governors": sorted(set((machine.get("before") or {}).get("governors") or [])) or None,
            "script": report["script"]["version"],
            "warm-up, s": settings["warmup_s"],
            "window, s": settings["window_s"],
            "windows": settings["windows"],
        },
    }


def raw_facts(result: BenchmarkResult) -> dict[str, Facts]:
    """From what a target said in its own form."""
    raw = result.raw
    if raw.get("schema") == SCHEMA:
        return report_facts(raw)
    if "phone" in raw:
        return _phone_facts(raw)
    return {
        "task": {},
        "device": {"model": raw.get("machine")},
        "method": {"program": raw.get("unit"), "flags": raw.get("flags")},
        "model": {},
        "software": dict(raw.get("tools") or {}),
    }


def _phone_facts(raw: Mapping[str, Any]) -> dict[str, Facts]:
    phone, settings = raw["phone"], raw["settings"]
    return {
        "task": {},
        "device": {
            "model": " ".join(filter(None, (phone["manufacturer"], phone["model"]))) or None,
            "cpu": phone["soc"] or phone["hardware"],
            "architecture": phone["abi"],
        },
        "method": {
            "program": raw["program"],
            "kernels": settings["kernels"],
            "threads": settings["threads"],
            "input": settings["input"],
        },
        "model": {"file": raw["model"]["file"]},
        "software": {
            "Android": phone["android"],
            "build": phone["build"],
            "delegates": raw["log"]["delegates"] or None,
            "least time, s": settings["min_s"],
        },
    }


def system_id_of(raw: Mapping[str, Any]) -> str | None:
    """What tells one device from others whatever it is called; None where a result does not say."""
    device = raw.get("device")
    found = device.get("system_id") if isinstance(device, Mapping) else None
    return found if isinstance(found, str) else None


def model_bytes_of(raw: Mapping[str, Any]) -> int | None:
    """The size of the file that a result is about; None where it does not say."""
    model = raw.get("model")
    return model.get("bytes") if isinstance(model, Mapping) else None


def figures_of(
    latencies: Mapping[str, float | None] | None,
    memory_bytes: int | None,
    model_bytes: int | None,
    accuracy: Mapping[str, int] | None,
) -> Facts:
    """The figures that are known, by name and unit.

    Args:
        latencies: microseconds by name.
        memory_bytes: peak memory.
        model_bytes: of the file.
        accuracy: correct and total.
    """
    times = {f"{name}_us": value for name, value in (latencies or {}).items()}
    share = None if accuracy is None else accuracy["correct"] / accuracy["total"]
    others = {"memory_bytes": memory_bytes, "model_bytes": model_bytes, "accuracy": share}
    return known(times | others)


def known(values: Mapping[str, Any]) -> Facts:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}
