"""What TFLite's benchmark_model prints, read back; trusted no further than its own words.

The forms are those of tensorflow/lite/tools/benchmark/benchmark_model.cc and of `Stat` and
`StatWithPercentiles` in tensorflow/core/util (stats_calculator.h):

    count=50 first=9 curr=8 min=7 max=20 avg=8.2 std=1 p5=7 median=8 p95=10
    Inference timings in us: Init: 95, First inference: 9, Warmup (avg): 9.5, Inference (avg): 8.2
    Memory footprint delta from the start of the tool (MB): init=39.4531 overall=40.8281

Each line may stand behind "INFO: " or what logcat puts before it. p5, median and p95 are missing in
older versions, `count=1 curr=147` stands for a single run, and (all same) for equal times. Its MB
are 1,048,576 bytes (kB / 1024).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hintlite.benchmarks.targets.base import BenchmarkError

MIB = 1 << 20
NUMBER = r"(-?[\d.]+(?:e[+-]?\d+)?)"
STATS = ("count", "first", "curr", "min", "max", "avg", "std", "p5", "median", "p95")
TIMINGS = re.compile(
    rf"Inference timings in us: Init: {NUMBER}, First inference: {NUMBER}, "
    rf"Warmup \(avg\): {NUMBER}, Inference \(avg\): {NUMBER}"
)
DELTA = re.compile(
    rf"(?:Memory footprint delta from the start of the tool|Peak memory footprint) \(MB\): "
    rf"init={NUMBER} overall={NUMBER}"
)
PEAK = re.compile(rf"Overall peak memory footprint \(MB\) via periodic monitoring: {NUMBER}")
COUNTS = re.compile(r"(?<!microseconds\): )\bcount=\d.*")  # not the profiler's
APPLIED = re.compile(
    r"Explicitly applied (\w+) delegate, and the model graph will be (completely|partially) "
    r"executed by the delegate"
)
NOT_APPLIED = re.compile(
    r"Though (\w+) delegate is explicitly applied, the model graph will not be executed"
)
SETTINGS = {  # our name -> what benchmark_model logs as "NAME: [VALUE]"
    "graph": "Graph",
    "threads": "Num threads",
    "min_runs": "Min num runs",
    "min_s": "Min runs duration (seconds)",
    "warmup_s": "Min warmup runs duration (seconds)",
    "xnnpack": "Use xnnpack",
    "gpu": "Use gpu",
    "nnapi": "Use NNAPI",
}
CUT_OFF = (
    "copy the whole output of benchmark_model, from STARTING! to the memory footprint, and run it "
    "again if it stopped"
)


@dataclass(frozen=True)
class Log:
    """One run of benchmark_model; what it did not say is None.

    Attributes:
        init_us: loading the file and allocating tensors, delegates included.
        first_us: first inference.
        warmup_us: mean of the warm-up.
        mean_us: mean of the measured inferences, as are the next.
        runs: how many inferences were measured.
        min_us, max_us, std_us: of them.
        p5_us, p50_us, p95_us: their percentiles, from newer versions.
        init_bytes, overall_bytes: growth of resident memory since the tool started.
        peak_bytes: peak memory (with --report_peak_memory_footprint).
        model_mb: size of the file in 1,000,000 bytes.
        delegates: name -> "completely", "partially" or "not" executed by it.
        settings: what it logged of its flags (SETTINGS), as text.
    """

    init_us: float
    first_us: float
    warmup_us: float
    mean_us: float
    runs: int | None = None
    min_us: float | None = None
    max_us: float | None = None
    std_us: float | None = None
    p5_us: float | None = None
    p50_us: float | None = None
    p95_us: float | None = None
    init_bytes: int | None = None
    overall_bytes: int | None = None
    peak_bytes: int | None = None
    model_mb: float | None = None
    delegates: Mapping[str, str] | None = None
    settings: Mapping[str, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The log in types that JSON knows."""
        return asdict(self)


def looks_like_log(text: str) -> bool:
    """Whether a text comes from benchmark_model at all, whole or not."""
    return bool(TIMINGS.search(text)) or "STARTING!" in text or "Loaded model " in text


def parse_log(text: str) -> Log:
    """Reads a log.

    Args:
        text: the output of one run, stdout and stderr together, or its lines from logcat.

    Raises:
        BenchmarkError: it holds no result, or those of several runs.
    """
    found = TIMINGS.findall(text)
    if len(found) != 1:
        raise BenchmarkError(_no_one_result(text, len(found)))
    init, first, warmup, mean = (_number(word) for word in found[0])
    return Log(
        init_us=init,
        first_us=first,
        warmup_us=warmup,
        mean_us=mean,
        **_spread(text, mean),
        **_memory(text),
        model_mb=_model_mb(text),
        delegates=_delegates(text),
        settings=_settings(text),
    )


def _no_one_result(text: str, count: int) -> str:
    if count > 1:
        return (
            f"the log holds the results of {count} runs of benchmark_model, expected one: keep "
            "each run's output in a file of its own"
        )
    faults = [line.strip() for line in text.splitlines() if re.search(r"\bERROR\b|Failed", line)]
    said = f"; it says: {faults[-1][:200]}" if faults else ""
    return f'expected a line "Inference timings in us: ..." of benchmark_model{said}: {CUT_OFF}'


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError as error:
        raise BenchmarkError(f"{word!r} in the log is no number: {CUT_OFF}") from error


def _spread(text: str, mean: float) -> dict[str, Any]:
    """The statistics of the measured inferences: the last such line before the result."""
    lines = COUNTS.findall(text[: TIMINGS.search(text).start()])  # type: ignore[union-attr]
    if not lines:
        return {}
    stats = {name: value for name in STATS if (value := _stat(lines[-1], name)) is not None}
    one = stats.get("curr") if stats.get("count") == 1 or "all same" in lines[-1] else None
    _check_same(stats.get("avg", one), mean)
    return {
        "runs": int(stats["count"]),
        "min_us": stats.get("min", one),
        "max_us": stats.get("max", one),
        "std_us": stats.get("std", None if one is None else 0.0),
        "p5_us": stats.get("p5"),
        "p50_us": stats.get("median", one),
        "p95_us": stats.get("p95"),
    }


def _stat(line: str, name: str) -> float | None:
    found = re.search(rf"\b{name}={NUMBER}", line)
    return _number(found[1]) if found else None


def _check_same(average: float | None, mean: float) -> None:
    """The statistics and the result must be about the same inferences; both have six digits."""
    if average is not None and abs(average - mean) > 1e-4 * mean + 1e-9:
        raise BenchmarkError(
            f"the log's parts do not belong together: its last statistics have avg={average:g}, "
            f"its result {mean:g}: {CUT_OFF}"
        )


def _memory(text: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    if delta := DELTA.search(text):
        sizes["init_bytes"] = round(_number(delta[1]) * MIB)
        sizes["overall_bytes"] = round(_number(delta[2]) * MIB)
    if peak := PEAK.search(text):
        sizes["peak_bytes"] = round(_number(peak[1]) * MIB)
    return sizes


def _model_mb(text: str) -> float | None:
    found = re.search(rf"The input model file size \(MB\): {NUMBER}", text)
    return _number(found[1]) if found else None


def _delegates(text: str) -> dict[str, str]:
    found = dict(APPLIED.findall(text))
    return found | {name: "not" for name in NOT_APPLIED.findall(text)}


def _settings(text: str) -> dict[str, str]:
    found = {}
    for name, title in SETTINGS.items():
        if said := re.search(rf"{re.escape(title)}: \[([^\]\n]*)\]", text):
            found[name] = said[1]
    return found
