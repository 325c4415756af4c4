"""A caller's own Keras models as networks with taps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hintlite.errors import HintliteError
from hintlite.pipeline.app.python.arguments import ArgumentError, expect
from hintlite.pipeline.app.python.samples import Data, Task, sample_shape

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class Networks:
    """Teacher and student with the taps that the hints name; layers and weights are the caller's.

    Attributes:
        teacher: network with the outputs "logits" and taps.
        student: likewise.
        hints: layer or tap of the student -> that of the teacher; empty for the middle ones.
        task: what both take and tell apart.
        ends_in_softmax: whether the caller's student gives probabilities.
    """

    teacher: keras.Model
    student: keras.Model
    hints: dict[str, str]
    task: Task
    ends_in_softmax: bool


def as_networks(
    teacher: keras.Model, student: keras.Model, hints: Mapping[str, str], train: Data
) -> Networks:
    """Finds logits and taps of both models, and checks that they belong together.

    Args:
        teacher: classifier; a final softmax is left out. One without a graph is called whole.
        student: functional classifier.
        hints: layer of the student -> layer of the teacher, by name, path or tap.
        train: the samples, whose sizes fill those that the models leave open.

    Raises:
        ArgumentError: the two take other samples or tell other classes apart, or a layer is not
            there.
    """
    pairs = dict(hints)
    _check_direction(teacher, student, pairs)
    thin = as_network(student, "student", pairs, train)
    task = task_of(thin)
    taught = _as_teacher(teacher, pairs.values(), train, task)
    other = task_of(taught)
    if task.classes != other.classes:
        raise ArgumentError(
            f"the teacher tells {other.classes} classes apart, the student {task.classes}; both "
            "need the same"
        )
    shapes = zip(task.shape, other.shape, strict=False)
    if len(task.shape) != len(other.shape) or any(
        None not in sizes and sizes[0] != sizes[1] for sizes in shapes
    ):
        raise ArgumentError(
            f"the teacher takes samples of the shape {list(other.shape)}, the student "
            f"{list(task.shape)}; both are fed the same: begin one with a Resizing layer"
        )
    return Networks(taught, thin, pairs, task, ends_in_softmax(student))


def as_network(
    model: keras.Model, what: str, layers: Iterable[str] = (), samples: Any = None
) -> keras.Model:
    """A functional model with the outputs "logits" and one for each of the layers.

    Args:
        model: functional classifier.
        what: "teacher" or "student", for messages.
        layers: names or paths of layers, or taps; without any the model keeps its own taps.
        samples: what it is fed; their sizes fill those that the model leaves open.

    Raises:
        ArgumentError: no functional classifier, or no such layer.
    """
    import keras

    from hintlite.models.bind import bound
    from hintlite.models.taps import LOGITS, subnetwork, with_taps

    expect(what, model, keras.Model, "a keras.Model")
    names = list(dict.fromkeys(layers))
    shape = None if samples is None else sample_shape(samples, _rank(model))
    try:
        network = with_taps(model if shape is None else bound(model, shape), {})
        return subnetwork(network, [LOGITS, *names]) if names else network
    except (HintliteError, ValueError) as error:
        raise ArgumentError(f"{what}: {error}") from error


def _as_teacher(
    model: keras.Model, layers: Iterable[str], samples: Data, task: Task
) -> keras.Model:
    """The teacher; a subclassed one, which has no layers to name, by its answers alone."""
    import keras

    from hintlite.models.called import called
    from hintlite.models.graph import is_functional

    names = ", ".join(layers)
    if not isinstance(model, keras.Model) or is_functional(model):
        return as_network(model, "teacher", layers, samples)
    if names:
        raise ArgumentError(
            f"teacher: {type(model).__name__} is a model without a graph, so its layers {names} "
            "cannot be found: take a method that reads no hints, such as kd, or build it as "
            "keras.Model(inputs, outputs)"
        )
    sizes = [size for size in task.shape if size is not None]
    if len(sizes) < len(task.shape):
        raise ArgumentError(
            f"teacher: {type(model).__name__} is a model without a graph, and neither the student "
            f"nor the samples have all sizes of {list(task.shape)}: fix the student's input"
        )
    try:
        return called(model, sizes, "teacher")
    except HintliteError as error:
        raise ArgumentError(str(error)) from error


def _rank(model: keras.Model) -> int:
    """Axes of one sample; 0 of a model whose input is not known, which is refused later."""
    inputs = getattr(model, "inputs", None)
    return len(inputs[0].shape) - 1 if inputs else 0


def task_of(network: keras.Model) -> Task:
    """What a network takes and tells apart."""
    return Task(tuple(network.inputs[0].shape[1:]), int(network.output["logits"].shape[-1]))


def ends_in_softmax(model: keras.Model) -> bool:
    """Whether a classifier gives probabilities instead of logits."""
    from hintlite.models.graph import innermost, named_outputs, producer
    from hintlite.models.logits import activation_name

    if named_outputs(model):
        return False
    last = producer(innermost(model.outputs[0]).tensor).operation
    return activation_name(last) == "softmax"


def _check_direction(teacher: keras.Model, student: keras.Model, pairs: Mapping[str, str]) -> None:
    """Tells the one who wrote the teacher's layer first; near names would not help there."""
    for guided, hint in pairs.items():
        right = _has(student, guided) and _has(teacher, hint)
        if not right and _has(student, hint) and _has(teacher, guided):
            raise ArgumentError(
                f"hints: {guided!r} is a layer of the teacher and {hint!r} one of the student; "
                f"the student's stands first: hints={{{hint!r}: {guided!r}}}"
            )


def require_taps(teacher: keras.Model, student: keras.Model) -> None:
    """Refuses networks without taps where the caller names no layers to compare.

    Raises:
        ArgumentError: the layers that could be named are listed.
    """
    from hintlite.models.taps import listed_maps, stage_taps

    if stage_taps(teacher) and stage_taps(student):
        return
    raise ArgumentError(
        "hints: this method compares feature maps, so name a layer of each model, "
        "hints={'layer of the student': 'layer of the teacher'}. Student: "
        f"{listed_maps(student)}. Teacher: {listed_maps(teacher)}"
    )


def _has(model: keras.Model, name: str) -> bool:
    from hintlite.models.graph import is_functional, layer_paths, named_outputs

    if not is_functional(model):
        return False
    return name in named_outputs(model) or name in layer_paths(model)
