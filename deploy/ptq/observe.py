"""What every activation of a float `.tflite` file was on the calibration samples."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.interpret.runtime import Progress
from hintlite.deploy.ptq.histogram import Histogram
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Graph, ModelError, Tensor
from hintlite.errors import DataError

_PROGRESS_EVERY = 20


def observe(
    content: bytes,
    samples: NDArray[np.float32] | Sequence[NDArray[Any]],
    progress: Progress | None = None,
) -> dict[str, Histogram]:
    """Run a float file and count the values of all its activations.

    Args:
        content: the bytes of a float32 `.tflite` file with batch 1.
        samples: [n, h, w, c] float32, normalised as in training, n >= 1; of several inputs a list
            of one such array each, in the file's order and types.
        progress: called with (samples done, samples in all).

    Returns:
        Tensor name -> its histogram, for the input, the output and everything between.

    Raises:
        ModelError: no such file, or an activation that is not finite.
    """
    graph = read_model(content).main
    tensors = activations(graph)
    interpreter = _interpreter(content)
    seen = {tensor.name: Histogram() for tensor in tensors}
    fed = [samples] if isinstance(samples, np.ndarray) else list(samples)
    for done in range(1, len(fed[0]) + 1):
        interpreter.reset_all_variables()
        for index, array in zip(graph.inputs, fed, strict=True):
            interpreter.set_tensor(index, array[done - 1 : done])
        interpreter.invoke()
        for tensor in tensors:
            try:
                seen[tensor.name].add(interpreter.get_tensor(tensor.index))
            except DataError as error:
                raise ModelError(
                    f"Tensor {tensor.index} ({tensor.name}) of the float file is not finite on "
                    f"calibration sample {done - 1}: {error}. Check the weights and the samples."
                ) from error
        if progress and (done % _PROGRESS_EVERY == 0 or done == len(fed[0])):
            progress(done, len(fed[0]))
    return seen


def activations(graph: Graph) -> list[Tensor]:
    """The float tensors of a graph that its operators compute or that are its input.

    Raises:
        ModelError: two of them have one name, by which ranges are handed on.
    """
    computed = {index for operator in graph.operators for index in operator.outputs}
    indices = sorted({*graph.inputs, *computed})
    tensors = [graph.tensors[index] for index in indices if graph.tensors[index].dtype == "FLOAT32"]
    names = [tensor.name for tensor in tensors]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ModelError(f"Two tensors of the file are called '{twice}': rename the layers.")
    return tensors


def _interpreter(content: bytes) -> Any:
    """One that keeps every tensor; a delegate would hide those inside of its partitions."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that keeping every tensor takes memory
        interpreter = Interpreter(
            model_content=content,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
    interpreter.allocate_tensors()
    return interpreter
