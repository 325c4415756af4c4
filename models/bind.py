"""Models of open sizes, or of a fixed batch, bound to the images that they are given."""

from collections.abc import Sequence

import keras

from hintlite.models.graph import is_functional


def bound(model: keras.Model, shape: Sequence[int]) -> keras.Model:
    """A functional model over the same layers that takes any number of images of one size.

    Args:
        model: functional, or a built Sequential, with one input. Another model is returned as it
            is, and so is one whose fixed sizes are not those of `shape`.
        shape: (h, w, c) of the images; it fills the sizes that the model leaves open, such as
            those of keras.Input((None, None, 3)).

    Returns:
        Functional model of the same name and structure of outputs, with the input
        [batch, h, w, c]. The layers are shared, not copied.
    """
    if not is_functional(model) or len(model.inputs) != 1:
        return model
    model = _functional(model)
    (tensor,) = model.inputs
    open_sizes = len(tensor.shape) == len(shape) + 1 and all(
        own in (None, size) for own, size in zip(tensor.shape[1:], shape, strict=True)
    )
    is_bound = tensor.shape[0] is None and None not in tensor.shape[1:]
    if is_bound or not open_sizes:
        return model
    image = keras.Input(tuple(shape), dtype=tensor.dtype, name=tensor.name)
    return keras.models.clone_model(
        model,
        input_tensors=keras.tree.map_structure(lambda _: image, model.input),
        clone_function=lambda layer: layer,
    )


def _functional(model: keras.Model) -> keras.Model:
    """A Sequential as a functional model: it has no structure of outputs until it is called."""
    if not isinstance(model, keras.Sequential):
        return model
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
