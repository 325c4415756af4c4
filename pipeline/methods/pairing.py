"""Which stage of the student belongs to which stage of the teacher."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from hintlite.models.taps import stage_taps
from hintlite.pipeline.methods.base import MethodError, Shapes

MapShape = tuple[int, ...]
FORMS = ("(batch, channels)", "(batch, time, channels)", "(batch, height, width, channels)")


def stage_pairs(teacher: keras.Model, student: keras.Model) -> dict[str, str]:
    """`pair_stages` of two networks with taps."""
    return pair_stages(stage_taps(student), stage_taps(teacher))


def pair_stages(student: Sequence[str], teacher: Sequence[str]) -> dict[str, str]:
    """Pairs the taps of two networks, from the image to the logits.

    Networks of the same number of stages are paired in order. Otherwise the network with fewer
    stages gives the number of pairs, and its i-th of n stages is paired with the first stage of
    the other that is at least as deep in proportion, ceil(i m / n) of m: so the deepest belongs to
    the deepest, the order is kept and no stage is used twice.

    Args:
        student: its taps, shallowest first.
        teacher: its taps, shallowest first.

    Returns:
        Tap of the student -> tap of the teacher, shallowest first.

    Raises:
        MethodError: a network without taps.
    """
    for network, taps in (("student", student), ("teacher", teacher)):
        if not taps:
            raise MethodError(
                f"the {network} shows no feature maps, and this method compares them: give it "
                "taps, as in with_taps(model, {'stage2': 'block_6_project_BN'})"
            )
    pairs = min(len(student), len(teacher))
    return {_spread(student, i, pairs): _spread(teacher, i, pairs) for i in range(1, pairs + 1)}


def map_shape(network: str, tap: str, taps: Shapes, like: MapShape | None = None) -> MapShape:
    """(h, w, c) of a tap of a picture, (time, c) of a series, (c,) of the rows of a table.

    Args:
        network: "student" or "teacher", for the error.
        tap: its name.
        taps: name -> shape `[batch, ...]`.
        like: of the tap that it is compared with.

    Raises:
        MethodError: the network has no such tap, or it is not a feature map of fixed size, or not
            of as many axes as the other.
    """
    if tap not in taps:
        raise MethodError(f"the {network} has no tap {tap!r}; it has {', '.join(taps)}")
    sizes = tuple(taps[tap][1:])
    axes = range(1, 4) if like is None else (len(like),)
    if len(sizes) not in axes or None in sizes:
        forms = " or ".join(FORMS[count - 1] for count in axes)
        raise MethodError(
            f"the {network}'s tap {tap!r} has the shape {tuple(taps[tap])}; expected a feature map "
            f"of fixed size, {forms}"
        )
    return tuple(int(size) for size in sizes if size is not None)


def _spread(taps: Sequence[str], i: int, pairs: int) -> str:
    return taps[-(-i * len(taps) // pairs) - 1]
