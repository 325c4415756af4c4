"""Finding the weights of another network (teacher, regressor) in a `.tflite` file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.tflite.graph import Array, Model, Tensor
from hintlite.deploy.tflite.inspect import is_parameter

# Cosine between the rows of two kernels: INT8 rounding costs below 0.001, chance gives about 0.
SAME_DIRECTION = 0.99
# Rows shorter than this point the same way too easily.
SHORTEST_ROW = 4


def find_forbidden(
    model: Model, forbidden: Mapping[str, Array | Sequence[Array]]
) -> tuple[str, ...]:
    """Every constant of a file that is one of the given kernels, whatever its channels' scales.

    Args:
        model: the file.
        forbidden: Keras arrays of two and four dimensions, by name; numbers (Normalization counts
            its samples) and vectors (biases, batch normalization) are passed over, because many of
            them are near constant.

    Returns:
        One sentence a tensor.
    """
    kernels = [
        (name, rows)
        for name, arrays in forbidden.items()
        for array in ([arrays] if isinstance(arrays, np.ndarray | np.generic) else arrays)
        for rows in _keras_rows(np.asarray(array, np.float64))
    ]
    problems = []
    for graph in model.graphs:
        for tensor in filter(is_parameter, graph.tensors):
            names = {name for rows in _file_rows(tensor) for name, k in kernels if _match(rows, k)}
            problems += [
                f"Tensor {tensor.index} '{tensor.name}' of the file holds weights of {name}."
                for name in sorted(names)
            ]
    return tuple(problems)


def _keras_rows(array: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """A Keras kernel as [output channels, elements], in each way it may be meant."""
    if array.ndim == 2:  # Dense [in, out]
        yield array.T
    if array.ndim == 4:
        height, width, third, fourth = array.shape
        yield array.transpose(3, 0, 1, 2).reshape(fourth, -1)  # Conv2D [h, w, in, out]
        yield array.transpose(2, 0, 1, 3).reshape(third, -1)  # Conv2DTranspose [h, w, out, in]
        yield array.reshape(height * width, -1).T  # DepthwiseConv2D [h, w, channels, multiplier]


def _file_rows(tensor: Tensor) -> Iterator[NDArray[np.float64]]:
    """A constant of the file as [output channels, elements]."""
    if len(tensor.shape) not in {2, 4} or tensor.sparse:
        return
    real = tensor.real_values()
    yield real.reshape(real.shape[0], -1)
    if len(tensor.shape) == 4 and tensor.shape[0] == 1:  # depthwise [1, h, w, channels]
        yield real.reshape(-1, real.shape[3]).T


def _match(rows: NDArray[np.float64], kernel: NDArray[np.float64]) -> bool:
    """True where most output channels point the same way, or the opposite one."""
    if rows.shape != kernel.shape or rows.shape[1] < SHORTEST_ROW:
        return False
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(kernel, axis=1)
    alive = norms > 0
    if not alive.any():
        return False
    cosines = np.abs(np.sum(rows * kernel, axis=1)[alive]) / norms[alive]
    return bool(np.median(cosines) >= SAME_DIRECTION)
