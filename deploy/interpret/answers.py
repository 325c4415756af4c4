"""What a process of its own does with a model and native interpreters (see `worker`).

A request names a folder, which holds the model and takes the arrays of the answer.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hintlite.child import Tell
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.tflite.graph import ModelError
from hintlite.errors import HintliteError

Array = NDArray[Any]
_PAUSE_S = 0.2  # between two words about progress


def answer(request: dict[str, Any], tell: Tell) -> Any:
    """Does what a request asks for.

    Raises:
        HintliteError: it cannot be done; whatever an interpreter's binding raised is a ModelError.
    """
    try:
        return _HANDLERS[request["what"]](request, _sparing(tell))
    except (HintliteError, MemoryError):
        raise
    except ImportError as error:
        raise ModelError(f"{error}: {sys.executable} -m pip install tflite-micro") from error
    except Exception as error:
        raise ModelError(" ".join(str(error).split())[:300] or type(error).__name__) from error


def _sparing(tell: Tell) -> Callable[[int, int], None]:
    """Progress, told at most a few times a second."""
    told = -_PAUSE_S

    def progress(done: int, total: int) -> None:
        nonlocal told
        if done == total or time.monotonic() - told > _PAUSE_S:
            told = time.monotonic()
            tell([done, total])

    return progress


def _model(request: dict[str, Any]) -> bytes:
    return (Path(request["folder"]) / "model.tflite").read_bytes()


def _interpreter(request: dict[str, Any], arena_bytes: int, keep: bool = False) -> Any:
    from tflite_micro import runtime

    config = runtime.InterpreterConfig
    return runtime.Interpreter.from_bytes(
        _model(request),
        arena_size=arena_bytes,
        intrepreter_config=config.kPreserveAllTensors if keep else config.kAllocationRecording,
    )


def _fits(request: dict[str, Any], _: Any) -> bool:
    try:
        _interpreter(request, int(request["arena_bytes"])).invoke()
    except RuntimeError:
        return False
    return True


def _record(request: dict[str, Any], _: Any) -> str:
    interpreter = _interpreter(request, int(request["arena_bytes"]))
    interpreter.invoke()
    with tempfile.TemporaryFile(dir=request["folder"]) as file, _stderr_to(file):
        interpreter.print_allocations()
        file.seek(0)
        return file.read().decode("utf-8", "replace")


@contextlib.contextmanager
def _stderr_to(file: IO[bytes]) -> Iterator[None]:
    """Catches what C code writes to standard error."""
    before = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def _arrays(request: dict[str, Any]) -> dict[str, Array]:
    with np.load(request["inputs"], allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _inputs(request: dict[str, Any]) -> list[Array]:
    arrays = _arrays(request)
    return [arrays[f"i{n}"] for n in range(len(arrays))]


def _kept(request: dict[str, Any], arrays: dict[str, Array]) -> str:
    """Writes the arrays of an answer; the path of the file."""
    place = Path(request["folder"]) / "outputs.npz"
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    place.write_bytes(buffer.getvalue())
    return str(place)


def _stacked(request: dict[str, Any], rows: list[list[Array]]) -> str:
    """Writes [sample][tensor] values as one array a tensor."""
    columns = enumerate(zip(*rows, strict=True))
    return _kept(request, {f"t{n}": np.stack(column) for n, column in columns})


def _tflm(request: dict[str, Any], _: Any) -> str:
    inputs = _inputs(request)
    interpreter = _interpreter(request, _generous(request), keep=True)
    rows = []
    for sample in range(len(inputs[0])):
        interpreter.reset()
        for number, array in enumerate(inputs):
            shape = interpreter.get_input_details(number)["shape"]
            interpreter.set_input(array[sample].reshape(shape), number)
        interpreter.invoke()
        found = [interpreter.GetTensor(index, 0)["tensor_data"] for index in request["indices"]]
        rows.append([np.array(value).reshape(-1) for value in found])
    return _stacked(request, rows)


def _generous(request: dict[str, Any]) -> int:
    """An arena in which no tensor shares its place with another."""
    from hintlite.deploy.tflite.flatbuffer import read_model
    from hintlite.deploy.tflite.graph import BITS

    graph = read_model(_model(request)).main
    activations = sum(
        t.elements * BITS.get(t.dtype, 64) // 8 + 64 for t in graph.tensors if not t.constant
    )
    return 2 * activations + 4096 * (len(graph.operators) + len(graph.tensors)) + (1 << 20)


def _litert(request: dict[str, Any], _: Any) -> str:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    inputs = _inputs(request)
    interpreter = Interpreter(
        model_content=_model(request),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    rows = []
    for sample in range(len(inputs[0])):
        interpreter.reset_all_variables()
        for detail, array in zip(details, inputs, strict=True):
            interpreter.set_tensor(detail["index"], array[sample].reshape(detail["shape"]))
        interpreter.invoke()
        found = [interpreter.get_tensor(index) for index in request["indices"]]
        rows.append([np.array(value).reshape(-1) for value in found])
    return _stacked(request, rows)


def _predict(request: dict[str, Any], progress: Callable[[int, int], None]) -> str:
    runner = Runner(_model(request), request["kernels"], request["threads"])
    return _kept(request, {"outputs": runner.predict(_arrays(request)["x"], progress)})


def _explain(request: dict[str, Any], progress: Callable[[int, int], None]) -> dict[str, Any]:
    from hintlite.deploy.explain.explain import explain

    arrays = _arrays(request)
    int8 = (Path(request["folder"]) / "int8.tflite").read_bytes()
    found = explain(_model(request), int8, arrays["x"], arrays.get("y"), progress=progress)
    return found.to_dict()


_HANDLERS: dict[str, Callable[[dict[str, Any], Callable[[int, int], None]], Any]] = {
    "fits": _fits,
    "record": _record,
    "tflm": _tflm,
    "litert": _litert,
    "predict": _predict,
    "explain": _explain,
}
