"""The form of a bundle's manifest.json, and reading one that somebody else wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.errors import WRONG_USE, HintliteError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = "hintlite-bundle"
VERSION = 1
MANIFEST = "manifest.json"
LABELS = "labels.txt"
SAMPLES = "samples.npz"
BENCH_SCRIPT = "bench_tflite.py"
PREDICT_SCRIPT = "predict.py"
VALUES_SCRIPT = "values.py"
RAW_DTYPES = ("uint8", "float32")

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TABLES = ("task", "normalization", "models", "samples", "files", "provenance")


class BundleError(HintliteError):
    """A folder that is no bundle, a damaged bundle, or contents that cannot become one."""

    exit_code = WRONG_USE


def is_plain_name(name: object) -> bool:
    """True for a file name without folder, of letters, digits, dot, dash and underscore."""
    return isinstance(name, str) and bool(_PLAIN_NAME.fullmatch(name)) and name != MANIFEST


def normalization_entry(normalization: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says of the way from raw values to a model's input.

    Args:
        normalization: "mean", "std" and "raw_dtype", and "raw_max" where it is known.
    """
    return {
        "mean": [float(value) for value in normalization["mean"]],
        "std": [float(value) for value in normalization["std"]],
        "raw_dtype": normalization["raw_dtype"],
        "raw_max": normalization.get("raw_max"),
    }


def choices(outputs: NDArray[Any], limit: float | None) -> NDArray[np.int64]:
    """Class indices [n] of stored outputs [n, classes], or [n, 1] where one output tells two.

    Args:
        outputs: in the model's own numbers.
        limit: "threshold" of the model's output in the manifest: above it the second class is
            meant; None where the largest output is chosen.
    """
    if limit is None:
        return outputs.argmax(axis=1)
    return (outputs.reshape(len(outputs)) > limit).astype("int64")


def limit_of(manifest: Mapping[str, Any], model: str) -> float | None:
    """The `limit` of `choices` for a model of a bundle."""
    found: float | None = manifest["models"].get(model, {}).get("output", {}).get("threshold")
    return found


def inputs_of(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The inputs of a bundle's models, in the order in which its files have them.

    Each has a "name", a "shape" without the batch, and its "normalization".
    """
    found: list[dict[str, Any]] | None = manifest["task"].get("inputs")
    return found or [
        {
            "name": "input",
            "shape": manifest["task"]["input_shape"],
            "normalization": manifest["normalization"],
        }
    ]


def answer_of(manifest: Mapping[str, Any]) -> int | None:
    """Which output of the files chooses a class; None where none does."""
    task = manifest["task"]
    found: int | None = task.get("answer") if "inputs" in task else 0
    return found


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """A bundle's manifest, its form checked; the files themselves are `check_bundle`'s.

    Args:
        folder: the bundle.

    Raises:
        BundleError: no manifest, no JSON, another format or version, a table that is missing or
            malformed, a file name with a folder in it.
    """
    path = Path(folder) / MANIFEST
    if path.is_symlink():
        raise BundleError(f"{path} is a symbolic link; a bundle holds plain files only.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            f"{folder} is no bundle: cannot read {MANIFEST} ({error.strerror})."
        ) from (error)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not JSON ({error}): copy the bundle again.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BundleError(f"{path} is no bundle's manifest: its format is not '{FORMAT}'.")
    if manifest.get("version") != VERSION:
        raise BundleError(
            f"{path} has version {manifest.get('version')!r}, expected {VERSION}: read the bundle "
            "with the release of hintlite that wrote it."
        )
    for problem in manifest_problems(manifest):
        raise BundleError(f"{path}: {problem}")
    return manifest


def manifest_problems(manifest: dict[str, Any]) -> list[str]:
    """Everything that is wrong with the tables of a manifest of the right version."""
    problems = [
        f"'{key}' is missing or no table." for key in _TABLES if not _is_table(manifest.get(key))
    ]
    return problems or [
        *_file_problems(manifest["files"]),
        *_reference_problems(manifest),
        *_task_problems(manifest),
    ]


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _file_problems(files: dict[str, Any]) -> list[str]:
    problems = []
    for name, entry in files.items():
        if not is_plain_name(name):
            problems.append(f"the file name {name!r} is not plain: a bundle is a flat folder.")
        elif not (
            _is_table(entry)
            and isinstance(entry.get("bytes"), int)
            and isinstance(entry.get("sha256"), str)
            and _SHA256.fullmatch(entry["sha256"])
        ):
            problems.append(f"'files' has no sha256 and size for {name}.")
    return problems


def _reference_problems(manifest: dict[str, Any]) -> list[str]:
    """Every file that another table names stands in 'files'."""
    named = [*manifest["models"], manifest["samples"].get("file"), LABELS]
    problems = [
        f"{name!r} is not in 'files'."
        for name in named
        if not isinstance(name, str) or name not in manifest["files"]
    ]
    if not manifest["models"] or not all(map(_is_table, manifest["models"].values())):
        problems.append("'models' names no model, or one without a table.")
    return problems


def _task_problems(manifest: dict[str, Any]) -> list[str]:
    task = manifest["task"]
    labels, further = task.get("labels"), task.get("inputs")
    problems = _input_problems(task.get("input_shape"), manifest["normalization"])
    if further is not None:
        if not (_is_list(further, dict) and further):
            return [*problems, "'inputs' must be a list of tables, one an input."]
        for each in further:
            if not (isinstance(each.get("name"), str) and _is_table(each.get("normalization"))):
                problems.append("each of 'inputs' needs a 'name' and a 'normalization'.")
            else:
                problems += _input_problems(each.get("shape"), each["normalization"])
    if "threshold" in task and (not _is_list(labels, str) or len(labels) != 2):
        problems.append("'threshold' is for one output that tells two labels apart.")
    # Files that choose nothing have no labels.
    if not _is_list(labels, str) or not (labels or further):
        problems.append("'labels' must be a list of strings.")
    if further is not None and bool(labels) != isinstance(task.get("answer"), int):
        problems.append("'answer' must be the number of the output that 'labels' are of.")
    return problems


def _input_problems(shape: Any, normalization: dict[str, Any]) -> list[str]:
    problems = []
    if not (_is_list(shape, int) and shape):
        problems.append(
            f"'input_shape' must be [h, w, c], [time, c], [c] or of more sizes, got {shape!r}."
        )
    elif any(
        not _is_list(normalization.get(key), int | float) or len(normalization[key]) != shape[-1]
        for key in ("mean", "std")
    ):
        problems.append(f"'normalization' needs {shape[-1]} numbers each in 'mean' and 'std'.")
    if normalization.get("raw_dtype") not in RAW_DTYPES:
        problems.append(f"'raw_dtype' must be one of {', '.join(RAW_DTYPES)}.")
    most = normalization.get("raw_max")
    if most is not None and not (isinstance(most, (int, float)) and most > 0):
        problems.append(f"'raw_max' must be a positive number or null, got {most!r}.")
    return problems


def _is_list(value: object, kind: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
