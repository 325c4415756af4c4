"""`hintlite.distill`: a trained teacher and a student in, the student trained out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.choices import wrong_choice
from hintlite.pipeline.app.python.arguments import ArgumentError, as_folder, expect, expect_all
from hintlite.pipeline.app.python.methods import Part, with_settings
from hintlite.pipeline.app.python.samples import Data, named
from hintlite.pipeline.app.run.not_a_run import require_place
from hintlite.pipeline.settings.data import NORMALIZATIONS, NormalizationKind
from hintlite.pipeline.settings.run import RunConfig
from hintlite.pipeline.settings.training import TrainingConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.methods.base import Method


def distill(  # noqa: PLR0913 - keyword arguments, as of Keras' compile and fit together
    teacher: keras.Model,
    student: keras.Model,
    train: Data,
    validation: Data | float = 0.1,
    *,
    method: str | Part | Method = "hint+kd",
    hints: Mapping[str, str] | None = None,
    epochs: int = 20,
    batch_size: int = 128,
    learning_rate: float = 5e-3,
    optimizer: Any = None,
    loss: Any = None,
    metrics: Sequence[Any] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    class_weight: Mapping[int, float] | None = None,
    seed: int = 0,
    accept_chance: bool = False,
    folder: str | Path | None = None,
    test: Data | float | None = None,
    class_names: Sequence[str] | None = None,
    data_name: str | None = None,
    feeding: NormalizationKind = "raw",
    settings: Mapping[str, Any] | None = None,
    verbose: bool = False,
) -> keras.Model:
    """Trains a student with a teacher.

    Both models are fed the samples with the values that these have, unless `feeding` says else. The
    student is trained in place, from the weights that it has, and returned; the teacher is not
    changed. Each phase ends with the weights of its epoch that was best on the validation samples.
    Without `folder` nothing is written to the disk.

    With `folder` it is a run like that of `hintlite run`, in a process of its own: all stages from
    the training to the files, the evaluation on test samples, the bundle, the benchmark and the
    page; stopped, it goes on where it was when it is called again. Every command works on the
    folder afterwards. The run keeps both models, the student as it was first given: called again,
    with the same layers, it goes on with those weights.

    Args:
        teacher: trained classifier, `[batch, h, w, c]` -> `[batch, classes]`. A final softmax is
            found and left out. A subclassed model is called whole, so it gives no hints.
        student: functional classifier of the same inputs and classes, with or without a softmax.
        train: (x, y), (x, y, sample_weight), or a finite `tf.data.Dataset` of such, in batches or
            sample by sample. y holds class indices, one-hot rows or, of arrays, names of classes. A
            dataset is run through once an epoch, so that its shuffling and augmentation are drawn
            anew each time.
        validation: the same of other samples; or the share of the arrays of `train` to set aside,
            each class in proportion.
        method: names joined by "+" ("hint+kd", "kd", "attention+kd", ...; "package.module:Name"
            is one of your own), classes of `hintlite.methods` with their settings, or an object of
            your own subclass of `hintlite.pipeline.methods.base.Method`.
        hints: layer of the student -> layer of the teacher whose feature maps are compared, by
            name, by path in nested models ("mobilenetv2/block_6_expand") or by tap. None: the
            middle taps of networks that have taps.
        epochs: passes over the training samples in the task phase; the hint phase before it has
            its own, `hintlite.methods.Hint(epochs=...)`.
        batch_size: of arrays, and of datasets that come sample by sample.
        learning_rate: peak of Adam's rate, which decays on a cosine; the hint phase has its own.
        optimizer: a Keras optimizer or its name in the place of Adam with that schedule; each phase
            takes a new one of the same settings.
        loss: a Keras loss, its name or a function (labels, outputs), in the place of the
            cross-entropy with the labels. It is shown the student's own outputs (probabilities if
            the student ends in a softmax) and the labels as they came.
        metrics: Keras metrics or their names, shown the same; they appear in the history.
        callbacks: Keras callbacks; they see each phase as a training of its own.
        class_weight: class -> weight of its samples in the loss.
        seed: of shuffling, of the validation share and of the layers that a method adds.
        accept_chance: distill from a teacher that does no better than guessing on the validation
            samples, which is refused otherwise: it may be fed another range of values than it was
            trained on.
        folder: of a run. Both models must then be savable, without layers of one's own, and
            optimizer a name; loss, metrics, callbacks and class_weight belong to a training in
            memory. Datasets are read once and kept, so leave random augmentation out of them:
            `settings={"data": {"augmentation": {"flip": True, "shift": 2}}}` draws it anew.
        test: with `folder`, samples of the one evaluation; or the share of `train` that is set
            aside for it, a fifth if None.
        class_names: one a class, in the order of the outputs; if None, those that the labels of
            `train` are, sorted, where these are text, else numbers.
        data_name: with `folder`, what the samples are called on its page and in its bundle.
        feeding: with `folder`, what both models are fed, as the setting `data.normalization` of a
            run: the values as they are, or "unit" 0..1, "signed" -1..1 or "standard" (mean 0,
            deviation 1 a channel) made of them; the bundle then takes the values themselves. Floats
            want their range told, `settings={"data": {"value_range": (0, 4095)}}`; a teacher of
            another range than the student's `settings={"teacher_normalization": "raw"}`.
        settings: with `folder`, further settings of the run, nested as in its YAML:
            `{"quantize": {"min_agreement": 0.9}}`.
        verbose: print a line an epoch, or with `folder` what the command would.

    Returns:
        The student, with `student.history`, a `keras.callbacks.History` of all phases: each list
        has one entry an epoch, None where a phase lacks the figure; "phase" says which it was.

    Raises:
        HintliteError: what cannot be trained so; the message says what was expected, what came
            and what to do.
    """
    from hintlite.pipeline.app.python.networks import as_networks

    _check_method(method)
    expect_all(
        {
            "epochs": (epochs, "a whole number"),
            "batch_size": (batch_size, "a whole number"),
            "learning_rate": (learning_rate, "a number"),
            "seed": (seed, "a whole number"),
            "feeding": (feeding, "a text"),
            "hints": (hints or {}, "names to values, {...: ...}"),
            "class_weight": (class_weight or {}, "names to values, {...: ...}"),
            "settings": (settings or {}, "names to values, {...: ...}"),
            "metrics": (metrics, "a list or tuple"),
            "callbacks": (callbacks, "a list or tuple"),
        }
    )
    for layer in (*(hints or {}), *(hints or {}).values()):
        expect("hints", layer, str, "names of layers, {'of the student': 'of the teacher'}")
    plain = TrainingConfig(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
    config = RunConfig(seed=seed, training=plain)
    own = {"loss": loss, "metrics": tuple(metrics), "class_weight": class_weight}
    if folder is not None:
        place = as_folder(folder)
        require_place(place)
        _check_in_folder(own | {"callbacks": tuple(callbacks)}, optimizer)
        config = _with_further(config, optimizer, feeding, settings or {})
        config = replace(config, accept_chance=accept_chance)
    else:
        fed = None if feeding == "raw" else feeding
        named_alone = {"data_name": data_name, "feeding": fed}
        _check_in_memory({"test": test, "settings": settings} | named_alone)
    config = with_settings(config, method, hints or {})
    with _seeded(seed):
        networks = as_networks(teacher, student, config.hint.pairs, train)
        task = named(networks.task, class_names, train, "train", "class_names")
        networks = replace(networks, task=task)
        if folder is None:
            from hintlite.pipeline.app.python.memory import train_in_memory

            student.history = train_in_memory(
                networks,
                train,
                validation,
                method,
                config,
                own | {"optimizer": optimizer, "accept_chance": accept_chance},
                tuple(callbacks),
                verbose,
            )
            return student
        from hintlite.pipeline.app.python.in_folder import Parts, train_in_folder

        parts = Parts(train, validation, test, data_name or "arrays")
        student.history = train_in_folder(
            place, (teacher, student), networks, parts, method, config, verbose
        )
    return student


# Settings of a run that the models, the method and the samples decide.
_ARGUMENTS = (
    "accept_chance",
    "arms",
    "deploy",
    "seed",
    "student",
    "teacher",
    "teacher_members",
    "teacher_training",
)


def _check_in_memory(given: Mapping[str, Any]) -> None:
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise ArgumentError(
            f"{' and '.join(names)}: these belong to a run in a folder; give folder='runs/mine', "
            "or leave them out and use hintlite.evaluate and hintlite.quantize afterwards"
        )


def _check_in_folder(given: Mapping[str, Any], optimizer: Any) -> None:
    names = [name for name, value in given.items() if value]
    cure = "leave them or folder out"
    if optimizer is not None and not isinstance(optimizer, str):
        names.append("optimizer")
        cure = "leave folder out, or give the optimizer by its name, 'adam', 'sgd' or 'rmsprop'"
    if names:
        raise ArgumentError(
            f"{' and '.join(names)}: objects of this process, but a run in a folder goes on in "
            f"others, which do not have them; {cure}"
        )


def _with_further(
    config: RunConfig, optimizer: str | None, feeding: str, settings: Mapping[str, Any]
) -> RunConfig:
    """The settings of a run: the caller's further ones over those of the arguments."""
    from hintlite.pipeline.app.settings.text import config_from

    data = settings.get("data", {})
    taken = [name for name in settings if name in _ARGUMENTS]
    taken += ["data.normalization"] if "normalization" in data else []
    if taken:
        raise ArgumentError(
            f"settings: {', '.join(taken)} is what the arguments of distill say; leave it out"
        )
    training = asdict(config.training) | {"optimizer": optimizer or config.training.optimizer}
    if feeding not in NORMALIZATIONS:
        raise ArgumentError(wrong_choice("feeding", feeding, NORMALIZATIONS))
    further = {
        **settings,
        "data": {**data, "normalization": feeding},
        "training": {**training, **settings.get("training", {})},
    }
    return config_from({"seed": config.seed, **further})


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Keras draws the seeds of initial weights from `random`, whose state is the caller's."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _check_method(method: Any) -> None:
    if isinstance(method, (str, Part)):
        return
    from hintlite.pipeline.methods.base import Method

    if not isinstance(method, Method):
        raise ArgumentError(
            f"method: got a {type(method).__name__}; expected a name such as 'hint+kd', a class of "
            "hintlite.methods with its settings, or an object of your own subclass of Method"
        )
