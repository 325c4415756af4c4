"""Distillation methods: one file, one class each; dispatch is the dict below."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.config import RunConfig, SettingsError

# Keras is imported where a method is built: the command line checks names before that.
if TYPE_CHECKING:
    import keras

    from pipeline.methods.base import Method


def _scratch(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from pipeline.methods.scratch import Scratch

    del config, teacher, student
    return Scratch()


def _kd(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from pipeline.methods.kd import KD

    del teacher, student
    return KD(config.kd, config.training.label_smoothing)


def _hint(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from models.taps import middle_tap, tap_activation
    from pipeline.methods.hint import Hint

    pairs = config.hint.pairs or {middle_tap(student): middle_tap(teacher)}
    activations = {hint: tap_activation(teacher, hint) for hint in pairs.values()}
    return Hint(config.hint, pairs, activations)


def _attention(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from pipeline.methods.attention import Attention

    return Attention(config.attention, _stage_pairs(teacher, student))


def _fsp(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from pipeline.methods.fsp import FSP

    return FSP(config.fsp, _stage_pairs(teacher, student))


def _crd(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from pipeline.methods.crd import CRD

    deepest = list(_stage_pairs(teacher, student).items())[-1]
    return CRD(config.crd, *deepest, seed=config.seed)


def _reviewkd(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from pipeline.methods.reviewkd import ReviewKD

    return ReviewKD(config.reviewkd, _stage_pairs(teacher, student))


def _stage_pairs(teacher: keras.Model, student: keras.Model) -> dict[str, str]:
    from models.taps import stage_taps
    from pipeline.methods.pairing import pair_stages

    return pair_stages(stage_taps(student), stage_taps(teacher))


METHODS: dict[str, Callable[[RunConfig, keras.Model, keras.Model], Method]] = {
    "scratch": _scratch,
    "kd": _kd,
    "hint": _hint,
    "attention": _attention,
    "fsp": _fsp,
    "crd": _crd,
    "reviewkd": _reviewkd,
}


def build_method(arm: str, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    """The method that an arm names.

    Args:
        arm: a name in METHODS, or several joined by "+".
        config: the run's settings.
        teacher: network with taps.
        student: network with taps.

    Raises:
        SettingsError: the arm names an unknown method, or one twice.
    """
    from pipeline.methods.base import Sum

    methods = [METHODS[name](config, teacher, student) for name in method_names(arm)]
    return methods[0] if len(methods) == 1 else Sum(methods)


def method_names(arm: str) -> list[str]:
    """The methods of an arm.

    Raises:
        SettingsError: an unknown method, or the same one twice.
    """
    names = arm.split("+")
    for name in names:
        if name not in METHODS:
            raise SettingsError(
                f"arm {arm!r}: there is no method {name!r}; known: {', '.join(METHODS)}"
            )
    if len(set(names)) != len(names):
        raise SettingsError(f"arm {arm!r} names a method twice")
    return names
