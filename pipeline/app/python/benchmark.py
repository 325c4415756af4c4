"""`hintlite.benchmark`: latency of a file on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hintlite.pipeline.app.python.files import Files, int8_bytes

if TYPE_CHECKING:
    from hintlite.benchmarks.targets.base import BenchmarkResult


def benchmark(
    model: Files | bytes | str | Path,
    *,
    threads: int = 1,
    window_s: float = 2.0,
    windows: int = 5,
    warmup_s: float = 0.5,
    min_runs: int = 50,
) -> BenchmarkResult:
    """Measures a file with bench_tflite.py in a fresh process, as `hintlite benchmark`.

    Args:
        model: files from `hintlite.quantize`, of which the INT8 file is measured; or bytes or path
            of any `.tflite` file, or a bundle.
        threads: of the interpreter.
        window_s: the least seconds of a window.
        windows: how many.
        warmup_s: seconds of untimed inferences.
        min_runs: the fewest inferences in a window.

    Returns:
        `latency_us` (mean, p50, p99, ...) and `verdict`, which says what makes them doubtful.

    Raises:
        HintliteError: settings that cannot be, or a measurement that failed.
    """
    from hintlite.benchmarks.targets.base import BenchmarkRequest
    from hintlite.benchmarks.targets.host import HostTarget

    request = BenchmarkRequest(
        threads=threads,
        window_s=window_s,
        windows=windows,
        warmup_s=warmup_s,
        min_runs=min_runs,
    )
    with tempfile.TemporaryDirectory(prefix="hintlite-") as folder:
        place = Path(folder) / "model.tflite"  # the process reads a file, for as long as it runs
        place.write_bytes(int8_bytes(model))
        return HostTarget().run(place, request)
