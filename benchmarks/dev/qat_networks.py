"""Ten networks of `keras.applications`, which nobody here designed, through `hintlite qat`.

Each with random weights, batch normalization settled on some samples, and the smallest input that
it allows, for one short epoch on enlarged digits of scikit-learn. What is asked is whether a
network is carried over, becomes full INT8, and computes in the file what it computed in training;
accuracy says nothing here, and the bounds on it are off. Networks that the file has already, from
this machine and these libraries, are passed over; to measure one again, delete its row.

    python -m hintlite.benchmarks.dev.qat_networks --out docs/results/qat_networks.json
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hintlite.benchmarks.machine import processor
from hintlite.errors import HintliteError
from hintlite.files import write_whole
from hintlite.pipeline.app.run.context import commit
from hintlite.pipeline.app.run.folder import versions

SAMPLES, SETTLING = 320, 64
OPTIONS = (
    *("--data", "samples.npz", "--normalization", "signed", "--epochs", "1"),
    *("--learning_rate", "1e-4", "--batch_size", "32", "--freeze_norm_after", "0"),
    *("--calibration_samples", "64", "--min_agreement", "0", "--max_drop", "100"),
    *("--max_difference_steps", "1e9", "--min_conversion_agreement", "0", "--json"),
)
LIBRARIES = ("tensorflow", "keras", "tf_keras", "tensorflow-model-optimization", "ai-edge-litert")


FAULT = "this is a fault of hintlite"  # what a command says of an error that nobody foresaw


class NoOutcomeError(HintliteError):
    """A command that ended neither with a file nor with a refusal."""


@dataclass(frozen=True)
class Network:
    """One of keras.applications.

    Args:
        name: of its function there.
        side: height and width of the smallest input, in pixels.
        more: further arguments.
    """

    name: str
    side: int = 32
    more: tuple[tuple[str, Any], ...] = ()


NETWORKS = (
    Network("MobileNet"),
    Network("MobileNetV2"),
    Network("MobileNetV3Small"),
    Network("EfficientNetB0"),
    Network("ResNet50"),
    Network("ResNet50V2"),
    Network("DenseNet121"),
    Network("Xception", side=71),
    Network("VGG16"),
    Network("ConvNeXtTiny"),
)


def measure(network: Network) -> dict[str, Any]:
    """What became of one network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parameters = _write(network, folder)
        words = [sys.executable, "-m", "hintlite", "qat", "model.keras", *OPTIONS]
        begun = time.monotonic()
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, check=False, timeout=3600
        )
        seconds = round(time.monotonic() - begun, 1)
    row: dict[str, Any] = {"network": network.name, "side": network.side, "parameters": parameters}
    row["commit"] = commit()
    if done.returncode:
        _, told, said = done.stderr.rpartition("hintlite: ")
        if done.returncode != 1 or not told or FAULT in said:
            raise NoOutcomeError(f"{network.name}: code {done.returncode}: {done.stderr[-1000:]}")
        return row | {"full_int8": False, "refusal": " ".join(said.split()), "seconds": seconds}
    record = json.loads(done.stdout)
    qat = record["qat"]
    return row | {
        "full_int8": True,
        "refusal": None,
        "rebuilt_difference": qat["rebuilt_difference"],
        "max_difference_steps": qat["max_difference_steps"],
        "agreement": qat["agreement"],
        # Beside it: how often calibration alone, without any training, chooses as float does.
        "ptq_agreement": qat["calibrated"]["figures"]["agreement"],
        "best_epoch": qat["best_epoch"],
        "history": qat["history"],
        "bytes": record["bytes"]["int8"],
        "seconds": seconds,
    }


def _write(network: Network, folder: Path) -> int:
    """model.keras and samples.npz; returns the network's parameters."""
    import keras
    import numpy as np
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(0)
    shape = (network.side, network.side, 3)
    build = getattr(keras.applications, network.name)
    model = build(weights=None, input_shape=shape, classes=10, **dict(network.more))
    digits = load_digits()
    images = (digits.images[:SAMPLES] * (255 / 16)).astype(np.uint8)
    rows = np.arange(network.side) * 8 // network.side
    large = images[:, rows][:, :, rows, np.newaxis].repeat(3, axis=-1)
    np.savez(folder / "samples.npz", x=large, y=digits.target[:SAMPLES])
    _settle(model, large[:SETTLING].astype(np.float32) / 127.5 - 1.0)
    model.save(folder / "model.keras")
    parameters: int = model.count_params()
    keras.backend.clear_session()
    return parameters


def _settle(model: Any, images: Any) -> None:
    """Gives every batch normalization the statistics of these images.

    With those that a network is made with, activations vanish or explode on the way through
    dozens of layers of random weights, and nothing can be quantized.
    """
    import keras

    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(images, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def main() -> int:
    """Measures every network that the file does not have, and writes after each.

    Returns:
        1 if one ended neither with a file nor with a refusal, else 0.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="names of networks; all by default")
    options = parser.parse_args()
    facts = _facts()
    rows, failed = _known(options.out, facts), 0
    for network in NETWORKS:
        if network.name in rows or (options.only and network.name not in options.only):
            continue
        try:
            rows[network.name] = row = measure(network)
        except (NoOutcomeError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
            failed += 1
            continue
        print(row["network"], row["refusal"] or f"{row['max_difference_steps']:.1f} steps")
        order = [n.name for n in NETWORKS if n.name in rows]
        content = facts | {"networks": [rows[name] for name in order]}
        write_whole(options.out, json.dumps(content, indent=1) + "\n")
    print(table(list(rows.values())))
    return 1 if failed else 0


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| network | parameters | full INT8 | as the fake-quantized network | PTQ as float |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        name = f"{row['network']}, {row['side']}x{row['side']}"
        if row["refusal"]:
            lines.append(f"| {name} | {row['parameters']:,} | refused: {row['refusal']} | | |")
            continue
        calibrated = f"{row['ptq_agreement']:.0%}" if "ptq_agreement" in row else ""
        lines.append(
            f"| {name} | {row['parameters']:,} | yes, {row['bytes']:,} bytes "
            f"| {row['agreement']:.0%}, at most {row['max_difference_steps']:.0f} steps apart "
            f"| {calibrated} |"
        )
    return "\n".join(lines)


def _facts() -> dict[str, Any]:
    return {
        "command": "python -m hintlite.benchmarks.dev.qat_networks",
        "options": " ".join(OPTIONS),
        "machine": processor(),
        "system": platform.platform(),
        "versions": versions(LIBRARIES),
    }


def _known(path: Path, facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name -> row of a file that was made under the same conditions."""
    if not path.exists():
        return {}
    content = json.loads(path.read_text())
    if any(content.get(name) != value for name, value in facts.items()):
        return {}
    return {row["network"]: row for row in content["networks"]}


if __name__ == "__main__":
    sys.exit(main())
