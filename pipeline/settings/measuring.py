"""How latency is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hintlite.choices import check_choices
from hintlite.pipeline.settings.base import require

Kernels = Literal["xnnpack", "builtin", "reference"]


@dataclass(frozen=True)
class BenchmarkConfig:
    """How latency is measured (see benchmarks/bench_tflite.py).

    Args:
        window_s: shortest time of each of the five windows, in seconds.
        warmup_s: time of untimed inferences before them, in seconds.
        min_runs: fewest inferences in a window.
        threads: threads of the interpreter.
        kernels: xnnpack, builtin (no delegate) or reference.
        sweep: then also 1, 2 and 4 threads with XNNPACK and without, and one input repeated.
    """

    window_s: float = 2.0
    warmup_s: float = 0.5
    min_runs: int = 50
    threads: int = 1
    kernels: Kernels = "xnnpack"
    sweep: bool = False

    def __post_init__(self) -> None:
        """Refuses times and counts that measure nothing."""
        check_choices(self, "benchmark.")
        require(self.window_s > 0, f"benchmark.window_s must be above 0; got {self.window_s}")
        require(self.warmup_s >= 0, f"benchmark.warmup_s must not be negative: {self.warmup_s}")
        require(self.min_runs >= 1, f"benchmark.min_runs must be 1 or more; got {self.min_runs}")
        require(self.threads >= 1, f"benchmark.threads must be 1 or more; got {self.threads}")
