"""Student, teacher and each arm's method together, tried before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hintlite.errors import HintliteError, NetworkError
from hintlite.pipeline.app.run.context import Context, StageError, fresh_session
from hintlite.pipeline.app.run.own_range import built_teacher
from hintlite.pipeline.app.run.stages import teacher as teacher_stage
from hintlite.pipeline.settings.run import RunConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.methods.base import Method


def check_arms(context: Context) -> None:
    """Builds both networks and all methods, untrained where they are not trained yet.

    Raises:
        StageError: a student or a method that cannot be, before hours of training.
    """
    config = context.config
    with fresh_session(config.seed, config.training.precision):
        teacher = _teacher(context)
        student = student_for(context, teacher)
        read = {tap for arm in config.arms for tap in _guided(context, arm, teacher, student)}
    unread = [guided for guided in config.hint.pairs if guided not in read]
    if unread:
        context.terminal.say(
            f"hint.pairs: {', '.join(unread)} is read by none of the arms {', '.join(config.arms)}"
        )


def student_for(context: Context, teacher: keras.Model) -> keras.Model:
    """The student of the settings, of the size that the teacher's decides.

    Raises:
        StageError: it cannot be; where the default size is why, the setting that changes it.
    """
    from hintlite.models.cost import count_parameters
    from hintlite.models.student import build_student

    config, data = context.config.student, context.data
    try:
        return build_student(
            config, data.input_shape, len(data.class_names), count_parameters(teacher)
        )
    except NetworkError as error:
        times = config.times_fewer
        cure = ""
        if times is not None and times == RunConfig().student.times_fewer:
            cure = (
                f"\n{times} is the default: --student.times_fewer N sets another, and "
                "--student.times_fewer null takes --student.widths as they are"
            )
        raise StageError(f"the student: {error}{cure}") from error


def method_for(context: Context, arm: str, teacher: keras.Model, student: keras.Model) -> Method:
    """The method of an arm, built for both networks.

    Raises:
        StageError: they do not fit it; with the settings and the layers that would.
    """
    from hintlite.pipeline.methods import build_method
    from hintlite.pipeline.methods.base import tap_shapes

    config, pairs = context.config, context.config.hint.pairs
    networks = {"teacher": (teacher, pairs.values()), "student": (student, pairs)}
    shapes = {}
    for which, (network, taps) in networks.items():
        try:
            shapes[which] = tap_shapes(network, taps)
        except HintliteError as error:
            raise StageError(f"hint.pairs, the {which}: {error}") from error
    try:
        method = build_method(arm, config, teacher, student)
        method.build(shapes["teacher"], shapes["student"], len(context.data.images))
    except HintliteError as error:
        own = {"teacher": teacher, "student": student}
        raise StageError(f"arm {arm!r}: {_cause(error, config, own)}") from error
    return method


def _teacher(context: Context) -> keras.Model:
    """The trained teacher, or one of the same layers."""
    from hintlite.models.ensemble import ensemble

    config = context.config
    if all(map(context.folder.is_fresh, teacher_stage.stages(context))):
        return context.teacher()
    try:
        members = [built_teacher(context) for _ in context.teachers]
        return ensemble(members, config.hint_member)
    except NetworkError as error:
        raise StageError(f"the teacher: {error}") from error


def _guided(
    context: Context, arm: str, teacher: keras.Model, student: keras.Model
) -> frozenset[str]:
    """The student's taps that an arm reads."""
    phases = method_for(context, arm, teacher, student).phases()
    return frozenset().union(*(phase.student_taps for phase in phases.values()))


def _cause(error: HintliteError, config: RunConfig, networks: Mapping[str, keras.Model]) -> str:
    """Why a method cannot be built, and which layers of the user's own networks could be tapped."""
    from hintlite.models.taps import listed_maps, stage_taps

    lacking = {which: network for which, network in networks.items() if not stage_taps(network)}
    if lacking and not config.hint.pairs:
        verb = "name" if len(lacking) > 1 else "names"
        lines = [f"it compares feature maps, but the {' and the '.join(lacking)} {verb} none"]
    else:
        lines, lacking = [str(error)], dict(networks)
    for which, network in lacking.items():
        path = getattr(config, which).path
        if path is not None:
            found = listed_maps(network)
            lines.append(
                f"--{which}.taps.NAME=LAYER names a layer of the {which}, {path}, "
                + (f"one of: {found}" if found else "but it shows none: take an arm such as kd")
            )
    return "\n".join(lines)
