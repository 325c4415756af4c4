"""The output contract of a network, and taps at any layer of a functional Keras model.

A network is a functional model with a dict of outputs: "logits" [batch, classes] and feature maps
[batch, h, w, c], of series [batch, time, c] and of tables [batch, c], under names of their own
("stage1", ...).
"""

import contextlib
import re
from collections.abc import Mapping, Sequence

import keras

from hintlite.errors import NetworkError
from hintlite.models.cut import cut_model
from hintlite.models.graph import (
    Node,
    Place,
    check_functional,
    find_layer,
    innermost,
    layer_paths,
    model_nodes,
    named_outputs,
    producer,
)
from hintlite.models.logits import activation_name, logits_place

LOGITS = "logits"


def with_taps(model: keras.Model, taps: Mapping[str, str]) -> keras.Model:
    """Make a network of any functional classifier, with feature maps as further outputs.

    Layers and weights are the given model's own. A final softmax is left out.

    Args:
        model: functional classifier with one image input, nested models at any depth; one with a
            dict of outputs (such as a saved network) keeps its own taps besides the new ones.
        taps: tap name -> layer path, as in {"stage2": "mobilenetv2/block_6_project_BN"}.

    Returns:
        Functional network with the outputs "logits" and one for each tap.

    Raises:
        NetworkError: the model cannot be read, a path leads to no layer (the nearest are named), or
            to one without a single feature map.
    """
    check_functional(model)
    if LOGITS in taps:
        raise NetworkError("a tap cannot be called 'logits'; that is the network's first output.")
    own = {name: innermost(tensor) for name, tensor in named_outputs(model).items()}
    asked = {}
    for name, path in taps.items():
        try:
            asked[name] = _feature_map(model, path)
        except NetworkError as error:
            raise NetworkError(f"taps.{name}: {error}") from error
    return cut_model(model, own | {LOGITS: logits_place(model)} | asked)


def logits_only(network: keras.Model) -> keras.Model:
    """The deployed form of a network: keras.Model(inputs, outputs["logits"]).

    Args:
        network: network with a dict of outputs.

    Returns:
        Functional model with the single output [batch, classes], over the same layers.
    """
    outputs = _outputs(network)
    part = cut_model(network, {LOGITS: innermost(outputs[LOGITS])})
    return keras.Model(part.input, part.output[LOGITS], name=network.name)


def subnetwork(network: keras.Model, names: Sequence[str]) -> keras.Model:
    """The part of a network that ends at the deepest of the given taps.

    Args:
        network: network with a dict of outputs.
        names: taps; a name that is not a tap of the network is taken for a layer path.

    Returns:
        Functional model with a dict of exactly these outputs, over the same layers. Layers beyond
        the deepest tap are not part of it, so running it does not move their statistics.

    Raises:
        NetworkError: no name is given, or one is neither a tap nor a layer with a feature map.
    """
    if not names:
        raise NetworkError(
            f"no taps were asked for; the network has {', '.join(_outputs(network))}."
        )
    return cut_model(network, {name: _place(network, name) for name in names})


def stage_taps(network: keras.Model) -> list[str]:
    """Names of the feature taps, from the image to the logits.

    Args:
        network: network with a dict of outputs.

    Returns:
        All output names but "logits".
    """
    taps = {name: innermost(t) for name, t in _outputs(network).items() if name != LOGITS}
    return sorted(taps, key=lambda name: _position(network, taps[name]))


def middle_tap(network: keras.Model) -> str:
    """The default hint: the tap in the middle third; the earlier one of two in the middle.

    Args:
        network: network with a dict of outputs.

    Returns:
        Name of the tap ("stage2" of three).

    Raises:
        NetworkError: the network has no feature taps.
    """
    taps = stage_taps(network)
    if not taps:
        raise NetworkError(
            f"network {network.name!r} has no feature taps; name some layers, as in "
            "taps: {stage2: block_6_project_BN}."
        )
    return taps[(len(taps) - 1) // 2]


def listed_maps(model: keras.Model) -> str:
    """The layers that a tap can be at, with the sizes of their maps.

    Of many, those with names of the user's are listed, where there are any; of still too many,
    those in the middle, where hints do most, and some of both ends.

    Args:
        model: functional model.

    Returns:
        "conv1 [28, 28, 8], base/block_1 [14, 14, 16], ...", from the image on; "" where no layer
        shows a feature map.
    """
    found, named = [], []
    for path in layer_paths(model):
        with contextlib.suppress(NetworkError):
            tensor = _feature_map(model, path).tensor
            found.append(f"{path} [{', '.join(map(str, tensor.shape[1:]))}]")
            if not _is_named_by_keras(path, producer(tensor).operation):
                named.append(found[-1])
    if len(found) <= _SHOWN:
        return ", ".join(found)
    shown = named or found
    if len(shown) > _SHOWN:
        few, first = _SHOWN // 4, len(shown) // 2 - _SHOWN // 4
        shown = [*shown[:few], "...", *shown[first : first + _SHOWN // 2], "...", *shown[-few:]]
    return f"{', '.join(shown)} ({len(found)} in all)"


def _is_named_by_keras(path: str, layer: keras.Operation) -> bool:
    """Whether a name is that of the class, as in "re_lu_1"."""
    name = re.sub(r"(_[0-9]+)?$", "", path.rsplit("/", 1)[-1])
    return name.replace("_", "") == type(layer).__name__.lower()


def tap_activation(network: keras.Model, name: str) -> str:
    """The non-linearity that a tap ends in, for the regressor that has to match it.

    Args:
        network: network with a dict of outputs.
        name: tap or layer path.

    Returns:
        "relu", "relu6", "maxout", or "linear" for everything else: a linear regressor can fit the
        values of any other function.
    """
    node = producer(_place(network, name).tensor)
    while type(node.operation).__name__ in _KEEP_RANGE:
        node = producer(innermost(node.input_tensors[0]).tensor)
    if type(node.operation).__name__ == "Maximum":
        made_by = [producer(tensor).operation for tensor in node.input_tensors]
        return "maxout" if all(hasattr(layer, "kernel") for layer in made_by) else "linear"
    activation = activation_name(node.operation)
    return activation if activation in ("relu", "relu6") else "linear"


_SHOWN = 16  # layers in a message
# They do not change which values are possible, as far as a regressor is concerned.
_KEEP_RANGE = (
    *(f"{kind}{axes}D" for kind in ("MaxPooling", "AveragePooling") for axes in (1, 2)),
    *(f"{kind}{axes}D" for kind in ("ZeroPadding", "Cropping") for axes in (1, 2)),
    "Dropout",
)


# Axes of the input -> those that a feature map may have: a series may be convolved as a picture.
_MAPS = {
    2: ((2,), "[batch, c], such as that of a dense layer"),
    3: ((3, 4), "[batch, time, c], such as that of a convolution"),
    4: ((4,), "[batch, h, w, c], such as that of a convolution"),
}


def _outputs(network: keras.Model) -> dict[str, keras.KerasTensor]:
    check_functional(network)
    outputs = named_outputs(network)
    if LOGITS not in outputs:
        raise NetworkError(
            f"model {network.name!r} is not a network: expected a dict of outputs with 'logits', "
            f"got {', '.join(outputs) or 'outputs without names'}; make one with "
            "with_taps(model, taps)."
        )
    return outputs


def _place(network: keras.Model, name: str) -> Place:
    outputs = _outputs(network)
    if name in outputs:
        return innermost(outputs[name])
    try:
        return _feature_map(network, name)
    except NetworkError as error:
        taps = ", ".join(name for name in outputs if name != LOGITS)
        own = f" Its taps are {taps}." if taps else ""
        raise NetworkError(f"{error}{own}") from error


def _feature_map(model: keras.Model, path: str) -> Place:
    place = find_layer(model, path)
    shape = place.tensor.shape
    ranks, form = _MAPS.get(len(model.inputs[0].shape), _MAPS[4])
    if len(shape) not in ranks:
        raise NetworkError(
            f"layer {path!r} has the output shape {shape}; a tap needs a feature map {form}."
        )
    return place


def _position(network: keras.Model, place: Place) -> tuple[int, ...]:
    """Index of the tensor's call in the network, in the nested model that it is in, and so on."""
    model, position = network, []
    for node in (*place.calls, producer(place.tensor)):
        position.append(_index(model, node))
        model = node.operation
    return tuple(position)


def _index(model: keras.Model, node: Node) -> int:
    nodes = model_nodes(model)
    return nodes.index(node) if node in nodes else len(nodes)
