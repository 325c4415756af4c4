"""Several teachers as one network: the mean of their logits, the hints of one of them."""

from collections.abc import Sequence

import keras

from hintlite.errors import NetworkError


def ensemble(members: Sequence[keras.Model], hint_member: int = 0) -> keras.Model:
    """One network with taps out of several with the same input and classes.

    Args:
        members: networks with taps; one of them is returned as it is.
        hint_member: the member (from 0) whose feature maps become the ensemble's.

    Returns:
        Network with "logits" `[batch, classes]`, the mean over the members, and the named
        member's feature maps.

    Raises:
        NetworkError: no members, or members whose inputs or classes differ.
    """
    if not members:
        raise NetworkError("an ensemble needs at least one network")
    if len(members) == 1:
        return members[0]
    inputs = keras.Input(members[0].input_shape[1:], name="image")
    for member in members:
        same_input = member.input_shape[1:] == members[0].input_shape[1:]
        if not same_input or member.output["logits"].shape != members[0].output["logits"].shape:
            raise NetworkError(
                "the members of an ensemble must agree in input and classes: "
                f"{members[0].input_shape} -> {members[0].output['logits'].shape} and "
                f"{member.input_shape} -> {member.output['logits'].shape}"
            )
    outputs = []
    for i, member in enumerate(members):
        member.name = f"member{i}"
        outputs.append(member(inputs))
    taps = {name: tap for name, tap in outputs[hint_member].items() if name != "logits"}
    logits = keras.layers.Average(name="mean_logits")([output["logits"] for output in outputs])
    return keras.Model(inputs, {**taps, "logits": logits}, name="ensemble")
