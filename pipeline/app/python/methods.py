"""Methods of distillation with settings of their own, as `hintlite.methods`.

    hintlite.methods.Hint(epochs=2) + hintlite.methods.KD(temperature=4)

Each class takes the settings of its method by name; "+" adds their losses. What a method computes
stands in its file under pipeline/methods. No TensorFlow here, so that a notebook has the names at
once.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from hintlite.errors import HintliteError
from hintlite.pipeline.app.python.arguments import ArgumentError, kind_of
from hintlite.pipeline.methods import METHODS, build_method, method_names, phase_title
from hintlite.pipeline.settings.methods import (
    AttentionConfig,
    CRDConfig,
    FSPConfig,
    HintConfig,
    JointHintConfig,
    KDConfig,
    ReviewKDConfig,
)
from hintlite.pipeline.settings.run import RunConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.methods.base import Method, Phase

__all__ = [
    "CRD",
    "FSP",
    "KD",
    "Attention",
    "Hint",
    "HintLabels",
    "JointHint",
    "OutputOnly",
    "RandomHint",
    "ReviewKD",
    "Scratch",
    "Sum",
]


class Part:
    """What can be summed: a method with its settings, or several."""

    name: ClassVar[str] = ""
    section: ClassVar[str] = ""  # the setting of a run that holds these

    def __new__(cls, *_: Any, **settings: Any) -> Self:
        """Refuses a setting that the method does not have, with the nearest that it has."""
        known: list[str] = [field.name for field in fields(cls)] if is_dataclass(cls) else []
        for name in settings:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = (
                    f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}"
                )
                raise ArgumentError(f"{cls.__name__} has no setting {name!r}; {hint}")
        return super().__new__(cls)

    def __add__(self, other: Part | Method) -> Sum:
        """Both at once: their losses are added, phase by phase."""
        if not isinstance(other, Part) and not hasattr(other, "phases"):
            raise ArgumentError(
                f"a method is summed with others of hintlite.methods or of your own, not with "
                f"{kind_of(other)}; names are summed in one text, 'hint+kd'"
            )
        return Sum((*_parts(self), *_parts(other)))

    def __radd__(self, other: Method) -> Sum:
        """A method of one's own, made without these classes, and this one."""
        return Sum((*_parts(other), *_parts(self)))

    def phases(
        self,
        teacher: keras.Model,
        student: keras.Model,
        hints: Mapping[str, str] | None = None,
        samples: int = 0,
    ) -> dict[str, Phase]:
        """What `hintlite.Distiller` minimises, for those who write the loop themselves.

        Args:
            teacher: network, from `hintlite.with_taps`.
            student: likewise.
            hints: tap or layer of the student -> that of the teacher; the middle ones if None.
            samples: rows of the training arrays, for CRD, which keeps an embedding of each.

        Returns:
            The phases in their order, by "pretrain" and "task"; the labels' cross-entropy is in.
        """
        from hintlite.pipeline.methods.base import with_labels

        phases = build(self, RunConfig(), teacher, student, dict(hints or {}), samples).phases()
        return {**phases, "task": with_labels(phases["task"])}


@dataclass(frozen=True)
class Sum(Part):
    """Several methods at once.

    Args:
        parts: methods with their settings, and objects of one's own classes.
    """

    parts: tuple[Part | Method, ...]


@dataclass(frozen=True)
class Scratch(Part):
    """The student on labels alone, to compare with."""

    name: ClassVar[str] = "scratch"


class KD(KDConfig, Part):
    """Soft targets beside the labels (Hinton et al. 2015; weights of Romero et al. 2015)."""

    name, section = "kd", "kd"


class OutputOnly(KDConfig, Part):
    """A control: soft targets for as many epochs as hints and soft targets take together."""

    name, section = "output_only", "kd"


class Hint(HintConfig, Part):
    """Hints before the task: the student's middle predicts the teacher's (Romero et al. 2015)."""

    name, section = "hint", "hint"


class RandomHint(HintConfig, Part):
    """A control: the hint phase with targets that say nothing of the samples."""

    name, section = "random_hint", "hint"


class HintLabels(HintConfig, Part):
    """A control: the hint phase with the labels in the place of hints."""

    name, section = "hint_labels", "hint"


class JointHint(JointHintConfig, Part):
    """Hints in the task phase alone, as most benchmarks have "FitNet"."""

    name, section = "joint_hint", "joint_hint"


class Attention(AttentionConfig, Part):
    """Attention maps of all stages (Zagoruyko & Komodakis 2017)."""

    name, section = "attention", "attention"


class FSP(FSPConfig, Part):
    """Gram matrices between stages, then the task (Yim et al. 2017)."""

    name, section = "fsp", "fsp"


class CRD(CRDConfig, Part):
    """Contrastive representation distillation (Tian et al. 2020); takes arrays, not datasets."""

    name, section = "crd", "crd"


class ReviewKD(ReviewKDConfig, Part):
    """Knowledge review over all stages (Chen et al. 2021)."""

    name, section = "reviewkd", "reviewkd"


def __getattr__(name: str) -> type[Part]:
    """The class of a method that has none above, from its entry in METHODS."""
    arm = {entry.place.split(":")[1]: each for each, entry in METHODS.items()}.get(name)
    if arm is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    section = next((each for each in METHODS[arm].reads if "." not in each), "")
    settings = (type(getattr(RunConfig(), section)),) if section else ()
    return type(name, (*settings, Part), {"name": arm, "section": section, "__module__": __name__})


_Given: TypeAlias = "str | Part | Method"


def title_of(method: _Given, phase: str) -> str:
    """What a phase is called on the terminal."""
    named = method if isinstance(method, str) else _named(_parts(method))
    if named:
        return phase_title(named, phase)
    return "task phase" if phase == "task" else "first phase"


def arm_of(method: _Given) -> str:
    """The name of a method as the command has it: "hint+kd".

    Raises:
        SettingsError: an unknown name, or methods that cannot be summed.
        ArgumentError: an object of the caller's own class, which has no name.
    """
    if isinstance(method, str):
        return "+".join(method_names(method, "method"))
    parts = _parts(method)
    for part in parts:
        if not isinstance(part, Part):
            raise ArgumentError(
                f"method: {type(part).__name__} is an object; a run in a folder is gone on with "
                "later and in other processes: name its class, 'package.module:Name'"
            )
    return "+".join(method_names(_named(parts), "method"))


def with_settings(config: RunConfig, method: _Given, hints: Mapping[str, str]) -> RunConfig:
    """A run's settings with those of the method's parts in them.

    Args:
        config: the others.
        method: name or parts.
        hints: pairs of layers, unless those of a `Hint` name them.

    Raises:
        ArgumentError: the two differ.
    """
    changes: dict[str, Any] = {}
    for part in () if isinstance(method, str) else _parts(method):
        if isinstance(part, Part) and part.section:
            base = type(getattr(config, part.section))
            names = [field.name for field in fields(base)]
            changes[part.section] = base(**{name: getattr(part, name) for name in names})
    hint = changes.get("hint", config.hint)
    if hint.pairs and hints and dict(hint.pairs) != dict(hints):
        raise ArgumentError(
            f"hints: {dict(hints)} here, but {dict(hint.pairs)} in the method's own pairs; leave "
            "one of them out"
        )
    changes["hint"] = replace(hint, pairs=hint.pairs or dict(hints))
    return replace(config, **changes)


def build(
    method: _Given,
    config: RunConfig,
    teacher: keras.Model,
    student: keras.Model,
    hints: Mapping[str, str],
    samples: int,
) -> Method:
    """The method, built for two networks.

    Args:
        method: name, parts, or an object of the caller's own class.
        config: settings of what the parts leave open.
        teacher: network with taps.
        student: likewise.
        hints: pairs of layers; empty for the middle ones.
        samples: rows of the training arrays; 0 where samples have no number.

    Raises:
        ArgumentError: networks without the taps that the method compares.
        MethodError: networks that do not fit the method.
    """
    from hintlite.pipeline.app.python.networks import require_taps
    from hintlite.pipeline.methods.base import Sum as SumOfMethods
    from hintlite.pipeline.methods.base import tap_shapes

    config = with_settings(config, method, hints)
    own = [] if isinstance(method, str) else [p for p in _parts(method) if not isinstance(p, Part)]
    named = method if isinstance(method, str) else _named(_parts(method))
    pairs = config.hint.pairs
    if named:
        method_names(named, "method")  # a wrong name before missing taps
    try:
        made = [build_method(named, config, teacher, student)] if named else []
    except HintliteError:
        if not pairs:
            require_taps(teacher, student)
        raise
    parts = [each for method in made for each in getattr(method, "methods", (method,))]
    _check_order(parts, pairs)
    whole = SumOfMethods([*parts, *own]) if len(parts) + len(own) > 1 else (*parts, *own)[0]
    whole.build(tap_shapes(teacher, pairs.values()), tap_shapes(student, pairs), samples)
    _check_read(whole, pairs)
    return whole


def _check_read(method: Method, hints: Mapping[str, str]) -> None:
    read = {tap for phase in method.phases().values() for tap in phase.student_taps}
    unread = [layer for layer in hints if layer not in read]
    if unread:
        raise ArgumentError(
            f"hints: the method does not read {', '.join(unread)}; leave that out, or take one "
            "that compares feature maps, such as method='hint+kd'"
        )


def _check_order(methods: Sequence[Method], hints: Mapping[str, str]) -> None:
    """Methods that pair all stages do so by depth: other pairs would be silently mixed up."""
    for method in methods:
        found = getattr(method, "pairs", hints)
        if hints and dict(found) != dict(hints):
            raise ArgumentError(
                f"hints: {type(method).__name__} pairs layers in the order of their depth, "
                f"{dict(found)}, but the hints say {dict(hints)}: name them so that deeper layers "
                "of the student go with deeper layers of the teacher, each once"
            )


def _named(parts: tuple[Part | Method, ...]) -> str:
    return "+".join(part.name for part in parts if isinstance(part, Part))


def _parts(method: Part | Method) -> tuple[Part | Method, ...]:
    return method.parts if isinstance(method, Sum) else (method,)
