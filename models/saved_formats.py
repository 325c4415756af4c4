"""In which format, and by which Keras, a model was saved: read from what it says of itself."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Literal

from hintlite.errors import NetworkError

Format = Literal["keras", "keras2", "saved_model", "tflite"]
FORMATS = "a .keras or .h5 file, a SavedModel folder or a float .tflite file"


def saved_format(path: Path) -> Format:
    """What has to read a model.

    Args:
        path: of a file or folder that is there.

    Returns:
        "keras" for `.keras` and `.h5` files of Keras 3, "keras2" for those of Keras 2.

    Raises:
        NetworkError: none of these formats, or a damaged file.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "saved_model"
        raise NetworkError(f"{path} is a folder without saved_model.pb; expected {FORMATS}")
    if path.suffix == ".tflite":
        return "tflite"
    if path.suffix in (".h5", ".hdf5"):
        return "keras2" if _h5_version(path).startswith("2.") else "keras"
    if path.suffix == ".keras":
        return "keras2" if _zip_version(path).startswith("2.") else "keras"
    raise NetworkError(f"{path}: expected {FORMATS}")


def _zip_version(path: Path) -> str:
    """The version of Keras; empty where the file does not tell: its reader says why."""
    try:
        with zipfile.ZipFile(path) as archive:
            return str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (OSError, LookupError, ValueError, TypeError, zipfile.BadZipFile):
        return ""


def _h5_version(path: Path) -> str:
    import h5py

    try:
        with h5py.File(path) as file:
            if "model_config" not in file.attrs:
                raise NetworkError(
                    f"{path} holds weights and no layers: save the whole model, "
                    "model.save('mine.keras')"
                )
            version = file.attrs.get("keras_version", b"")
    except OSError as error:
        raise NetworkError(
            f"{path} is no HDF5 file, or is damaged ({error}): copy it again, or save the model "
            "again with model.save('mine.keras')"
        ) from error
    return version.decode() if isinstance(version, bytes) else str(version)
