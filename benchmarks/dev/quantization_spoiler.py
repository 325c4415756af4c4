"""A trained maxout student made hard to quantize, without changing what it computes.

Maxima, of pieces and of pools, pass a positive factor on. So one channel of a maxout layer can be
given `factor` times its values, in the kernels and biases of all its pieces, if the next layer's
kernels divide what they read of it: the logits stay as they are, and all other channels of that
map get `factor` times fewer of the 255 steps of its INT8 tensor. It is what training leaves behind
at times (Nagel et al. 2019, arXiv 1906.04721, section 3), in a dose that can be chosen.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hintlite.errors import NetworkError
from hintlite.files import folder_aside, write_whole
from hintlite.models.graph import model_nodes
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.context import Context, load_network
from hintlite.pipeline.app.run.folder import RunFolder, hashes
from hintlite.pipeline.app.run.stages.post_training import UNCHANGED
from hintlite.pipeline.app.settings.text import read_config
from hintlite.pipeline.runs.layout import RECORD, SETTINGS

LAYER = "layer2"  # read by the third layer, with no pool between them
NOTED = "spoiled.json"  # in the run folder: what was done
_THROUGH = (keras.layers.MaxPooling2D, keras.layers.ZeroPadding2D)


def spoiled(network: keras.Model, layer: str, channel: int, factor: float) -> keras.Model:
    """A copy of a network in which one channel of a maxout layer has `factor` times its values.

    Args:
        network: functional; it is not changed.
        layer: name of a Maximum of linear convolutions, read through max pools and padding by
            convolutions alone.
        channel: of its output.
        factor: above 0.

    Returns:
        The copy; it computes what `network` does.

    Raises:
        NetworkError: something else writes or reads the layer, or the factor is not above 0.
    """
    if factor <= 0:
        raise NetworkError(f"a maximum passes on factors above 0 alone, got {factor}")
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    writers, readers = _neighbours(copy, layer)
    for writer in writers:
        kernel, *bias = (np.array(each) for each in writer.get_weights())
        kernel[..., channel] *= factor
        for each in bias:
            each[channel] *= factor
        writer.set_weights([kernel, *bias])
    for reader in readers:
        kernel, *bias = (np.array(each) for each in reader.get_weights())
        kernel[:, :, channel] /= factor
        reader.set_weights([kernel, *bias])
    return copy


def widest_channel(network: keras.Model, layer: str, images: np.ndarray) -> int:
    """The channel of a layer with the largest magnitude: its factor is that of the whole map."""
    ranges = np.abs(_map(network, layer, images)).max(axis=(0, 1, 2))
    return int(ranges.argmax())


def difference(before: np.ndarray, after: np.ndarray) -> float:
    """Largest difference of a logit, as a share of their range."""
    return float(np.abs(after - before).max() / max(float(np.ptp(before)), 1e-12))


def spoil(source: Path, target: Path, factor: float) -> dict[str, Any]:
    """A run folder like another, whose students are spoiled; what is there already stays.

    Args:
        source: run folder with the stages data, teacher and distill.
        target: where the copy goes; appears whole.
        factor: of the channel.

    Returns:
        Arm -> what was done to its student.

    Raises:
        NetworkError: the student cannot be spoiled, or would compute something else.
    """
    config = read_config(source / SETTINGS)
    teachers = json.dumps(RunFolder(source).outputs("teacher/0"), sort_keys=True)
    wanted: dict[str, Any] = {"factor": factor, "layer": LAYER, "teacher": teachers}
    wanted["students"] = {arm: RunFolder(source).outputs(f"distill/{arm}") for arm in config.arms}
    noted = target / NOTED
    if noted.exists():
        known: dict[str, Any] = json.loads(noted.read_text())
        if known["made_from"] == wanted:
            arms: dict[str, Any] = known["arms"]
            return arms
    with folder_aside(target) as aside:
        for name in ("data", "teacher", "distill"):
            shutil.copytree(source / name, aside / name)
        shutil.copy(source / "settings.yaml", aside)
        images = _images(source)
        arms = {arm: _spoil_student(aside / "distill" / arm, images, factor) for arm in config.arms}
        write_whole(aside / NOTED, json.dumps({"made_from": wanted, "arms": arms}, indent=1))
        shutil.rmtree(target, ignore_errors=True)
    return arms


def _spoil_student(place: Path, images: np.ndarray, factor: float) -> dict[str, Any]:
    network = load_network(place / "student.keras")
    channel = widest_channel(network, LAYER, images)
    changed = spoiled(network, LAYER, channel, factor)
    moved = difference(_logits(network, images), _logits(changed, images))
    if moved > UNCHANGED:
        raise NetworkError(
            f"{place}: a logit moves by {moved:.2e} of the logits' range, expected at most "
            f"{UNCHANGED:g}: take a smaller factor than {factor:g}"
        )
    changed.save(place / "student.keras")
    # The stage's key says what the student was trained from, which still holds. Its outputs are
    # brought up to date, so that this folder is whole and the stages after it are made from the
    # spoiled weights: their keys have these hashes.
    record = json.loads((place / RECORD).read_text())
    record["outputs"] = hashes(place)
    write_whole(place / RECORD, json.dumps(record, indent=1, sort_keys=True))
    maps = (_map(each, LAYER, images) for each in (network, changed))
    before, after = (float(np.abs(each).max()) for each in maps)
    return {
        "channel": channel,
        "largest_value_before": before,
        "largest_value_after": after,
        "largest_difference": moved,
    }


def _images(source: Path) -> np.ndarray:
    """The validation images, as the networks are fed."""
    config = read_config(source / SETTINGS)
    data = Context(config, RunFolder(source), Terminal()).data
    return np.asarray(data.normalized(data.validation))


def _neighbours(network: keras.Model, layer: str) -> tuple[list[Any], list[Any]]:
    """The convolutions that write a maxout layer, and those that read it.

    Raises:
        NetworkError: there are others.
    """
    nodes = model_nodes(network)
    found = [node for node in nodes if node.operation.name == layer]
    if len(found) != 1 or not isinstance(found[0].operation, keras.layers.Maximum):
        raise NetworkError(f"expected one Maximum called {layer!r} in {network.name!r}")
    writers = [node.operation for node in found[0].parent_nodes]
    readers: list[Any] = []
    open_ends = list(found)
    while open_ends:
        end = open_ends.pop()
        following = [n for n in nodes if any(p is end for p in n.parent_nodes)]
        if not following:
            raise NetworkError(f"{layer!r} is read by the network's output: it cannot be spoiled")
        for node in following:
            (open_ends if isinstance(node.operation, _THROUGH) else readers).append(node)
    _require_linear([*writers, *(node.operation for node in readers)], layer)
    return writers, [node.operation for node in readers]


def _require_linear(layers: list[Any], name: str) -> None:
    for layer in layers:
        plain = type(layer) is keras.layers.Conv2D and layer.groups == 1
        if not plain or layer.activation is not keras.activations.linear:
            raise NetworkError(
                f"{name!r} is written or read by {layer.name!r} ({type(layer).__name__}): expected "
                "convolutions without activation alone"
            )


def _map(network: keras.Model, layer: str, images: np.ndarray) -> np.ndarray:
    part = keras.Model(network.inputs, network.get_layer(layer).output)
    return np.asarray(part.predict(images, verbose=0))


def _logits(network: keras.Model, images: np.ndarray) -> np.ndarray:
    return np.asarray(network.predict(images, verbose=0))


def main() -> None:
    """Spoils the students of one run folder and prints what was done."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--factor", type=float, required=True)
    options = parser.parse_args()
    print(json.dumps(spoil(options.source, options.target, options.factor)))


if __name__ == "__main__":
    main()
