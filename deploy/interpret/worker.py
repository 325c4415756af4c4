"""Native interpreters in a process of their own, which may die; it is then started anew.

The worker answers one request a line, on standard input and output; arrays go through files.
`Worker` is the side that asks. Nothing that a damaged model does to an interpreter reaches it.

    python -m hintlite.deploy.interpret.worker     (the worker itself)
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import resource
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.tflite.graph import ModelError

Array = NDArray[Any]
LIMIT_S = 120.0
_MEMORY_BYTES = 8 << 30


class WorkerDiedError(ModelError):
    """The process ended, or was ended because it took too long, before it answered."""


class WorkerAnswerError(ModelError):
    """The interpreter refused, and said why."""


class Worker:
    """Asks one process, started when it is first asked and again only after it has died.

    Args:
        limit_s: seconds that one request may take.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="hintlite-")
        self.starts = 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        self._stop()
        self._folder.cleanup()

    def fits(self, model: bytes, arena_bytes: int) -> bool:
        """Whether TFLM can run a model in an arena; a process that dies of it counts as no."""
        try:
            return bool(self.ask("fits", model, arena_bytes=arena_bytes)["fits"])
        except WorkerDiedError:
            return False

    def record(self, model: bytes, arena_bytes: int) -> str:
        """What TFLM's allocation record says of a model, as its interpreter prints it.

        Raises:
            ModelError: TFLM cannot run the model.
        """
        return str(self.ask("record", model, arena_bytes=arena_bytes)["text"])

    def tensors(
        self, interpreter: str, model: bytes, inputs: list[Array], indices: list[int]
    ) -> list[Array]:
        """Values of some tensors after one inference a sample.

        Args:
            interpreter: "tflm" or "litert" (its reference kernels).
            model: the file's bytes.
            inputs: one array [samples, ...] an input of the model.
            indices: tensors of the main graph.

        Returns:
            One array [samples, ...] a tensor.

        Raises:
            ModelError: the interpreter cannot run the model.
        """
        place = Path(self._folder.name) / "inputs.npz"
        np.savez(place, allow_pickle=False, **{f"i{n}": array for n, array in enumerate(inputs)})
        answer = self.ask(interpreter, model, inputs=str(place), indices=indices)
        with np.load(answer["outputs"], allow_pickle=False) as archive:
            return [archive[f"t{n}"] for n in range(len(indices))]

    def ask(self, what: str, model: bytes, **details: Any) -> dict[str, Any]:
        """One request, one answer.

        Raises:
            WorkerDiedError: it died or took too long.
            WorkerAnswerError: it answered with an error.
        """
        place = Path(self._folder.name) / "model.tflite"
        place.write_bytes(model)
        process = self._running()
        request = {"what": what, "model": str(place), **details}
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        answer = self._answer(process)
        if "error" in answer:
            raise WorkerAnswerError(answer["error"])
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self.starts += 1
            self._process = subprocess.Popen(
                # -P: what lies in the user's working folder must not be taken for a package.
                [sys.executable, "-P", "-m", "hintlite.deploy.interpret.worker", self._folder.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def _answer(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(self._limit_s) else None
        if line is None:
            self._stop()
            raise WorkerDiedError(f"the interpreter did not answer within {self._limit_s:g} s")
        if not line:
            code = process.wait()
            self._stop()
            raise WorkerDiedError(_last_words(code))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@cache
def shared_worker() -> Worker:
    """The one worker of this process, for whoever runs a model that may be damaged."""
    worker = Worker()
    atexit.register(worker.close)
    return worker


def _last_words(code: int) -> str:
    return f"the interpreter ended its process (code {code}) on this model"


def main(folder: Path) -> None:
    """The worker: answers until its input ends."""
    # A damaged model may ask for any amount of memory: it must not take the machine's.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    # What native code prints must not mix with the answers.
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = _HANDLERS[request["what"]](request, folder)
        except ImportError as error:
            answer = {"error": f"{error}: {sys.executable} -m pip install tflite-micro"}
        except Exception as error:  # an answer, whatever the interpreter's binding raised
            answer = {"error": " ".join(str(error).split())[:300] or type(error).__name__}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _interpreter(request: dict[str, Any], arena_bytes: int, keep: bool = False) -> Any:
    from tflite_micro import runtime

    config = runtime.InterpreterConfig
    return runtime.Interpreter.from_bytes(
        Path(request["model"]).read_bytes(),
        arena_size=arena_bytes,
        intrepreter_config=config.kPreserveAllTensors if keep else config.kAllocationRecording,
    )


def _fits(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    try:
        _interpreter(request, int(request["arena_bytes"])).invoke()
    except RuntimeError:
        return {"fits": False}
    return {"fits": True}


def _record(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    interpreter = _interpreter(request, int(request["arena_bytes"]))
    interpreter.invoke()
    with tempfile.TemporaryFile(dir=folder) as file, _stderr_to(file):
        interpreter.print_allocations()
        file.seek(0)
        text = file.read().decode("utf-8", "replace")
    return {"text": text}


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


def _inputs(request: dict[str, Any]) -> list[Array]:
    with np.load(request["inputs"], allow_pickle=False) as archive:
        return [archive[f"i{n}"] for n in range(len(archive.files))]


def _kept(values: list[list[Array]], folder: Path) -> dict[str, Any]:
    """Writes [sample][tensor] values as one array a tensor."""
    place = folder / "outputs.npz"
    stacked = {f"t{n}": np.stack(column) for n, column in enumerate(zip(*values, strict=True))}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **stacked)
    place.write_bytes(buffer.getvalue())
    return {"outputs": str(place)}


def _tflm(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    inputs = _inputs(request)
    interpreter = _interpreter(request, _generous(request), keep=True)
    rows = []
    for sample in range(len(inputs[0])):
        for number, array in enumerate(inputs):
            shape = interpreter.get_input_details(number)["shape"]
            interpreter.set_input(array[sample].reshape(shape), number)
        interpreter.invoke()
        found = [interpreter.GetTensor(index, 0)["tensor_data"] for index in request["indices"]]
        rows.append([np.array(value).reshape(-1) for value in found])
    return _kept(rows, folder)


def _generous(request: dict[str, Any]) -> int:
    """An arena in which no tensor shares its place with another."""
    from hintlite.deploy.tflite.flatbuffer import read_model
    from hintlite.deploy.tflite.graph import BITS

    graph = read_model(request["model"]).main
    activations = sum(
        t.elements * BITS.get(t.dtype, 64) // 8 + 64 for t in graph.tensors if not t.constant
    )
    return 2 * activations + 4096 * (len(graph.operators) + len(graph.tensors)) + (1 << 20)


def _litert(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    inputs = _inputs(request)
    interpreter = Interpreter(
        model_content=Path(request["model"]).read_bytes(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    rows = []
    for sample in range(len(inputs[0])):
        for detail, array in zip(details, inputs, strict=True):
            interpreter.set_tensor(detail["index"], array[sample].reshape(detail["shape"]))
        interpreter.invoke()
        found = [interpreter.get_tensor(index) for index in request["indices"]]
        rows.append([np.array(value).reshape(-1) for value in found])
    return _kept(rows, folder)


_HANDLERS: dict[str, Callable[[dict[str, Any], Path], dict[str, Any]]] = {
    "fits": _fits,
    "record": _record,
    "tflm": _tflm,
    "litert": _litert,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
