"""A model that somebody has saved, loaded: how to call it, and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hintlite.deploy.convert.frozen import End, Frozen, frozen
from hintlite.errors import NetworkError
from hintlite.models.saved_formats import saved_format
from hintlite.pipeline.qat.launch import NEEDED

# Layers of Keras that change inputs in training alone.
_TRAINING_ONLY = ("Random", "Gaussian", "MixUp", "CutMix", "RandAugment", "AugMix")


@dataclass(frozen=True)
class Input:
    """What a model says of one input.

    Attributes:
        name: its own.
        sizes: of one sample, None for those that it leaves open.
        dtype: of its values.
    """

    name: str
    sizes: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model in memory.

    Attributes:
        inputs: what it takes.
        call: tensors in that order -> its outputs.
        names: of its outputs, where it has them.
        variables: TensorFlow's.
        left_out: layers that have no part in inference.
        model: the `keras.Model`, of Keras 3; else None.
        recurrent: it has an LSTM of Keras 2, which freezing would take apart.
        owner: keeps alive what `call` reads.
    """

    inputs: tuple[Input, ...]
    call: Callable[..., Any]
    names: tuple[str, ...] | None = None
    variables: tuple[Any, ...] = ()
    left_out: tuple[str, ...] = ()
    model: Any = None
    recurrent: bool = False
    owner: Any = None

    def traced(self, shapes: Sequence[Sequence[int]]) -> Frozen:
        """The model as a function of samples of these shapes, float32 throughout.

        Raises:
            ConversionError: it cannot be called on them.
        """
        ends = [
            End(each.name, tuple(shape), each.dtype)
            for each, shape in zip(self.inputs, shapes, strict=True)
        ]
        with self._convertible() as fused:
            return frozen(self.call, ends, self.names, variables=self.variables, fused=fused)

    @contextmanager
    def _convertible(self) -> Iterator[bool]:
        from hintlite.deploy.convert.recurrent import convertible

        if self.model is None:
            yield self.recurrent
            return
        with convertible(self.model) as fused:
            yield fused


def load(path: Path) -> Loaded:
    """Loads a model, without running code that its file may carry.

    Args:
        path: of a `.keras` or `.h5` file, or of a SavedModel.

    Raises:
        NetworkError: it cannot be loaded; the text says what to do.
    """
    return _READERS[saved_format(path)](path)


def _keras(path: Path) -> Loaded:
    import keras

    from hintlite.models.keras_archive import load_failure

    try:
        model = keras.saving.load_model(str(path), compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the file's layers raise
        if path.suffix != ".keras":
            raise _not_loaded(path, error) from error
        raise NetworkError(load_failure(path, error)) from error
    for layer in model._flatten_layers():
        layer.dtype_policy = keras.DTypePolicy("float32")  # if it was trained in less
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()  # what Normalization made of its statistics, in float32 too
    return Loaded(
        inputs=tuple(_input(path, each) for each in _symbolic_inputs(path, model)),
        call=_caller(model, getattr(model, "_inputs_struct", None)),
        names=tuple(getattr(model, "output_names", ())) or None,
        variables=tuple(each.value for each in model.variables),
        left_out=_left_out(model),
        model=model,
    )


def _symbolic_inputs(path: Path, model: Any) -> Sequence[Any]:
    """The inputs of a model with a graph, or those that a subclassed one was built with."""
    inputs = getattr(model, "inputs", None)
    if inputs:
        return list(inputs)
    shape = getattr(model, "_build_shapes_dict", None) or {}
    if len(shape) == 1 and isinstance(next(iter(shape.values())), tuple | list):
        import keras

        return [keras.KerasTensor(tuple(next(iter(shape.values()))), name="input")]
    raise NetworkError(
        f"{path} holds {type(model).__name__}, a model without a graph whose inputs its file does "
        "not tell: build it of the same layers as keras.Model(inputs, outputs), and save that"
    )


def _input(path: Path, tensor: Any) -> Input:
    import numpy as np

    dtype = str(getattr(tensor.dtype, "name", tensor.dtype))
    if not np.issubdtype(np.dtype("float32" if "float" in dtype else dtype), np.number):
        raise NetworkError(
            f"{path}: the input {tensor.name!r} takes {dtype}; a file for devices takes numbers"
        )
    sizes = tuple(None if size is None else int(size) for size in tensor.shape[1:])
    return Input(str(tensor.name).split(":")[0], sizes, "float32" if "float" in dtype else dtype)


def _caller(model: Any, structure: Any) -> Callable[..., Any]:
    """Calls a Keras model with a list of tensors, in the form that its inputs have."""

    def call(*tensors: Any) -> Any:
        import tensorflow as tf

        if isinstance(structure, dict):
            return model(tf.nest.pack_sequence_as(structure, tensors), training=False)
        return model(tensors[0] if len(tensors) == 1 else list(tensors), training=False)

    return call


def _left_out(model: Any) -> tuple[str, ...]:
    return tuple(
        f"{layer.name!r} ({type(layer).__name__})"
        for layer in model._flatten_layers(include_self=False)
        if type(layer).__name__.startswith(_TRAINING_ONLY)
    )


def _not_loaded(path: Path, error: Exception) -> NetworkError:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return NetworkError(
        f"{path} cannot be loaded ({reason}): name the module of its own layers with --imports, or "
        "save it again with model.save('mine.keras') where it can be loaded"
    )


def _keras2(path: Path) -> Loaded:
    """In a process whose `tf.keras` is Keras 2."""
    try:
        import tf_keras
    except ImportError as error:
        import sys

        raise NetworkError(
            f"{path} was saved by Keras 2, which is not installed: {sys.executable} -m pip install "
            f"'{NEEDED['tf_keras']}'"
        ) from error
    try:
        model = tf_keras.models.load_model(str(path), compile=False, safe_mode=True)
    except Exception as error:  # as above
        raise _not_loaded(path, error) from error
    kinds = {type(layer).__name__ for layer in model._flatten_layers()}
    return Loaded(
        inputs=tuple(_input(path, each) for each in model.inputs or ()),
        call=_caller(model, model.input if isinstance(model.input, dict) else None),
        names=tuple(model.output_names or ()) or None,
        variables=tuple(model.variables),
        left_out=_left_out(model),
        recurrent="LSTM" in kinds,
    )


def _saved_model(path: Path) -> Loaded:
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # whatever its operations raise
        raise _not_loaded(path, error) from error
    served = loaded.signatures.get("serving_default")
    if served is None:
        names = ", ".join(loaded.signatures) or "none"
        raise NetworkError(
            f"{path} has no signature serving_default (it has {names}): write it with "
            "model.export('folder')"
        )
    specs = served.structured_input_signature[1]
    # A dict loses the order in which the model had them; positional arguments keep it.
    order = [name for name in served._arg_keywords if name in specs] or sorted(specs)

    def call(*tensors: Any) -> Any:
        found = served(**dict(zip(order, tensors, strict=True)))
        return next(iter(found.values())) if len(found) == 1 else found

    inputs = tuple(
        Input(name, tuple(specs[name].shape.as_list()[1:]), specs[name].dtype.name)
        for name in order
    )
    return Loaded(inputs, call, owner=loaded)


_READERS: dict[str, Callable[[Path], Loaded]] = {
    "keras": _keras,
    "keras2": _keras2,
    "saved_model": _saved_model,
}
