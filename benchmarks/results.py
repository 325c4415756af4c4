"""Results of any origin in one form, to be compared: None is unknown, never guessed.

Read are the JSON of bench_tflite.py, a target's result (BenchmarkResult.to_dict), the log of
TFLite's benchmark_model, and what the caller makes of a folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from hintlite.benchmarks.result_facts import (
    Facts,
    figures_of,
    known,
    model_bytes_of,
    raw_facts,
    report_facts,
    system_id_of,
)
from hintlite.benchmarks.targets.base import BenchmarkError, BenchmarkResult
from hintlite.benchmarks.targets.bench_json import SCHEMA, latency_us
from hintlite.benchmarks.targets.benchmark_model import Log, looks_like_log, parse_log
from hintlite.benchmarks.targets.printable import all_printable, printable
from hintlite.errors import WRONG_USE, HintliteError

LARGEST_BYTES = 64 << 20  # a result of some kB; anything larger is something else
FORMS = "the JSON of bench_tflite.py or of a target, a log of benchmark_model, or a run folder"


class ResultError(HintliteError):
    """A file that holds no result that can be read."""

    exit_code = WRONG_USE


@dataclass(frozen=True)
class Outcome:
    """One measured, simulated or estimated model.

    Attributes:
        place: where it was read.
        form: "bench_tflite", "target", "benchmark_model log" or "run".
        verdict: "valid", "doubtful" or "invalid"; None where nobody judged.
        reasons: what speaks against it, in sentences.
        task: labels, input_shape, samples.
        device: target, model, cpu, architecture, cores.
        system_id: the same for one device under any name; None where nobody says.
        method: kind, program, kernels, threads, input.
        model: file, sha256, bytes, precision.
        software: versions, and what else of the machine may change.
        figures: name -> number; latencies end in _us, memory in _bytes, accuracy is a share.
    """

    place: str
    form: str
    verdict: str | None = None
    reasons: tuple[str, ...] = ()
    task: Facts = field(default_factory=dict)
    device: Facts = field(default_factory=dict)
    system_id: str | None = None
    method: Facts = field(default_factory=dict)
    model: Facts = field(default_factory=dict)
    software: Facts = field(default_factory=dict)
    figures: Facts = field(default_factory=dict)


def read_outcome(path: Path, of_folder: Callable[[Path], Outcome] | None = None) -> Outcome:
    """Reads a result of any form.

    Args:
        path: a file, or a folder.
        of_folder: what reads a folder, where folders may be named.

    Returns:
        What it says, every text printable: it may come from anywhere, and is shown on a terminal.

    Raises:
        ResultError: it cannot be read, or is none of FORMS.
    """
    try:
        return _printable(of_folder(path) if of_folder and path.is_dir() else _of_file(path))
    except json.JSONDecodeError as error:
        raise ResultError(f"{path} is cut off or no JSON ({error}): copy it again") from error
    except BenchmarkError as error:  # of a log it has the last lines
        raise ResultError(f"{path}: {printable(str(error))}") from error
    except RecursionError as error:
        raise ResultError(f"{path} is nested too deep to be a result; expected {FORMS}") from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise ResultError(
            f"{path} lacks a field or has a wrong one ({error!r}): measure again with this version "
            "of hintlite"
        ) from error


def _printable(outcome: Outcome) -> Outcome:
    texts = {each.name: all_printable(getattr(outcome, each.name)) for each in fields(outcome)}
    return replace(outcome, **texts)


def _of_file(path: Path) -> Outcome:
    text = _text(path)
    if text.lstrip().startswith("{"):
        return _of_json(str(path), json.loads(text))
    if looks_like_log(text):
        return of_log(str(path), parse_log(text))
    raise ResultError(f"{path} is no result; expected {FORMS}")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ResultError(f"{path} is too large to be a result; expected {FORMS}")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}; expected {FORMS}") from error


def _of_json(place: str, content: Mapping[str, Any]) -> Outcome:
    if content.get("schema") == SCHEMA:
        return _of_report(place, content)
    if {"kind", "target", "model_sha256", "raw"} <= set(content):
        return of_result(place, BenchmarkResult.from_dict(content))
    raise ResultError(f"{place} is no result of this version of hintlite; expected {FORMS}")


def _of_report(place: str, report: Mapping[str, Any]) -> Outcome:
    """From the JSON that bench_tflite.py printed; times and memory of an emulator do not count."""
    facts = report_facts(report)
    emulated = report["machine"].get("emulator") is not None
    facts["method"] = {"kind": "simulated" if emulated else "measured"} | facts["method"]
    memory = None if emulated else (report["memory"] or {}).get("peak_rss_bytes")
    times = None if emulated else latency_us(report["latency"])
    figures = figures_of(times, memory, report["model"]["bytes"], report["accuracy"])
    return _outcome(place, "bench_tflite", report["verdict"], facts, figures)


def _outcome(
    place: str, form: str, verdict: Mapping[str, Any], facts: Mapping[str, Facts], figures: Facts
) -> Outcome:
    return Outcome(
        place=place,
        form=form,
        verdict=verdict["state"],
        reasons=tuple(str(reason["what"]) for reason in verdict["reasons"]),
        task=facts["task"],
        device=facts["device"],
        method=facts["method"],
        model=facts["model"],
        software=facts["software"],
        figures=figures,
    )


def of_result(place: str, result: BenchmarkResult) -> Outcome:
    """From what a target answered."""
    raw = result.raw
    facts = raw_facts(result)
    facts["method"] = {"kind": result.kind} | facts["method"]
    facts["device"] = {"target": result.target} | facts["device"]
    facts["model"] = facts["model"] | {"sha256": result.model_sha256}
    figures = figures_of(
        dict(result.latency_us or {}), result.memory_bytes, model_bytes_of(raw), result.accuracy
    )
    counted = ("instructions_per_inference", "code_bytes", "weight_bytes", "arena_bytes")
    figures |= {name: raw[name] for name in counted if raw.get(name) is not None}
    found = _outcome(place, "target", result.verdict, facts, figures)
    return replace(found, system_id=system_id_of(raw))


def of_log(place: str, log: Log) -> Outcome:
    """From a log of benchmark_model, which names neither its device nor the model's hash."""
    said = log.settings or {}
    kernels = {"1": "xnnpack", "0": "builtin"}.get(said.get("xnnpack", ""))
    latencies = {"first": log.first_us, "mean": log.mean_us, "min": log.min_us, "p50": log.p50_us}
    latencies |= {"p95": log.p95_us, "max": log.max_us, "std": log.std_us, "init": log.init_us}
    figures = figures_of(latencies, log.peak_bytes, None, None)
    return Outcome(
        place=place,
        form="benchmark_model log",
        method={
            "kind": "measured",
            "program": "benchmark_model",
            "kernels": kernels,
            "threads": _whole(said.get("threads")),
            "input": "one random input",
            "accelerators": [name for name in ("gpu", "nnapi") if said.get(name) == "1"],
        },
        model={"file": Path(said["graph"]).name if "graph" in said else None},
        software={"delegates": dict(log.delegates or {}) or None},
        figures=figures | known({"memory growth_bytes": log.overall_bytes}),
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
