"""Running a `.tflite` classifier on arrays with LiteRT, on the kernels of one's choice.

Samples run one by one. Larger batches (8 to 500) were measured on a 2.8 M MAC model: no faster
than batch 1 with XNNPACK, and a file with a fixed batch cannot take them behind a RESHAPE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import NUMPY_DTYPES, Array, ModelError, Tensor
from hintlite.deploy.tflite.kernel_limits import check_scales
from hintlite.deploy.tflite.quantization import dequantize, quantize
from hintlite.errors import SettingsError

KERNELS = ("xnnpack", "builtin", "reference")
Progress = Callable[[int, int], None]
_PROGRESS_EVERY = 100
_VALUES_AT_ONCE = 2**19  # that are quantized, of several samples


class Samples(Protocol):
    """Samples, float32 [n, ...]: an array, or what reads some of them when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """[n, ...]."""

    @property
    def dtype(self) -> Any:
        """Of the values."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, key: Any, /) -> Any:
        """The samples of a slice, or of an array of row numbers."""


@dataclass(frozen=True)
class TensorSpec:
    """One end of a model; `scale` and `zero_point` are None where it is not quantized."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None

    def to_stored(self, values: Array) -> Array:
        """Real numbers in the tensor's own type: quantized, or only cast."""
        if self.scale is None or self.zero_point is None:
            return values.astype(self.dtype)
        return quantize(values, self.scale, self.zero_point, self.dtype)

    def to_real(self, values: Array) -> NDArray[np.float32]:
        """Numbers of the tensor's own type as real ones: dequantized, or only cast."""
        if self.scale is None or self.zero_point is None:
            return values.astype(np.float32)
        return dequantize(values, self.scale, self.zero_point)


class Runner:
    """A loaded model with one input and one output.

    The three kernels do not agree to the bit: they differ by up to 2 steps of the output scale.
    Results are reproducible with the same kernels.
    """

    def __init__(
        self,
        model: bytes | str | Path,
        kernels: str = "xnnpack",
        threads: int = 1,
        keep_tensors: bool = False,
    ) -> None:
        """Load a model.

        Args:
            model: the file's bytes, or its path.
            kernels: "xnnpack" (what a device runs by default), "builtin" (TFLite's optimized
                kernels without XNNPACK) or "reference" (plain loops; slow, the same everywhere).
            threads: for one inference; at least 1.
            keep_tensors: for `read_tensors`: no two tensors share their memory.

        Raises:
            ModelError: no TFLite model, damaged, not one input and one output, or an operator
                that these kernels cannot run.
            SettingsError: unknown kernels, less than one thread, or tensors to be kept by XNNPACK,
                which gives no access to them.
        """
        if keep_tensors and kernels == "xnnpack":
            raise SettingsError(
                "XNNPACK gives no access to a model's tensors: take 'builtin' or 'reference'."
            )
        if kernels not in KERNELS:
            raise SettingsError(f"Unknown kernels '{kernels}': choose one of {', '.join(KERNELS)}.")
        if threads < 1:
            raise SettingsError(f"Expected at least 1 thread, got {threads}.")
        parts = read_model(model)
        graph = parts.main
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise ModelError(
                f"Expected a model with one input and one output, got {len(graph.inputs)} and "
                f"{len(graph.outputs)}: convert the model that gives the logits alone."
            )
        check_scales(graph)
        self.kernels = kernels
        self.input = spec_of(graph.tensors[graph.inputs[0]])
        self.output = spec_of(graph.tensors[graph.outputs[0]])
        self._interpreter = _load(parts.content, kernels, threads, keep_tensors)
        self._keeps = keep_tensors
        self._keeps_state = graph.keeps_state
        # The interpreter numbers the tensors of the main graph as the file does.
        self._input_index, self._output_index = graph.inputs[0], graph.outputs[0]

    def predict(self, samples: Samples, progress: Progress | None = None) -> NDArray[np.float32]:
        """Real outputs for real inputs; quantizes and dequantizes as the file says.

        Args:
            samples: [n, h, w, c] float32, normalised as in training.
            progress: called with (samples done, samples in all).

        Returns:
            [n, classes] float32: logits, or what the model's last layer gives.

        Raises:
            ModelError: the samples have another shape than the model's input.
            DataError: the samples hold NaN or infinity.
        """
        answers = []
        one = max(int(np.prod(samples.shape[1:], dtype=np.int64)), 1)
        step = min(_PROGRESS_EVERY, max(_VALUES_AT_ONCE // one, 1))
        for start in range(0, max(len(samples), 1), step):
            part = np.asarray(samples[start : start + step], np.float32)
            answers.append(self.predict_raw(self.input.to_stored(part)))
            if progress and len(part):
                progress(start + len(part), len(samples))
        return self.output.to_real(np.concatenate(answers))

    def predict_raw(self, samples: Array, progress: Progress | None = None) -> Array:
        """Outputs in the output's own type for inputs in the input's own type.

        Args:
            samples: [n, h, w, c] in `self.input.dtype`.
            progress: called with (samples done, samples in all).

        Returns:
            [n, classes] in `self.output.dtype`.

        Raises:
            ModelError: another shape or type than the model's input.
        """
        self._check_samples(samples)
        outputs = np.empty((len(samples), *self.output.shape[1:]), self.output.dtype)
        for i in range(len(samples)):
            outputs[i] = self._run(samples[i : i + 1])
            if progress and ((i + 1) % _PROGRESS_EVERY == 0 or i + 1 == len(samples)):
                progress(i + 1, len(samples))
        return outputs

    def read_tensors(self, samples: Array, indices: Sequence[int]) -> list[Array]:
        """Values of some tensors, in their own types, after one inference a sample.

        Args:
            samples: [n, h, w, c] in `self.input.dtype`, n at least 1.
            indices: tensors of the main graph.

        Returns:
            One array [n, ...] a tensor, the first axis in the place of the tensor's batch of 1.

        Raises:
            ModelError: another shape or type than the model's input.
            SettingsError: the runner was not made with `keep_tensors`.
        """
        if not self._keeps:
            raise SettingsError("This runner keeps no tensors: make it with keep_tensors=True.")
        self._check_samples(samples)
        rows = []
        for i in range(len(samples)):
            self._run(samples[i : i + 1])
            rows.append([self._interpreter.get_tensor(index) for index in indices])
        columns = zip(*rows, strict=True)
        return [np.concatenate([np.atleast_1d(value) for value in each]) for each in columns]

    def _run(self, sample: Array) -> Array:
        """One inference, [1, h, w, c] -> [classes]."""
        if self._keeps_state:
            self._interpreter.reset_all_variables()
        self._interpreter.set_tensor(self._input_index, sample)
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ModelError(f"The model failed while it ran: {_one_line(error)}") from error
        output: Array = self._interpreter.get_tensor(self._output_index)[0]
        return output

    def _check_samples(self, samples: Array) -> None:
        expected = self.input.shape[1:]
        if samples.shape[1:] != expected or samples.dtype != np.dtype(self.input.dtype):
            raise ModelError(
                f"The model takes {self.input.dtype} samples of shape [n, "
                f"{', '.join(map(str, expected))}], got {samples.dtype} {list(samples.shape)}."
            )


def spec_of(tensor: Tensor) -> TensorSpec:
    """One end of the model with batch 1."""
    if not tensor.shape or tensor.dtype not in NUMPY_DTYPES:
        raise ModelError(
            f"Expected a model end of shape [batch, ...] and a number type, got '{tensor.name}' "
            f"of {tensor.dtype} {list(tensor.shape)}."
        )
    quantization = tensor.quantization
    return TensorSpec(
        name=tensor.name,
        dtype=tensor.dtype.lower(),
        shape=(1, *tensor.shape[1:]),
        scale=quantization.scales[0] if quantization else None,
        zero_point=quantization.zero_points[0] if quantization else None,
    )


def _load(content: bytes, kernels: str, threads: int, keep_tensors: bool) -> Any:
    """An interpreter with batch 1 and its tensors allocated."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = {
        "xnnpack": OpResolverType.AUTO,
        "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": OpResolverType.BUILTIN_REF,
    }[kernels]
    try:
        interpreter = Interpreter(
            model_content=content,
            num_threads=threads,
            experimental_op_resolver_type=resolver,
            experimental_preserve_all_tensors=keep_tensors,
        )
        details = interpreter.get_input_details()[0]
        if details["shape"][0] != 1:
            interpreter.resize_tensor_input(details["index"], [1, *details["shape"][1:]])
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(
            f"The {kernels} kernels cannot run this model: {_one_line(error)} Try "
            f"{' or '.join(repr(other) for other in KERNELS if other != kernels)} kernels."
        ) from error
    return interpreter


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
