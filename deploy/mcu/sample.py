"""A test input for the sources of a model, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.interpret.worker import shared_worker
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Model, ModelError

# Measured between LiteRT's reference kernels and TFLM on small networks: up to 3 steps.
TOLERANCE_STEPS = 4

Int8Array = NDArray[np.int8]


@dataclass(frozen=True)
class TestSample:
    """One input and where it comes from.

    Args:
        values: int8, in the model's numbers, of its input's size.
        source: one sentence for the reader.
    """

    __test__ = False  # no test class, though pytest would think so

    values: Int8Array
    source: str


def seeded_sample(model: Model) -> TestSample:
    """An input of noise for a model that comes without any, always the same."""
    size = model.main.tensors[model.main.inputs[0]].elements
    values = np.random.default_rng(0).integers(-128, 128, size, dtype=np.int8)
    return TestSample(values, "Seeded noise: the file came without samples.")


def reference_output(content: bytes, sample: TestSample) -> Int8Array:
    """What LiteRT's reference kernels give for a sample, int8 [outputs].

    Args:
        content: of a full-INT8 file with one input and one output.
        sample: an input of its size.

    Raises:
        ModelError: the sample is of another size or type, or the file cannot be run.
    """
    graph = read_model(content).main
    source = graph.tensors[graph.inputs[0]]
    size = source.elements
    if sample.values.dtype != np.int8 or sample.values.size != size:
        raise ModelError(
            f"The test input must be {size} int8 numbers, got {sample.values.size} of "
            f"{sample.values.dtype}."
        )
    # In the worker: a damaged file may end the process that runs it.
    values = sample.values.reshape(1, *source.shape)
    (answer,) = shared_worker().tensors("litert", content, [values], [graph.outputs[0]])
    return answer.reshape(-1)
