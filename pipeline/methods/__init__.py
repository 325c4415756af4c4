"""Distillation methods: one file, one class each; dispatch is the table below."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hintlite.errors import SettingsError
from hintlite.keyed import keyed
from hintlite.pipeline.settings.run import RunConfig

# Keras is imported where a method is built: the command line checks names before that.
if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.methods.base import Method

    Build = Callable[[RunConfig, keras.Model, keras.Model], Method]


@dataclass(frozen=True)
class Entry:
    """What has to be known of a method before it is built.

    Attributes:
        place: "module:Class" in this folder; the class makes itself with `of`.
        reads: the settings that decide its outcome beside those of every student: sections of
            RunConfig ("kd") or single ones ("hint.epochs"). A change elsewhere retrains nothing.
        kin: methods of one kin take each other's place: an arm has one of them.
        alone: why an arm with this method has no other; empty if it may.
        every_label: whether it means nothing without the label of each sample.
        first: what its phase before the task phase is called, if it has one.
    """

    place: str
    reads: tuple[str, ...] = ()
    kin: str = ""
    alone: str = ""
    every_label: bool = False
    first: str = ""

    def build(self, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Method:
        """Makes the method from the settings and both networks."""
        module, name = self.place.split(":")
        method: Method = getattr(import_module(f"{__name__}.{module}"), name).of(
            config, teacher, student
        )
        return method


METHODS: dict[str, Entry] = {
    "scratch": Entry("scratch:Scratch", alone="it is the student on labels alone"),
    "kd": Entry("kd:KD", reads=("kd",)),
    "hint": Entry("hint:Hint", reads=("hint",), kin="hints", first="hint phase"),
    "joint_hint": Entry(
        "joint_hint:JointHint",
        reads=("joint_hint", "hint.pairs", "hint.regressor"),
        kin="hints",
    ),
    "random_hint": Entry(
        "random_hint:RandomHint", reads=("hint",), kin="hints", first="random hint phase"
    ),
    "hint_labels": Entry(
        "hint_labels:HintLabels",
        reads=("hint.epochs", "hint.learning_rate", "hint.pairs", "hint.keep_weight"),
        kin="hints",
        first="label phase of the guided layers",
    ),
    "output_only": Entry(
        "output_only:OutputOnly",
        reads=("kd", "hint.epochs"),
        alone="it is kd for as many steps as hint+kd takes",
    ),
    "attention": Entry("attention:Attention", reads=("attention",)),
    "fsp": Entry("fsp:FSP", reads=("fsp",), first="Gram phase"),
    "crd": Entry("crd:CRD", reads=("crd",), every_label=True),
    "reviewkd": Entry("reviewkd:ReviewKD", reads=("reviewkd",)),
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

    check_arm(arm, config)
    methods = [_build(name)(config, teacher, student) for name in method_names(arm)]
    return methods[0] if len(methods) == 1 else Sum(methods)


def check_arm(arm: str, config: RunConfig) -> None:
    """Refuses an arm that cannot be, or not with these settings.

    Raises:
        SettingsError: says which method and why.
    """
    for name in method_names(arm):
        if config.training.labels is not None and _entry(name).every_label:
            raise SettingsError(
                f"arm {arm!r}: {name} needs the label of every training sample, but "
                f"training.labels leaves {config.training.labels}; leave the arm or the setting out"
            )


def method_names(arm: str, what: str = "arm") -> list[str]:
    """The methods of an arm.

    Args:
        arm: names joined by "+".
        what: what the caller knows it as, for messages: "arm" or "method".

    Raises:
        SettingsError: an unknown method, the same one twice, or methods that cannot be summed.
    """
    names = arm.split("+")
    for name in names:
        if name not in METHODS and ":" not in name:
            near = difflib.get_close_matches(name, METHODS, n=1)
            raise SettingsError(
                f"{what} {arm!r}: there is no method {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else ";")
                + f" known: {', '.join(METHODS)}, or package.module:name for one of your own"
            )
    if len(set(names)) != len(names):
        raise SettingsError(f"{what} {arm!r} names a method twice")
    _check_sum(f"{what} {arm!r}", {name: _entry(name) for name in names})
    return names


def settings_read(arm: str, config: RunConfig) -> dict[str, Any]:
    """The settings that decide an arm's outcome beside those of every student, as plain data."""
    from hintlite.pipeline.methods.outside import fingerprint

    everything = keyed(config)
    read: dict[str, Any] = {}
    for name in method_names(arm):
        for setting in _entry(name).reads:
            section, _, field = setting.partition(".")
            whole = everything.get(section)
            if not field and whole is not None:
                read[setting] = whole
            elif whole is not None and field in whole:
                read[setting] = whole[field]
        if name not in METHODS:
            read[name] = fingerprint(name)
    return read


def phase_title(arm: str, phase: str) -> str:
    """What a phase of an arm is called: "hint phase", "Gram phase", "task phase"."""
    if phase == "task":
        return "task phase"
    titles = [title for name in method_names(arm) if (title := _entry(name).first)]
    return " and ".join(titles) or "first phase"


def _build(name: str) -> Build:
    from hintlite.pipeline.methods.outside import find

    return METHODS[name].build if name in METHODS else find(name)


def _entry(name: str) -> Entry:
    from hintlite.pipeline.methods.outside import find

    if name in METHODS:
        return METHODS[name]
    find(name)
    # A method from outside is given all settings, and may read any of those of the methods.
    sections = {setting.split(".")[0] for entry in METHODS.values() for setting in entry.reads}
    return Entry(name, reads=tuple(sorted(sections)))


def _check_sum(named: str, entries: dict[str, Entry]) -> None:
    if len(entries) == 1:
        return
    for name, entry in entries.items():
        if entry.alone:
            raise SettingsError(f"{named}: {name} stands alone, for {entry.alone}")
    kins = [entry.kin for entry in entries.values() if entry.kin]
    for kin in kins:
        rivals = [name for name, entry in entries.items() if entry.kin == kin]
        if len(rivals) > 1:
            raise SettingsError(
                f"{named}: {' and '.join(rivals)} take each other's place; try one at a time"
            )
