"""How long `hintlite convert` takes on ten small networks, each in a process of its own.

    python -m hintlite.benchmarks.dev.convert_networks --out docs/results/convert.json

The networks have random weights and random samples (320 each): what they answer means nothing, and
accuracy is not looked at. The bound is 20 s a network; the exit status is 1 above it. Beside each
time stand the seconds of the cores and the load of the machine before, which makes it longer.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.benchmarks.dev.provenance import provenance

BOUND_S = 20.0
SAMPLES = 320
COMMAND = "python -m hintlite.benchmarks.dev.convert_networks --out docs/results/convert.json"
LIBRARIES = ("keras", "tensorflow", "ai-edge-litert", "numpy")


def networks() -> Mapping[str, Callable[[], Any]]:
    """Name -> what builds it."""
    import keras
    from keras import layers

    def picture(side: int, channels: int, *body: Any) -> Any:
        return keras.Sequential([keras.Input((side, side, channels)), *body])

    def head(units: int) -> list[Any]:
        return [layers.GlobalAveragePooling2D(), layers.Dense(units)]

    def depthwise(filters: int) -> list[Any]:
        return [
            layers.DepthwiseConv2D(3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(filters, 1),
        ]

    def series(*body: Any) -> Any:
        return keras.Sequential([keras.Input((64, 3)), *body])

    return {
        "vgg": lambda: picture(
            28, 1, layers.Conv2D(16, 3), layers.MaxPooling2D(), layers.Conv2D(32, 3), *head(10)
        ),
        "rescaled": lambda: picture(
            32, 3, layers.Rescaling(1 / 255), layers.Conv2D(16, 3, strides=2), *head(10)
        ),
        "depthwise": lambda: picture(
            48, 3, layers.Conv2D(16, 3, strides=2), *depthwise(32), *depthwise(64), *head(4)
        ),
        "flat": lambda: picture(
            16, 3, layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(10)
        ),
        "separable": lambda: picture(
            32, 3, layers.SeparableConv2D(16, 3, activation="relu"), *head(5)
        ),
        "unet": lambda: picture(
            32,
            1,
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(4, 2, strides=2),
            layers.Conv2D(2, 1),
        ),
        "conv1d": lambda: series(
            layers.Conv1D(16, 5), layers.ReLU(), layers.GlobalAveragePooling1D(), layers.Dense(4)
        ),
        "lstm": lambda: series(layers.LSTM(16), layers.Dense(4)),
        "table": lambda: keras.Sequential(
            [keras.Input((13,)), layers.Dense(32, activation="relu"), layers.Dense(2)]
        ),
        "autoencoder": lambda: keras.Sequential(
            [keras.Input((128,)), layers.Dense(16, activation="relu"), layers.Dense(128)]
        ),
    }


def measure(folder: Path) -> list[dict[str, Any]]:
    """Converts each network once; one row each."""
    import keras

    rows = []
    for name, build in networks().items():
        keras.utils.set_random_seed(0)
        model = build()
        model.save(folder / f"{name}.keras")
        shape = (SAMPLES, *model.inputs[0].shape[1:])
        np.save(folder / f"{name}.npy", np.random.default_rng(0).uniform(-1, 1, shape))
        rows.append(_row(folder, name, model.count_params()))
        print(json.dumps(rows[-1]), flush=True)
    return rows


def _row(folder: Path, name: str, parameters: int) -> dict[str, Any]:
    words = ["convert", f"{name}.keras", "--data", f"{name}.npy", "--out", name]
    # Bounds on random networks mean nothing.
    words += ["--min_agreement", "0", "--max_error", "1e9", "--max_clipped", "1"]
    load, cpu, began = os.getloadavg()[0], _cpu_s(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "hintlite", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - began
    record = folder / name / "model" / "convert.json"
    if done.returncode or not record.is_file():
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    size = json.loads(record.read_text())["bytes"]["int8"]
    row = {"network": name, "parameters": parameters, "int8_bytes": size}
    took = {"seconds": round(wall, 2), "cpu_seconds": round(_cpu_s() - cpu, 2)}
    return row | took | {"load_before": round(load, 2)}


def _cpu_s() -> float:
    """What all processes that this one has waited for have taken of the cores."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Measures, prints and, where asked, writes the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="JSON file of the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hintlite-") as folder:
        rows = measure(Path(folder))
    slowest = max(row["seconds"] for row in rows)
    record = {"networks": rows, "slowest_s": slowest, "bound_s": BOUND_S, "samples": SAMPLES}
    text = json.dumps(record | provenance(COMMAND, LIBRARIES), indent=1) + "\n"
    print(text, end="")
    if arguments.out:
        arguments.out.write_text(text)
    return int(slowest > BOUND_S)


if __name__ == "__main__":
    sys.exit(main())
