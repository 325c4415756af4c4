"""Why Keras cannot load a `.keras` file: what the file says of itself, without running any of it.

A `.keras` file is a zip archive of config.json (the graph, each object with its class), of
metadata.json (the version of Keras) and of the weights.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

_HDF5 = b"\x89HDF"
_SHOWN = 5  # strange layers that a message names
_PYTHON = "__lambda__"  # how Keras names the class of a function that is stored as code


def load_failure(path: Path, error: Exception) -> str:
    """Why a file could not be loaded, and what to do.

    Args:
        path: of a file that Keras refused.
        error: what Keras raised.
    """
    if not zipfile.is_zipfile(path):
        return _no_archive(path)
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            version = str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (OSError, LookupError, ValueError, TypeError, zipfile.BadZipFile) as damage:
        return (
            f"{path} is damaged, or no .keras file ({_short(damage)}): copy it again, or save the "
            "model again with model.save('name.keras')."
        )
    if version.startswith("2."):
        return (
            f"{path} was saved by Keras {version}, whose files Keras 3 does not load: build the "
            "same network with Keras 3, give it the weights (model.load_weights of the old "
            "model's .weights.h5), and save it with model.save('name.keras')."
        )
    return _strange(path, config) or (
        f"{path} could not be loaded by Keras {keras.__version__}, it was saved by {version}: "
        f"{_short(error)} Load it with keras.saving.load_model where it was saved, and save it "
        "again with this version."
    )


def _no_archive(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(len(_HDF5))
    if start == _HDF5:
        return (
            f"{path} is an HDF5 file, not the zip archive that .keras stands for: name it .h5, "
            "load it with keras.saving.load_model, and save it with model.save('name.keras')."
        )
    return (
        f"{path} is not a .keras file, or was cut off ({path.stat().st_size} bytes, no zip "
        "archive): copy it again, or save the model again with model.save('name.keras')."
    )


def _strange(path: Path, config: Any) -> str | None:
    """About objects of the file whose code would be needed."""
    lambdas, foreign = [], []
    for name, entry in _objects(config, "the model"):
        if entry["class_name"] == _PYTHON:
            lambdas.append(name)
        elif _unknown(entry):
            foreign.append(f"{name} of the class {entry['class_name']} ({entry['module']})")
    if lambdas:
        return (
            f"{path} holds Python code, which is never run from a file: {_listed(lambdas)}. Put "
            "Keras' own layers (Rescaling, Activation, Normalization, ...) or operations of "
            "keras.ops in the place of the Lambda layer, and save the model again."
        )
    if foreign:
        return (
            f"{path} holds what Keras itself does not have: {_listed(foreign)}. Classes are not "
            "loaded from a file: name the module in which the class is decorated with "
            "@keras.saving.register_keras_serializable() (--imports my_module, found on "
            "PYTHONPATH), import it before calling hintlite from Python, or build the model of "
            "Keras' own layers and save it again."
        )
    return None


def _objects(part: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every serialized object, with the name of the layer that it belongs to."""
    if isinstance(part, list):
        for each in part:
            yield from _objects(each, name)
    elif isinstance(part, dict):
        inner = part.get("config")
        if isinstance(part.get("class_name"), str):
            if isinstance(inner, dict) and isinstance(inner.get("name"), str):
                name = repr(inner["name"])
            yield name, part
        for key, each in part.items():
            if key != "compile_config":
                yield from _objects(each, name)


def _unknown(entry: dict[str, Any]) -> bool:
    """Whether an object's class is neither Keras' own nor registered."""
    module, registered = entry.get("module"), entry.get("registered_name")
    if not isinstance(module, str) or module.split(".")[0] in ("keras", "builtins"):
        return False
    return keras.saving.get_registered_object(registered or entry["class_name"]) is None


def _listed(words: list[str]) -> str:
    words = list(dict.fromkeys(words))
    more = f", and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


def _short(error: Exception) -> str:
    """The innermost reason: Keras wraps it in the whole configuration."""
    text = str(error).rsplit("Exception encountered: ", 1)[-1]
    line = " ".join(text.split())[:300] or type(error).__name__
    return line if line.endswith(".") else f"{line}."
