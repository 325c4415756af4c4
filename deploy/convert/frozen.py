"""A network of any origin as one frozen TensorFlow function of batch 1.

Keras 3, Keras 2 and SavedModels become the same thing here: a graph of operators and constants,
whose float answers can be asked for and which the converter takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hintlite.deploy.convert.checks import ConversionError
from hintlite.deploy.tflite.graph import Array


@dataclass(frozen=True)
class End:
    """One input or output.

    Attributes:
        name: what the model calls it.
        shape: of one sample, without the batch.
        dtype: NumPy's name of its type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True, eq=False)
class Frozen:
    """A function without variables.

    Attributes:
        graph: its GraphDef; None where freezing would take a fused operator apart.
        call: tensors [1, ...], in the order of the inputs -> tensors in that of the outputs.
        inputs, outputs: its ends.
        places: names of the inputs' and of the outputs' tensors in `graph`.
        variables: TensorFlow's, that `call` reads.
    """

    graph: Any
    call: Any
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    places: tuple[tuple[str, ...], tuple[str, ...]]
    variables: tuple[Any, ...] = ()

    @property
    def fused(self) -> bool:
        """Whether it holds operators, such as an LSTM, that are functions still."""
        return self.graph is None

    def answers(self, samples: Sequence[Array]) -> list[Array]:
        """Float outputs.

        Args:
            samples: one array [n, ...] an input.

        Returns:
            One array [n, ...] an output.
        """
        import tensorflow as tf

        rows = [
            [np.asarray(value) for value in self.call(*(tf.constant(each) for each in sample))]
            for sample in one_by_one(self.inputs, samples)
        ]
        return [np.concatenate(column) for column in zip(*rows, strict=True)]


def one_by_one(inputs: Sequence[End], samples: Sequence[Array]) -> Iterator[list[Array]]:
    """The samples with a batch of 1 and in the types of the inputs."""
    for row in range(len(samples[0])):
        yield [
            np.ascontiguousarray(array[row : row + 1], end.dtype)
            for end, array in zip(inputs, samples, strict=True)
        ]


def frozen(
    call: Callable[..., Any],
    inputs: Sequence[End],
    names: Sequence[str] | None = None,
    *,
    variables: Sequence[Any] = (),
    fused: bool = False,
) -> Frozen:
    """Traces a function and makes constants of its variables.

    Args:
        call: tensors [1, ...] in the order of the inputs -> a tensor, or a dict or list of them.
        inputs: with sizes that are all known.
        names: of the outputs, if `call` does not name them.
        variables: TensorFlow's, that it reads; needed with `fused`.
        fused: keep variables and functions as they are, so that the converter finds an LSTM as
            one operator.

    Raises:
        ConversionError: it cannot be called so, or a weight is not finite.
    """
    import tensorflow as tf

    specs = [
        tf.TensorSpec((1, *end.shape), end.dtype, name=f"input{place or ''}")
        for place, end in enumerate(inputs)
    ]
    order: list[str] = []

    def traced(*tensors: Any) -> list[Any]:
        found = named(call(*tensors), names)
        order[:] = list(found)
        return [tf.cast(tensor, tf.float32) for tensor in found.values()]

    try:
        concrete = tf.function(traced, input_signature=specs).get_concrete_function()
    except Exception as error:  # whatever the model's own code raises
        shapes = ", ".join(f"{end.name} {list(end.shape)}" for end in inputs)
        raise ConversionError(
            f"The model cannot be called on {shapes} ({' '.join(str(error).split())[:300]}): give "
            "samples of the size that it was trained on."
        ) from error
    outputs = tuple(
        End(name, _sizes(name, tensor.shape))
        for name, tensor in zip(order, concrete.outputs, strict=True)
    )
    if fused:
        return Frozen(None, concrete, tuple(inputs), outputs, ((), ()), tuple(variables))
    return _frozen(concrete, tuple(inputs), outputs)


def _frozen(concrete: Any, inputs: tuple[End, ...], outputs: tuple[End, ...]) -> Frozen:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    constant = convert_variables_to_constants_v2(concrete)
    places = tuple(
        tuple(tensor.name for tensor in tensors) for tensors in (constant.inputs, constant.outputs)
    )
    graph = constant.graph.as_graph_def()
    _check_finite(graph)
    return Frozen(graph, constant, inputs, outputs, (places[0], places[1]))


def between(whole: Frozen, starts: Sequence[str]) -> Callable[..., Sequence[Any]]:
    """The part of a function behind some of its tensors.

    Args:
        whole: with a graph.
        starts: one tensor of the graph an input, which is handed in instead of it.
    """
    import tensorflow as tf

    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(whole.graph, name=""), [])
    find = wrapped.graph.get_tensor_by_name
    part: Callable[..., Sequence[Any]] = wrapped.prune(
        [find(name) for name in starts], [find(name) for name in whole.places[1]]
    )
    return part


def named(found: Any, names: Sequence[str] | None = None) -> dict[str, Any]:
    """The outputs of a model by name, whatever holds them.

    Args:
        found: a tensor, or a dict or list of them, nested or not.
        names: of the outputs in order, where they have no keys.
    """
    flat = list(_leaves(found, ""))
    if len(flat) == 1:
        return {"logits": flat[0][1]}
    if names is not None and len(names) == len(flat) and not isinstance(found, dict):
        return dict(zip(names, (tensor for _, tensor in flat), strict=True))
    return {f"output{path}" if path.isdigit() else path: tensor for path, tensor in flat}


def _leaves(found: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Tensors with their places; dicts in the order of their keys, as TensorFlow has them."""
    if isinstance(found, dict):
        pairs = sorted(found.items())
    elif isinstance(found, list | tuple):
        pairs = list(enumerate(found))
    else:
        yield path, found
        return
    for key, each in pairs:
        yield from _leaves(each, f"{path}.{key}" if path else str(key))


def _sizes(name: str, shape: Any) -> tuple[int, ...]:
    if shape.rank is None or shape.rank < 1 or None in shape.as_list()[1:]:
        raise ConversionError(
            f"The model's output {name!r} has the shape {shape}, whose sizes depend on the values: "
            "a file for devices needs fixed ones."
        )
    return tuple(shape.as_list()[1:])


def _check_finite(graph: Any) -> None:
    import tensorflow as tf

    for node in graph.node:
        if node.op != "Const" or node.attr["dtype"].type not in (
            tf.float32.as_datatype_enum,
            tf.float16.as_datatype_enum,
        ):
            continue
        if not np.isfinite(tf.make_ndarray(node.attr["value"].tensor)).all():
            name = node.name.split("/ReadVariableOp")[0]
            raise ConversionError(
                f"Weight '{name}' holds NaN or infinity: the training diverged. Train again with "
                "a smaller learning rate."
            )
