"""What deployed files cost here: time of an inference, MACs, bytes and memory, all in one run.

The files take turns on one thread of LiteRT with XNNPACK, so that a change of the machine's clock
meets them alike; a time is the median over the rounds, and the speed-up over the first file is the
median of the rounds' ratios with the smallest and the largest. Of full-INT8 files the arena of
TensorFlow Lite Micro is told too: estimated for a 32-bit target, and as its own interpreter needs
it on this 64-bit host.

    python -m hintlite.benchmarks.dev.deployed_speed --out docs/results/deployed_speed.json \
        teacher_float32.tflite teacher_int8.tflite student_int8.tflite
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from hintlite.benchmarks.dev.provenance import provenance
from hintlite.benchmarks.targets.tflm_arena import smallest_arena
from hintlite.deploy.mcu.arena import cmsis_nn_arena, estimate_arena
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import ModelError
from hintlite.deploy.tflite.inspect import inspect
from hintlite.files import write_whole

LIBRARIES = ("ai-edge-litert", "tflite-micro")
TURN_S = 0.3  # of one file before the next one's turn
FEWEST = 20  # inferences of a turn


def inference(content: bytes, fewest: int, seconds: float) -> Callable[[], float]:
    """A function that runs a file for a while and returns the median in microseconds.

    Args:
        content: of a .tflite file with one input.
        fewest: inferences of a turn.
        seconds: that a turn takes at least.
    """
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))

    def turn() -> float:
        took: list[float] = []
        while len(took) < fewest or sum(took) < seconds:
            begun = time.perf_counter()
            interpreter.invoke()
            took.append(time.perf_counter() - begun)
        return 1e6 * statistics.median(took)

    return turn


def size(model: Path) -> dict[str, Any]:
    """Parameters, MACs, bytes, and the arena where it is a microcontroller's file."""
    info = inspect(model)
    facts: dict[str, Any] = {
        "precision": info.precision,
        "parameters": info.parameters,
        "macs": info.macs,
        "bytes": info.file_bytes,
    }
    if info.precision == "int8":
        read = read_model(model.read_bytes())
        facts["arena_bytes"] = {
            "estimated, 32 bit, reference kernels": estimate_arena(read).arena_bytes,
            "estimated, 32 bit, CMSIS-NN": cmsis_nn_arena(read).arena_bytes,
            "needed, 64 bit, reference kernels": smallest_arena(model),
        }
    return facts


def speed_ups(times: Sequence[Sequence[float]]) -> list[dict[str, float]]:
    """How many times as fast as the first each file is.

    Args:
        times: of each file, one a round.

    Returns:
        Of each file the median of the rounds' ratios, the smallest and the largest.
    """
    found = []
    for each in times:
        ratios = [first / other for first, other in zip(times[0], each, strict=True)]
        middle = statistics.median(ratios)
        found.append({"median": middle, "low": min(ratios), "high": max(ratios)})
    return found


def measure(models: Sequence[Path], rounds: int) -> list[dict[str, Any]]:
    """One row a file, in their order."""
    sizes = [size(model) for model in models]  # what is no model is told of here
    contents = [model.read_bytes() for model in models]
    timed = [inference(content, FEWEST, TURN_S) for content in contents]
    rounds_us = [[turn() for turn in timed] for _ in range(rounds + 1)][1:]  # the first warms up
    times = list(zip(*rounds_us, strict=True))
    each = zip(models, contents, sizes, times, speed_ups(times), strict=True)
    return [
        {"file": str(model), "sha256": hashlib.sha256(content).hexdigest(), **cost}
        | {"p50_us": round(statistics.median(took), 2)}
        | {"speed_up": {name: round(value, 3) for name, value in ratio.items()}}
        for model, content, cost, took, ratio in each
    ]


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+", help=".tflite files, the reference first")
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each file (15)")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error(f"--rounds must be 1 or more; got {args.rounds}")
    try:
        rows = measure(args.models, args.rounds)
    except OSError as error:
        raise SystemExit(f"{error.filename} cannot be read: {error.strerror}") from error
    except ModelError as error:
        raise SystemExit(str(error)) from error
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    command = "python -m hintlite.benchmarks.dev.deployed_speed"
    if args.out:
        record = {**provenance(command, LIBRARIES), "rounds": args.rounds, "rows": rows}
        write_whole(args.out, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
