"""Instructions per inference on emulated Raspberry Pis: a figure that repeats, and is no time.

    python -m hintlite.benchmarks.dev.pi_instructions runs/demo \
        --out docs/results/pi_instructions.json

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
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hintlite.benchmarks.dev.emulated_pi.boards import BOARDS
from hintlite.benchmarks.dev.emulated_pi.counting import Count, count
from hintlite.benchmarks.dev.emulated_pi.device import emulated_pi
from hintlite.files import write_whole
from hintlite.pipeline.app.run.context import commit

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


def data_of(run: Path) -> str | None:
    """What the run's networks were trained on, where the run says so."""
    path = run / "data" / "data.json"
    return str(json.loads(path.read_text())["source"]) if path.is_file() else None


def counted_on(name: str, subjects: Sequence[tuple[Path, str]]) -> dict[str, Any]:
    """Counts on one board, each printed as a line."""
    with tempfile.TemporaryDirectory(prefix="hintlite-pi-") as folder:
        pi = emulated_pi(name, "ai-edge-litert", Path(folder))
        counts = count(pi, subjects, FEW, MANY, REPEATS)
    for each in counts:
        print(
            f"{name} {pi.board.core:11} {each.model:23} {each.kernels:10}"
            f"{each.instructions:>14,.0f} instructions, spread {each.spread_percent:.4f} %",
            flush=True,
        )
    return {
        "board": name,
        "core": pi.board.core,
        "runtime": f"ai-edge-litert {counts[0].version}",
        "counts": [record_of(each) for each in counts],
    }


def command_line() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="the run's folder, quantized")
    parser.add_argument("--arm", default="hint+kd", help="whose student (default: hint+kd)")
    parser.add_argument("--boards", nargs="+", choices=sorted(BOARDS), default=sorted(BOARDS))
    parser.add_argument("--out", type=Path, help="where to keep the figures as JSON")
    return parser


def main() -> None:
    """Counts on each board, prints and keeps the figures."""
    arguments = command_line().parse_args()
    paths = models(arguments.run, arguments.arm)
    subjects = [(path, kernels) for path in paths for kernels in KERNELS]
    record = {
        "command": f"python -m hintlite.benchmarks.dev.pi_instructions RUN --arm {arguments.arm}",
        "kind": "simulated",
        "commit": commit(),
        "data": data_of(arguments.run),
        "emulator": emulator_version(),
        "few": FEW,
        "many": MANY,
        "repeats": REPEATS,
        "results": [counted_on(name, subjects) for name in arguments.boards],
    }
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(arguments.out, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
