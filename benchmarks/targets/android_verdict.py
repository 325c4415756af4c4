"""What makes a measurement on a phone doubtful, why, and how to cure it."""

from __future__ import annotations

from collections.abc import Sequence

from hintlite.benchmarks.targets.base import BenchmarkRequest
from hintlite.benchmarks.targets.benchmark_model import Log

LEAST_RUNS, LEAST_S = 50, 1.0  # what benchmark_model takes by default
MOST_STD_SHARE = 0.10  # standard deviation over mean


def doubts(
    request: BenchmarkRequest, log: Log, thermal: Sequence[int | None], emulator: str | None
) -> list[dict[str, str]]:
    """The reasons against a result, empty for a valid one.

    Args:
        request: what was asked for.
        log: what benchmark_model said.
        thermal: Android's thermal status before and after, 0 (none) to 6; None is unknown.
        emulator: what shows that it is no phone but Android's emulator; None where nothing does.
    """
    reasons = []
    if emulator is not None:
        reasons.append(_doubt("emulated", f"this is Android's emulator ({emulator})"))
    applied = (log.delegates or {}).get("XNNPACK")
    if request.kernels == "xnnpack" and applied == "not":
        reasons.append(_doubt("delegate_not_applied"))
    if log.std_us is not None and log.std_us > MOST_STD_SHARE * log.mean_us:
        share = f"{log.std_us / log.mean_us:.0%}"
        reasons.append(_doubt("spread", f"the standard deviation is {share} of the mean"))
    if log.runs is not None and (log.runs < LEAST_RUNS or log.runs * log.mean_us < LEAST_S * 1e6):
        seconds = log.runs * log.mean_us / 1e6
        reasons.append(_doubt("short", f"{log.runs} inferences in {seconds:.2f} s were timed"))
    status = max((value for value in thermal if value is not None), default=0)
    if status > 0:
        reasons.append(_doubt("throttled", f"Android's thermal status was {status} (0 is cool)"))
    return reasons


_DOUBTS = {
    "emulated": (
        "this is Android's emulator",
        "its times and memory are the emulator's, no phone's",
        "take from here that the model runs; measure on a phone",
    ),
    "delegate_not_applied": (
        "XNNPACK was asked for but does not run the graph",
        "other kernels were measured than asked for",
        "take a newer benchmark_model, or ask for --benchmark.kernels builtin",
    ),
    "spread": (
        "the times vary",
        "something else than the model was measured too",
        "close other apps, let the phone cool, measure longer (--benchmark.window_s)",
    ),
    "short": (
        "little was timed",
        "few or short runs say little",
        "raise --benchmark.window_s or --benchmark.min_runs",
    ),
    "throttled": (
        "the phone was hot",
        "a hot processor is slowed down",
        "let the phone cool, take it out of its case, try again",
    ),
}


def _doubt(code: str, what: str | None = None) -> dict[str, str]:
    said, why, cure = _DOUBTS[code]
    return {"state": "doubtful", "code": code, "what": what or said, "why": why, "cure": cure}
