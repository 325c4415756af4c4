"""From the JSON that bench_tflite.py printed to a BenchmarkResult, trusting none of it unseen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hintlite.benchmarks.targets.base import BenchmarkError, BenchmarkResult
from hintlite.benchmarks.targets.printable import all_printable

SCHEMA = "hintlite-bench/1"
COLD = ("import", "load", "allocate", "first")
STEADY = ("mean", "min", "p50", "p90", "p99", "max", "std")


def parse_report(text: str) -> dict[str, Any]:
    """The report as a table; it is another machine's, so every text is as `printable` leaves it.

    Raises:
        BenchmarkError: it is cut off, or no report of this version.
    """
    try:
        report = all_printable(json.loads(text))
    except (ValueError, RecursionError) as error:  # nested without end, it is none either
        raise BenchmarkError(
            f"expected one JSON object from bench_tflite.py, got {len(text)} characters that are "
            f"none ({error}): the output was cut off or mixed with another program's"
        ) from error
    schema = report.get("schema") if isinstance(report, dict) else None
    if schema != SCHEMA:
        raise BenchmarkError(
            f"expected a report of the form {SCHEMA}, got {schema!r}: use the bench_tflite.py of "
            "this version of hintlite"
        )
    return dict(report)


def to_result(
    report: Mapping[str, Any], *, kind: str, target: str, nonce: str, model_sha256: str
) -> BenchmarkResult:
    """The result that a report stands for.

    Args:
        report: what parse_report returned.
        kind: "measured" or "simulated"; a report that names an emulator is a simulation whatever
            is said here. A simulation's times and memory are the emulator's: they stay in `raw`.
        target: the target's name.
        nonce: what was given to this run alone.
        model_sha256: of the file that was to be run.

    Raises:
        BenchmarkError: it answers another run, is about another model, or lacks a field.
    """
    try:
        came = report["nonce"], report["model"]["sha256"]
        if came != (nonce, model_sha256):
            raise BenchmarkError(
                f"expected an answer with nonce {nonce} and model {model_sha256}, got nonce "
                f"{came[0]!r} and model {came[1]!r}: it is about another run; run again"
            )
        if report["machine"]["emulator"] is not None:
            kind = "simulated"
        memory = None if kind == "simulated" else report["memory"]
        return BenchmarkResult(
            kind=kind,
            target=target,
            model_sha256=model_sha256,
            verdict=report["verdict"],
            latency_us=None if kind == "simulated" else latency_us(report["latency"]),
            memory_bytes=memory["peak_rss_bytes"] if memory else None,
            accuracy=report["accuracy"],
            raw=dict(report),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BenchmarkError(
            f"the report lacks a field or has a wrong one ({error!r}): use the bench_tflite.py of "
            "this version of hintlite"
        ) from error


def latency_us(latency: Mapping[str, Any] | None) -> dict[str, float] | None:
    """A report's latencies under the contract's names (LATENCIES); None without any."""
    if latency is None:
        return None
    cold = {name: latency[name + "_us"] for name in COLD}
    return cold | {name: latency["steady"][name + "_us"] for name in STEADY}
