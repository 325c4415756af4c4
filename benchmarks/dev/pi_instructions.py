"""Instructions per inference on emulated Raspberry Pis: a figure that repeats, and is no time.

    python -m benchmarks.dev.pi_instructions runs/demo --out docs/results/pi_instructions.json

For the float teacher, the float student and the INT8 student of a run, with XNNPACK and with the
reference kernels, on the cores of a Pi 3, 4 and 5: the difference of many and few inferences, over
their number, with its spread over the repeats. *Simulated*: cores execute the same instructions at
different speeds, so this ranks models and kernels on one core, never boards.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.dev.emulated_pi.boards import BOARDS
from benchmarks.dev.emulated_pi.counting import Count, count
from benchmarks.dev.emulated_pi.device import emulated_pi
from pipeline.app.context import commit

KERNELS = ("xnnpack", "reference")
FEW, MANY, REPEATS = 10, 60, 5


def models(run: Path, arm: str) -> list[Path]:
    """The float teacher, the float student and the INT8 student of a run's folder."""
    names = ("teacher/teacher_float32", f"{arm}/student_float32", f"{arm}/student_int8")
    paths = [run / "quantize" / f"{name}.tflite" for name in names]
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise SystemExit(f"missing: {', '.join(missing)}; `hintlite quantize {run}` makes them")
    return paths


def record_of(counted: Count) -> dict[str, Any]:
    """One line of the record."""
    return {**asdict(counted), "spread_percent": counted.spread_percent}


def emulator_version() -> str:
    """QEMU's first line about itself."""
    words = ["qemu-aarch64", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def main() -> None:
    """Counts on each board, prints and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the run's folder, quantized")
    parser.add_argument("--arm", default="hint+kd", help="whose student (default: hint+kd)")
    parser.add_argument("--boards", nargs="+", choices=sorted(BOARDS), default=sorted(BOARDS))
    parser.add_argument("--out", type=Path, help="where to keep the figures as JSON")
    arguments = parser.parse_args()
    subjects = [
        (path, kernels) for path in models(arguments.run, arguments.arm) for kernels in KERNELS
    ]
    results = []
    for name in arguments.boards:
        with tempfile.TemporaryDirectory(prefix="hintlite-pi-") as folder:
            pi = emulated_pi(name, "ai-edge-litert", Path(folder))
            counts = count(pi, subjects, FEW, MANY, REPEATS)
        for each in counts:
            print(
                f"{name} {pi.board.core:11} {each.model:23} {each.kernels:10}"
                f"{each.instructions:>14,.0f} instructions, spread {each.spread_percent:.2f} %",
                flush=True,
            )
        figures = [record_of(each) for each in counts]
        results.append({"board": name, "core": pi.board.core, "counts": figures})
    if arguments.out:
        record = {
            "command": f"python -m benchmarks.dev.pi_instructions RUN --arm {arguments.arm}",
            "kind": "simulated",
            "commit": commit(),
            "emulator": emulator_version(),
            "runtime": f"ai-edge-litert {counts[0].version}",
            "few": FEW,
            "many": MANY,
            "repeats": REPEATS,
            "results": results,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
