"""What the quantizer's process is given of Keras 3, and what comes back to it."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from hintlite.models.copying import copy_weights
from hintlite.models.fold import folded
from hintlite.models.taps import LOGITS, subnetwork
from hintlite.pipeline.data.training_data import TrainingData
from hintlite.pipeline.qat import blueprint as plans
from hintlite.pipeline.qat.blueprint import Array, Blueprint, CarryError, Step
from hintlite.pipeline.qat.read import read
from hintlite.pipeline.qat.samples import save_samples

COMPARED = 32  # validation samples on which the rebuilt network is compared


def write_shared(
    folder: Path, network: keras.Model, data: TrainingData, logits: Array | None
) -> Blueprint:
    """Writes the network and the samples into the folder that jobs share.

    Args:
        folder: it is created if need be.
        network: functional, one image in, one tensor [batch, classes] out.
        data: training, validation and calibration samples.
        logits: the teacher's, [views, n, classes], or None.

    Returns:
        The network as plain data.

    Raises:
        CarryError: it cannot be carried over; the text names the layer and a way round.
    """
    blueprint = read(network)
    folder.mkdir(parents=True, exist_ok=True)
    inputs = data.normalized(data.validation[:COMPARED])
    outputs = exact_outputs(network, inputs)
    if not np.isfinite(outputs).all():
        raise CarryError("the network's outputs are not finite on validation data: train it again")
    np.savez(folder / "compare.npz", allow_pickle=False, inputs=inputs, outputs=outputs)
    plans.save(blueprint, folder)
    save_samples(data, logits, folder)
    return blueprint


def exact_outputs(network: keras.Model, inputs: Array) -> Array:
    """What a network computes, in double precision.

    In single precision two equal deep networks differ by what their libraries round; in double
    precision only a setting or a weight that was lost can make a difference.

    Args:
        network: functional; it is not changed.
        inputs: [n, h, w, c].

    Returns:
        [n, classes] float64.
    """

    def double(layer: keras.Operation) -> keras.Operation:
        typed = {"dtype": "float64"} if isinstance(layer, keras.layers.Layer) else {}
        return type(layer).from_config(layer.get_config() | typed)

    copy = keras.models.clone_model(network, clone_function=double, recursive=True)
    return np.asarray(copy_weights(network, copy)(inputs, training=False))


def save_teacher(teacher: keras.Model, folder: Path) -> None:
    """Writes a teacher as a function that any process can load, whatever its Keras.

    Args:
        teacher: network with taps; `logits` is taken.
        folder: the shared one.
    """
    network = folded(subnetwork(teacher, [LOGITS]))
    signature = [tf.TensorSpec([None, *network.inputs[0].shape[1:]], tf.float32)]
    module = tf.Module()
    module.held = [variable.value for variable in network.variables]

    @tf.function(input_signature=signature)
    def logits(images):  # type: ignore[no-untyped-def]
        return tf.cast(network(images, training=False)[LOGITS], tf.float32)

    module.logits = logits
    tf.saved_model.save(module, str(folder / "teacher"))


def restore(blueprint: Blueprint) -> keras.Model:
    """A blueprint as a Keras 3 network, the other way round than `read`.

    Args:
        blueprint: with the weights that the network shall have.

    Returns:
        Functional model, named layer by layer as the steps are.
    """
    image = keras.Input(blueprint.input_shape, name=blueprint.input)
    tensors = {blueprint.input: image}
    layers = {step.name: _layer(step) for step in blueprint.steps}
    for step in blueprint.steps:
        inputs = [tensors[name] for name in step.inputs]
        tensors[step.name] = layers[step.name](inputs[0] if len(inputs) == 1 else inputs)
    for step in blueprint.steps:
        if step.weights:
            layers[step.name].set_weights(list(step.weights))
    return keras.Model(image, tensors[blueprint.output])


def _layer(step: Step) -> keras.layers.Layer:
    if step.kind == "HardSwish":
        return keras.layers.Activation("hard_silu", name=step.name)
    if step.kind == "LeakyReLU":
        return keras.layers.LeakyReLU(step.settings["alpha"], name=step.name)
    return getattr(keras.layers, step.kind)(name=step.name, **step.settings)
