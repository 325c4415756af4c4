"""`hintlite.with_taps`: a Keras model with feature maps as further outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hintlite.pipeline.app.python.arguments import expect

if TYPE_CHECKING:
    import keras


def with_taps(model: keras.Model, taps: Mapping[str, str]) -> keras.Model:
    """Makes a network of a functional classifier, over the same layers and weights.

    `hintlite.distill` does so by itself with the layers that `hints` names; this is for those who
    use `hintlite.Distiller`, or name taps once for several methods.

    Args:
        model: functional classifier with one input, nested models at any depth.
        taps: name of the tap -> layer, by name or path ("mobilenetv2/block_6_project_BN").

    Returns:
        Functional model with a dict of outputs: "logits" (a final softmax is left out) and the
        taps.

    Raises:
        HintliteError: a model whose layers cannot be seen, or no such layer; near names are told.
    """
    import keras

    from hintlite.models.taps import with_taps as tap

    expect("model", model, keras.Model, "a keras.Model")
    expect("taps", taps, Mapping, "{name of the tap: layer}")
    return tap(model, taps)
