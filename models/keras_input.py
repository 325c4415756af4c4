"""What a `.keras` file takes, from its own words: nothing of it is loaded, and no Keras either."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

Sizes = tuple[int | None, ...]


def input_sizes(path: Path) -> Sizes | None:
    """The shape of one sample that a network of one input takes.

    Args:
        path: of a `.keras` file, a zip archive with config.json.

    Returns:
        (h, w, c) for images, None for each size that the network leaves open; None where the file
        is missing, damaged, of another format, or has several inputs: whoever loads it says so.
    """
    try:
        layers = _layers(path)
        shapes = [_batch_shape(layer) for layer in layers if _is_input(layer)]
    except _UNREADABLE:
        return None
    return shapes[0] if len(shapes) == 1 else None


def outputs_by_name(path: Path) -> tuple[str, ...]:
    """The names of a network's outputs, where they have any.

    Args:
        path: of a `.keras` file.
    """
    try:
        outputs = _model(path)["output_layers"]
    except _UNREADABLE:
        return ()
    return tuple(outputs) if isinstance(outputs, dict) else ()


def missing_layer(path: Path, place: str) -> tuple[str, tuple[str, ...]] | None:
    """What is certainly wrong with the path of a layer, such as "base/block_1_conv".

    Args:
        path: of a `.keras` file.
        place: the layer's name, with the names of the nested models before it.

    Returns:
        The path up to the first name that is not there, and the paths of the layers that stand
        where it was looked for; None where each name is there, or the file does not tell.
    """
    before = ""
    try:
        layers = _layers(path)
        for name in place.split("/"):
            known = {each["config"]["name"]: each for each in layers if not _is_input(each)}
            if name not in known:
                return before + name, tuple(before + each for each in known)
            layers = _nested(known[name])
            before += f"{name}/"
    except _UNREADABLE:
        return None
    return None


def _nested(layer: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers of a nested model; of Keras' other layers none can be named."""
    if "layers" not in layer["config"] and layer.get("module", "").partition(".")[0] == "keras":
        return []
    found: list[dict[str, Any]] = layer["config"]["layers"]
    return found


def _is_input(layer: dict[str, Any]) -> bool:
    return bool(layer["class_name"] == "InputLayer")


_UNREADABLE = (OSError, LookupError, ValueError, TypeError, zipfile.BadZipFile)


def _model(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        found: dict[str, Any] = json.loads(archive.read("config.json"))["config"]
    return found


def _layers(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _model(path)["layers"]
    return found


def _batch_shape(layer: dict[str, Any]) -> Sizes:
    return tuple(None if size is None else int(size) for size in layer["config"]["batch_shape"][1:])
