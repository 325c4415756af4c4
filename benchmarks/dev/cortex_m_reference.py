"""The reference model as plain C on emulated Cortex-M cores, beside what TFLM takes for it.

    python -m hintlite.benchmarks.dev.cortex_m_reference --out docs/results/cortex_m.json

TFLM's figures were measured once, outside this command; they are quoted, not reproduced here.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from hintlite.benchmarks.dev.provenance import provenance
from hintlite.benchmarks.targets.base import BenchmarkRequest
from hintlite.benchmarks.targets.cortex_m import CORES, CortexMTarget
from hintlite.files import write_whole

MODEL = Path(__file__).resolve().parents[2] / "tests" / "data" / "reference_cnn_int8.tflite"
TFLM_CMSIS_NN = {
    "cortex-m4": {
        "instructions": 7_265_636,
        "code_bytes": 94_500,
        "ram_bytes": 19_796,
        "stack_bytes": 1_700,
    },
    "cortex-m55": {
        "instructions": 1_561_667,
        "code_bytes": 80_900,
        "ram_bytes": 19_796,
        "stack_bytes": 1_800,
    },
}
TFLM = {
    "how": "measured once in QEMU 7.2: TensorFlow Lite Micro's source of August 2026, core -Os, "
    "kernels -O2, error strings stripped, default registration of operators, GCC 12; code without "
    "the model and its input and output data",
    "registering_int8_variants_alone_saves_bytes": [28_000, 31_000],
    "cortex-m4, reference kernels": {"ram_bytes": 19_156},
}
FIGURES = ("code_bytes", "ram_bytes", "stack_bytes", "weight_bytes", "arena_bytes")


def measure(core: str) -> dict[str, Any]:
    """One core: simulated figures, and TFLM's where they are known."""
    result = CortexMTarget(core).run(MODEL, BenchmarkRequest())
    found = {"core": core, "instructions": result.raw["instructions_per_inference"]}
    found |= {name: result.raw[name] for name in FIGURES}
    return found | {"tools": result.raw["tools"], "tflm_cmsis_nn": TFLM_CMSIS_NN.get(core)}


def main() -> None:
    """Counts on every core, prints and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where to keep the figures as JSON")
    arguments = parser.parse_args()
    results = []
    for core in CORES:
        found = measure(core)
        results.append(found)
        print(
            f"{core:11} {found['instructions']:>11,} instructions, code {found['code_bytes']:,}, "
            f"RAM {found['ram_bytes']:,}, stack {found['stack_bytes']} bytes",
            flush=True,
        )
    if arguments.out:
        command = "python -m hintlite.benchmarks.dev.cortex_m_reference"
        found = {"kind": "simulated", "model": MODEL.name, "tflm": TFLM, "results": results}
        write_whole(arguments.out, json.dumps(provenance(command, ()) | found, indent=1) + "\n")


if __name__ == "__main__":
    main()
