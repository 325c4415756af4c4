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
        shapes = [_batch_shape(layer) for layer in layers if layer["class_name"] == "InputLayer"]
    except _UNREADABLE:
        return None
    return shapes[0] if len(shapes) == 1 else None


def layer_names(path: Path) -> tuple[str, ...] | None:
    """The names of a network's layers in their order; those of nested models are left out.

    Args:
        path: of a `.keras` file.

    Returns:
        None where the file is missing, damaged or of another format.
    """
    try:
        return tuple(str(layer["config"]["name"]) for layer in _layers(path))
    except _UNREADABLE:
        return None


_UNREADABLE = (OSError, LookupError, ValueError, TypeError, zipfile.BadZipFile)


def _layers(path: Path) -> list[dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        found: list[dict[str, Any]] = json.loads(archive.read("config.json"))["config"]["layers"]
    return found


def _batch_shape(layer: dict[str, Any]) -> Sizes:
    return tuple(None if size is None else int(size) for size in layer["config"]["batch_shape"][1:])
