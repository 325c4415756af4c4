"""Native interpreters in a process of their own, which may die; it is then started anew.

`Worker` is the side that asks, `hintlite.deploy.interpret.answers` the one that answers; arrays go
through files. Nothing that a damaged model does to an interpreter reaches this process.
"""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.child import Child, ChildError, DiedError, memory_share
from hintlite.deploy.interpret.runtime import Progress
from hintlite.deploy.tflite.graph import ModelError
from hintlite.errors import FAILED

Array = NDArray[Any]
LIMIT_S = 120.0
EXPLAIN_LIMIT_S = 600.0  # of a hundred inferences of a large model
ANSWERS = "hintlite.deploy.interpret.answers:answer"


class WorkerDiedError(ModelError):
    """The process ended, or was ended at a limit, before it answered."""

    exit_code = FAILED


class WorkerAnswerError(ModelError):
    """The interpreter refused, and said why."""


class Worker:
    """Asks one process, started when it is first asked and again only after it has died.

    Args:
        limit_s: the longest silence before an answer, or before the next word about progress.
        memory_bytes: what the process may take; by default three quarters of the machine's.
    """

    def __init__(self, limit_s: float = LIMIT_S, memory_bytes: int | None = None) -> None:
        self._child = Child(
            ANSWERS,
            name="the interpreter",
            limit_s=limit_s,
            memory_bytes=memory_bytes or memory_share(),
        )
        self._folder = tempfile.TemporaryDirectory(prefix="hintlite-")

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        self._child.close()
        self._folder.cleanup()

    @property
    def starts(self) -> int:
        """How often the process was started."""
        return self._child.starts

    def fits(self, model: bytes, arena_bytes: int) -> bool:
        """Whether TFLM can run a model in an arena; a process that dies of it counts as no."""
        try:
            return bool(self.ask("fits", model, arena_bytes=arena_bytes))
        except WorkerDiedError:
            return False

    def record(self, model: bytes, arena_bytes: int) -> str:
        """What TFLM's allocation record says of a model, as its interpreter prints it.

        Raises:
            ModelError: TFLM cannot run the model.
        """
        return str(self.ask("record", model, arena_bytes=arena_bytes))

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
        arrays = {f"i{n}": array for n, array in enumerate(inputs)}
        place = self.ask(interpreter, model, inputs=self._keep(arrays), indices=indices)
        with np.load(place, allow_pickle=False) as archive:
            return [archive[f"t{n}"] for n in range(len(indices))]

    def predict(
        self,
        model: bytes,
        samples: NDArray[np.float32],
        kernels: str = "xnnpack",
        threads: int = 1,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """What `Runner(model, kernels, threads).predict(samples)` gives, for a foreign file.

        Args, Raises: see `Runner`; a process that dies is a ModelError, too.
        """
        place = self.ask(
            "predict",
            model,
            progress,
            inputs=self._keep({"x": np.asarray(samples, np.float32)}),
            kernels=kernels,
            threads=threads,
        )
        with np.load(place, allow_pickle=False) as archive:
            outputs: NDArray[np.float32] = archive["outputs"]
        return outputs

    def explain(
        self,
        float_file: bytes,
        int8_file: bytes,
        samples: NDArray[np.float32],
        labels: NDArray[np.int64] | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """What `hintlite.deploy.explain.explain` gives, as plain data, for foreign files.

        Args, Raises: see there; a process that dies is a ModelError, too.
        """
        (Path(self._folder.name) / "int8.tflite").write_bytes(int8_file)
        arrays = {"x": samples} | ({} if labels is None else {"y": labels})
        found: dict[str, Any] = self.ask("explain", float_file, progress, inputs=self._keep(arrays))
        return found

    def _keep(self, arrays: dict[str, Array]) -> str:
        """Writes arrays where the process reads them; the path of the file."""
        place = Path(self._folder.name) / "inputs.npz"
        np.savez(place, allow_pickle=False, **arrays)
        return str(place)

    def ask(self, what: str, model: bytes, progress: Progress | None = None, **details: Any) -> Any:
        """One request, one answer.

        Raises:
            WorkerDiedError: it died, took too long or needed too much memory.
            WorkerAnswerError: it answered with an error.
        """
        folder = Path(self._folder.name)
        (folder / "model.tflite").write_bytes(model)
        request = {"what": what, "folder": str(folder), **details}
        try:
            return self._child.ask(request, lambda told: progress and progress(*told))
        except DiedError as error:
            said = [line for line in error.last if not line.startswith("INFO:")][-1:]
            last = f" ({said[0]})" if said else ""
            raise WorkerDiedError(
                f"{error}{last}: the model is damaged, or it and its samples are too large for "
                "this machine."
            ) from error
        except ChildError as error:
            raise WorkerAnswerError(str(error)) from error


@cache
def shared_worker() -> Worker:
    """The one worker of this process, for whoever runs a model that may be damaged."""
    worker = Worker()
    atexit.register(worker.close)
    return worker
