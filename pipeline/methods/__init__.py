"""Distillation methods: one file, one class each; dispatch is the table below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hintlite.errors import SettingsError
from hintlite.pipeline.settings.run import RunConfig

# Keras is imported where a method is built: the command line checks names before that.
if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.methods.base import Method

    Build = Callable[[RunConfig, keras.Model, keras.Model], Method]


@dataclass(frozen=True)
class Entry:
    """What the line has to know of a method before it is built.

    Attributes:
        build: makes it from the settings, the teacher and the student.
        reads: the settings that decide its outcome beside those of every student: sections of
            RunConfig ("kd") or single ones ("hint.epochs"). A change elsewhere retrains nothing.
        kin: methods of one kin take each other's place: an arm has one of them.
        alone: why an arm with this method has no other; empty if it may.
    """

    build: Build
    reads: tuple[str, ...] = ()
    kin: str = ""
    alone: str = ""


def _scratch(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from hintlite.pipeline.methods.scratch import Scratch

    del config, teacher, student
    return Scratch()


def _kd(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from hintlite.pipeline.methods.kd import KD

    del teacher, student
    return KD(config.kd, config.training.label_smoothing)


def _hint(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from hintlite.pipeline.methods.hint import Hint

    return Hint(config.hint, *_pairs(config, teacher, student))


def _joint_hint(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from hintlite.pipeline.methods.joint_hint import JointHint

    return JointHint(config.joint_hint, config.hint, *_pairs(config, teacher, student))


def _random_hint(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from hintlite.pipeline.methods.random_hint import RandomHint

    return RandomHint(config.hint, *_pairs(config, teacher, student), config.seed)


def _output_only(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from hintlite.pipeline.methods.output_only import OutputOnly

    del teacher, student
    epochs = config.hint.epochs + config.training.epochs
    return OutputOnly(config.kd, epochs, config.training.label_smoothing)


def _hint_labels(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from hintlite.models.taps import middle_tap
    from hintlite.pipeline.methods.hint_labels import HintLabels

    del teacher
    guided = list(config.hint.pairs) or [middle_tap(student)]
    return HintLabels(config.hint, guided, int(student.output["logits"].shape[-1]))


def _pairs(
    config: RunConfig, teacher: keras.Model, student: keras.Model
) -> tuple[dict[str, str], dict[str, str]]:
    """Guided tap -> hint tap, and hint tap -> its non-linearity."""
    from hintlite.models.taps import middle_tap, tap_activation

    pairs = config.hint.pairs or {middle_tap(student): middle_tap(teacher)}
    return pairs, {hint: tap_activation(teacher, hint) for hint in pairs.values()}


def _attention(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from hintlite.pipeline.methods.attention import Attention

    return Attention(config.attention, _stage_pairs(teacher, student))


def _fsp(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from hintlite.pipeline.methods.fsp import FSP

    return FSP(config.fsp, _stage_pairs(teacher, student))


def _crd(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from hintlite.pipeline.methods.crd import CRD

    deepest = list(_stage_pairs(teacher, student).items())[-1]
    return CRD(config.crd, *deepest, seed=config.seed)


def _reviewkd(config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    from hintlite.pipeline.methods.reviewkd import ReviewKD

    return ReviewKD(config.reviewkd, _stage_pairs(teacher, student))


def _stage_pairs(teacher: keras.Model, student: keras.Model) -> dict[str, str]:
    from hintlite.models.taps import stage_taps
    from hintlite.pipeline.methods.pairing import pair_stages

    return pair_stages(stage_taps(student), stage_taps(teacher))


METHODS: dict[str, Entry] = {
    "scratch": Entry(_scratch, alone="it is the student on labels alone"),
    "kd": Entry(_kd, reads=("kd",)),
    "hint": Entry(_hint, reads=("hint",), kin="hints"),
    "joint_hint": Entry(
        _joint_hint, reads=("joint_hint", "hint.pairs", "hint.regressor"), kin="hints"
    ),
    "random_hint": Entry(_random_hint, reads=("hint",), kin="hints"),
    "hint_labels": Entry(
        _hint_labels,
        reads=("hint.epochs", "hint.learning_rate", "hint.pairs", "hint.keep_weight"),
        kin="hints",
    ),
    "output_only": Entry(
        _output_only,
        reads=("kd", "hint.epochs"),
        alone="it is kd for as many steps as hint+kd takes",
    ),
    "attention": Entry(_attention, reads=("attention",)),
    "fsp": Entry(_fsp, reads=("fsp",)),
    "crd": Entry(_crd, reads=("crd",)),
    "reviewkd": Entry(_reviewkd, reads=("reviewkd",)),
}


def build_method(arm: str, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
    """The method that an arm names.

    Args:
        arm: a name in METHODS or "package.module:name", or several joined by "+".
        config: the run's settings.
        teacher: network with taps.
        student: network with taps.

    Raises:
        SettingsError: the arm names an unknown method, or methods that cannot be summed.
    """
    from hintlite.pipeline.methods.base import Sum

    methods = [_entry(name).build(config, teacher, student) for name in method_names(arm)]
    return methods[0] if len(methods) == 1 else Sum(methods)


def method_names(arm: str) -> list[str]:
    """The methods of an arm.

    Raises:
        SettingsError: an unknown method, the same one twice, or methods that cannot be summed.
    """
    names = arm.split("+")
    for name in names:
        if name not in METHODS and ":" not in name:
            raise SettingsError(
                f"arm {arm!r}: there is no method {name!r}; known: {', '.join(METHODS)}, or "
                "package.module:name for one of your own"
            )
    if len(set(names)) != len(names):
        raise SettingsError(f"arm {arm!r} names a method twice")
    _check_sum(arm, {name: _entry(name) for name in names})
    return names


def settings_read(arm: str, config: RunConfig) -> dict[str, Any]:
    """The settings that decide an arm's outcome beside those of every student, as plain data."""
    from hintlite.pipeline.methods.outside import fingerprint

    everything = asdict(config)
    read: dict[str, Any] = {}
    for name in method_names(arm):
        for setting in _entry(name).reads:
            section, _, field = setting.partition(".")
            read[setting] = everything[section][field] if field else everything[section]
        if name not in METHODS:
            read[name] = fingerprint(name)
    return read


def _entry(name: str) -> Entry:
    from hintlite.pipeline.methods.outside import find

    if name in METHODS:
        return METHODS[name]
    # Nobody knows what a stranger reads of the settings of the methods.
    sections = {setting.split(".")[0] for entry in METHODS.values() for setting in entry.reads}
    return Entry(find(name), reads=tuple(sorted(sections)))


def _check_sum(arm: str, entries: dict[str, Entry]) -> None:
    if len(entries) == 1:
        return
    for name, entry in entries.items():
        if entry.alone:
            raise SettingsError(f"arm {arm!r}: {name} stands alone, for {entry.alone}")
    kins = [entry.kin for entry in entries.values() if entry.kin]
    for kin in kins:
        rivals = [name for name, entry in entries.items() if entry.kin == kin]
        if len(rivals) > 1:
            raise SettingsError(
                f"arm {arm!r}: {' and '.join(rivals)} take each other's place; make an arm of each"
            )
