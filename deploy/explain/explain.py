"""Where the error of an INT8 file comes from, operator by operator.

Each operator's output is compared with the float network's, and each is kept in float alone, in a
simulation of the file (`simulate.py`) that is itself compared with the file.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.explain.agreement import agreement
from hintlite.deploy.explain.findings import find
from hintlite.deploy.explain.match import Matching, match
from hintlite.deploy.explain.names import layer_name
from hintlite.deploy.explain.noise import TensorFigures, TensorNoise
from hintlite.deploy.explain.ranges import INPUT
from hintlite.deploy.explain.regain import Regained, regained
from hintlite.deploy.explain.result import Explained, Explanation
from hintlite.deploy.explain.simulate import Simulator
from hintlite.deploy.explain.weights import weight_figures
from hintlite.deploy.interpret.runtime import Progress, Runner
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Array, Model, ModelError
from hintlite.errors import DataError

BATCH_BYTES = 1 << 24  # of float activations that are held at a time
LARGEST_REFERENCE_ERROR = 1e-3


def explain(
    float_file: bytes,
    int8_file: bytes,
    samples: NDArray[np.float32],
    labels: NDArray[np.int64] | None = None,
    *,
    progress: Progress | None = None,
) -> Explanation:
    """Compare an INT8 file with the float file of the same network, operator by operator.

    Args:
        float_file: the bytes of the float `.tflite` file.
        int8_file: the bytes of the INT8 one.
        samples: [n, h, w, c] float32, normalised as in training; validation data.
        labels: [n] class indices; without them the choices of the float file count as right.
        progress: called with (inferences done, inferences in all).

    Raises:
        ModelError: a file is damaged, is not quantized, or cannot be taken apart.
        DataError: no samples, or another number of labels.
    """
    if len(samples) == 0 or (labels is not None and labels.shape != (len(samples),)):
        raise DataError(
            f"Expected at least 1 sample and one label a sample, got {len(samples)} samples"
            + ("." if labels is None else f" and labels of shape {list(labels.shape)}.")
        )
    return _Measurement(float_file, int8_file, samples, labels, progress).run()


class _Measurement:
    """The files and samples of one explanation, and what was measured so far."""

    def __init__(
        self,
        float_file: bytes,
        int8_file: bytes,
        samples: NDArray[np.float32],
        labels: NDArray[np.int64] | None,
        progress: Progress | None,
    ) -> None:
        self.samples, self.given, self._report = samples, labels, progress
        self.float_file = float_file
        self.model: Model = read_model(int8_file)
        self.graph = self.model.main
        self.matching: Matching = match(read_model(float_file).main, self.graph)
        self.simulator = Simulator(self.model, self.matching.weights)
        if not self.simulator.sources:
            raise ModelError("The second file rounds nothing: give the INT8 file there.")
        self._done, self._total = 0, len(samples) * (4 + len(self.simulator.sources))

    def run(self) -> Explanation:
        """Everything, in the order that lets the simplest errors show first."""
        float_logits = self._predict(self.float_file)
        deployed = self._predict(self.model.content)
        figures, exact, int8 = self._tensors()
        simulated = self._predict(self.simulator.all_simulated().content)
        labels = self.given if self.given is not None else np.argmax(float_logits, axis=1)
        step = Runner(self.model.content, "builtin").output.scale
        agrees = agreement(exact, int8, simulated, step)
        gains = self._regained(labels, exact, deployed) if agrees.trusted else {}
        operators = tuple(self._explained(index, figures[index], gains) for index in figures)
        error = float(np.max(np.abs(exact - float_logits)) / max(np.ptp(float_logits), 1e-12))
        is_float = bool(self.matching.weights)
        return Explanation(
            samples=len(self.samples),
            labelled=self.given is not None,
            against="float file" if is_float else "own weights",
            float_accuracy=_accuracy(labels, float_logits),
            reference_accuracy=_accuracy(labels, exact),
            reference_error=error if is_float else None,
            int8_accuracy=_accuracy(labels, deployed),
            builtin_accuracy=_accuracy(labels, int8),
            simulated_accuracy=_accuracy(labels, simulated),
            agreement=agrees,
            operators=operators,
            finding=find(operators, agrees, len(self.samples)),
            remarks=(*self.matching.remarks, *(_strange(error) if is_float else ())),
        )

    def _tensors(self) -> tuple[dict[int, TensorFigures], Array, Array]:
        """Figures of each operator's output; logits of the reference and of the INT8 file."""
        places = self._outputs()
        reference = self.simulator.all_float()
        exact_runner = Runner(reference.content, "builtin", keep_tensors=True)
        int8_runner = Runner(self.model.content, "builtin", keep_tensors=True)
        noise = {index: TensorNoise(self.graph.tensors[place]) for index, place in places.items()}
        ends = self.graph.outputs[0]
        stored_at = [*places.values(), ends]
        exact_at = [reference.places[place] for place in stored_at]
        logits: list[tuple[Array, Array]] = []
        for batch in self._batches():
            exact = exact_runner.read_tensors(exact_runner.input.to_stored(batch), exact_at)
            stored = int8_runner.read_tensors(int8_runner.input.to_stored(batch), stored_at)
            for each, *pair in zip(noise.values(), exact, stored, strict=False):
                each.add(*pair)
            logits.append((exact[-1], int8_runner.output.to_real(stored[-1])))
            self._advance(len(batch))
        figures = {index: each.figures() for index, each in noise.items()}
        exact_logits, int8_logits = (np.concatenate(each) for each in zip(*logits, strict=True))
        return figures, exact_logits, int8_logits

    def _outputs(self) -> dict[int, int]:
        """Operator -> its first output, for all that compute with numbers."""
        operators = {
            operator.index: operator.outputs[0]
            for operator in self.graph.operators
            if operator.outputs and self.graph.tensors[operator.outputs[0]].dtype in _NUMBERS
        }
        return {INPUT: self.graph.inputs[0], **operators}

    def _batches(self) -> Iterator[NDArray[np.float32]]:
        """The samples in parts whose activations do not take more than `BATCH_BYTES`."""
        each = sum(4 * tensor.elements for tensor in self.graph.tensors if not tensor.constant)
        size = max(1, BATCH_BYTES // each)
        for start in range(0, len(self.samples), size):
            yield self.samples[start : start + size]

    def _regained(self, labels: Array, exact: Array, before: Array) -> dict[int, Regained]:
        """What each source of error costs."""
        gains = {}
        for source in self.simulator.sources:
            after = self._predict(self.simulator.build({source}).content)
            gains[source] = regained(labels, exact, before, after)
        return gains

    def _explained(
        self, index: int, figures: TensorFigures, gains: dict[int, Regained]
    ) -> Explained:
        tensor = self.graph.tensors[self._outputs()[index]]
        operator = self.graph.operators[index] if index != INPUT else None
        weights = self.matching.weights
        return Explained(
            index=index,
            operator=operator.name if operator else "INPUT",
            tensor=tensor.name,
            layer=layer_name(self.graph, operator),
            output=figures,
            weights=weight_figures(self.graph, operator, weights) if operator else None,
            regained=gains.get(index),
        )

    def _predict(self, content: bytes) -> NDArray[np.float32]:
        before = self._done
        logits = Runner(content).predict(
            self.samples, lambda done, _: self._advance(before + done - self._done)
        )
        self._advance(before + len(self.samples) - self._done)
        return logits

    def _advance(self, inferences: int) -> None:
        self._done += inferences
        if self._report:
            self._report(min(self._done, self._total), self._total)


_NUMBERS = frozenset({"INT8", "UINT8", "INT16", "FLOAT32"})


def _strange(error: float) -> Iterator[str]:
    if error > LARGEST_REFERENCE_ERROR:
        yield (
            f"With nothing rounded the operators of the INT8 file give logits that differ from the "
            f"float file's by {error:.2g} of their range: the two files are not one network."
        )


def _accuracy(labels: Array, logits: Array) -> float:
    return float(np.mean(np.argmax(logits, axis=1) == labels))
