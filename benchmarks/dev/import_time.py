"""How long `import hintlite` takes, beside an interpreter that imports nothing.

    python -m hintlite.benchmarks.dev.import_time --out docs/results/import_time.json

Each starts in a process of its own, in turns; the first start of both, which reads the files from
the disk, is left out. The bound is 0.3 s: the exit status is 1 above it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hintlite.benchmarks.dev.provenance import provenance

BOUND_S = 0.3
COMMAND = "python -m hintlite.benchmarks.dev.import_time --out docs/results/import_time.json"


def measure(rounds: int) -> dict[str, Any]:
    """Starts both, `rounds` times after the first, and takes medians, in seconds."""
    walls: dict[str, list[float]] = {"pass": [], "import hintlite": []}
    for _ in range(rounds + 1):
        for code, found in walls.items():
            found.append(_wall_s(code))
    nothing, ours = (statistics.median(found[1:]) for found in walls.values())
    return {
        "import_s": round(ours - nothing, 4),
        "interpreter_s": round(nothing, 4),
        "slowest_import_s": round(max(walls["import hintlite"][1:]) - nothing, 4),
        "rounds": rounds,
        "bound_s": BOUND_S,
    }


def _wall_s(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def main() -> int:
    """Measures, prints and, where asked, writes the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=Path, help="JSON file of the figures")
    arguments = parser.parse_args()
    record = measure(arguments.rounds) | provenance(COMMAND, ())
    text = json.dumps(record, indent=1) + "\n"
    print(text, end="")
    if arguments.out:
        arguments.out.write_text(text)
    return int(record["import_s"] > BOUND_S)


if __name__ == "__main__":
    sys.exit(main())
