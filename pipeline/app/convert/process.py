"""What the process does that reads a foreign model: it may die, and takes TensorFlow along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hintlite.child import Tell
from hintlite.deploy.convert.float_file import FloatFile, read_float_file
from hintlite.deploy.convert.form import FLOAT, Form
from hintlite.models.saved_formats import saved_format

if TYPE_CHECKING:
    from hintlite.deploy.convert.frozen import Frozen
    from hintlite.pipeline.app.convert.foreign import Loaded

FLOAT_FILE, FILE = "float32.tflite", "converted.tflite"


@dataclass(eq=False)
class _Held:
    """What one process holds from request to request."""

    loaded: Loaded | None = None
    whole: Frozen | FloatFile | None = None
    rest: Frozen | FloatFile | None = None


_HELD = _Held()


def work(request: Mapping[str, Any], tell: Tell) -> Any:
    """Does what `hintlite.pipeline.app.convert.apart` asks for.

    Raises:
        HintliteError: it cannot be done.
    """
    del tell
    return _HANDLERS[request["what"]](request)


def _open(request: Mapping[str, Any]) -> dict[str, Any]:
    from hintlite.pipeline.app.convert.foreign import load
    from hintlite.pipeline.methods.outside import load_module

    for name in request["imports"]:
        load_module(name, "--imports")
    path = Path(request["model"])
    if saved_format(path) == "tflite":
        return _open_file(path)
    loaded = _HELD.loaded = load(path)
    return {
        "inputs": [asdict(each) for each in loaded.inputs],
        "left_out": list(loaded.left_out),
    }


def _open_file(path: Path) -> dict[str, Any]:
    file = _HELD.whole = read_float_file(path.read_bytes())
    inputs = [{"name": e.name, "sizes": e.shape, "dtype": e.dtype} for e in file.inputs]
    return {"inputs": inputs, "left_out": []}


def _trace(request: Mapping[str, Any]) -> dict[str, Any]:
    from hintlite.deploy.convert.front import split_fronts

    if _HELD.loaded is None:
        assert isinstance(_HELD.whole, FloatFile)
        _HELD.rest, fronts = _HELD.whole.split_fronts()
    else:
        whole = _HELD.whole = _HELD.loaded.traced(request["shapes"])
        _HELD.rest, fronts = split_fronts(whole)
    return {
        "inputs": [asdict(end) for end in _HELD.whole.inputs],
        "outputs": [asdict(end) for end in _HELD.whole.outputs],
        "fronts": [None if front is None else asdict(front) for front in fronts],
    }


def _answers(request: Mapping[str, Any]) -> None:
    assert _HELD.whole is not None
    found = _HELD.whole.answers(arrays(Path(request["samples"])))
    keep(Path(request["answers"]), found)


def _files(request: Mapping[str, Any]) -> None:
    from hintlite.deploy.convert.forms import to_file

    assert _HELD.rest is not None
    folder, form = Path(request["folder"]), Form(**request["form"])
    calibration = arrays(Path(request["calibration"]))
    if isinstance(_HELD.rest, FloatFile):
        (folder / FLOAT_FILE).write_bytes(_HELD.rest.content)
        (folder / FILE).write_bytes(_HELD.rest.to_file(form, calibration))
        return
    float_file = to_file(_HELD.rest, FLOAT)
    (folder / FLOAT_FILE).write_bytes(float_file)
    if form.precision == "int4":
        from hintlite.deploy.ptq.observe import observe
        from hintlite.deploy.ptq.static import Choices, to_integer

        seen = observe(float_file, _in_file_order(float_file, _HELD.rest, calibration))
        made = to_integer(float_file, seen, Choices(weight_bits=4))
    else:
        made = to_file(_HELD.rest, form, calibration)
    (folder / FILE).write_bytes(made)


def _in_file_order(
    content: bytes, network: Frozen, calibration: list[np.ndarray]
) -> list[np.ndarray]:
    """The samples of a network's inputs in the order and types in which its file has them."""
    from hintlite.deploy.convert.forms import input_names
    from hintlite.deploy.interpret.several import end_names
    from hintlite.deploy.tflite.flatbuffer import read_model

    fed = [
        np.ascontiguousarray(array, end.dtype)
        for array, end in zip(calibration, network.inputs, strict=True)
    ]
    if len(fed) == 1:
        return fed
    known = dict(zip(input_names(network.inputs), fed, strict=True))
    return [known[name] for name in end_names(read_model(content))[0]]


def keep(place: Path, found: list[np.ndarray]) -> None:
    """Writes arrays in their order."""
    np.savez(place, allow_pickle=False, **{f"a{n}": each for n, each in enumerate(found)})


def arrays(place: Path) -> list[np.ndarray]:
    """Reads what `keep` wrote."""
    with np.load(place, allow_pickle=False) as archive:
        return [archive[f"a{n}"] for n in range(len(archive.files))]


_HANDLERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "open": _open,
    "trace": _trace,
    "answers": _answers,
    "files": _files,
}
