"""A training that leaves nothing on the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hintlite.pipeline.app.python.arguments import ArgumentError
from hintlite.pipeline.app.python.methods import Part, build, title_of
from hintlite.pipeline.app.python.networks import Networks
from hintlite.pipeline.app.python.samples import Data, is_dataset, read_samples
from hintlite.pipeline.app.python.teacher_check import check_teacher, warn_of_collapse
from hintlite.pipeline.settings.data import AugmentConfig
from hintlite.pipeline.settings.run import RunConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.methods.base import Method
    from hintlite.pipeline.training.checkpoint import Row
    from hintlite.pipeline.training.feed import Feed
    from hintlite.pipeline.training.train import Choices, Watcher


def train_in_memory(
    networks: Networks,
    train: Data,
    validation: Data | float,
    method: str | Part | Method,
    config: RunConfig,
    choices: Mapping[str, Any],
    callbacks: tuple[keras.callbacks.Callback, ...],
    verbose: bool,
) -> keras.callbacks.History:
    """Trains the student of a pair in place.

    Args:
        networks: both models with their taps.
        train: samples, see `hintlite.distill`.
        validation: likewise.
        method: likewise.
        config: settings of training and methods, and the seed.
        choices: the caller's own optimizer, loss, metrics, class_weight and accept_chance.
        callbacks: Keras callbacks.
        verbose: print a line an epoch.

    Returns:
        The history of all phases.
    """
    from hintlite.pipeline.training.train import Job, Watcher
    from hintlite.pipeline.training.train import train as train_job

    feed = _feed(networks, train, validation, config)
    pair = networks.teacher, networks.student
    built = build(method, config, *pair, networks.hints, feed.samples)
    chosen = _choices(choices, networks)
    accept = bool(choices["accept_chance"])
    taught = check_teacher(networks.teacher, feed, networks.task.classes, accept)
    if verbose:
        print(f"teacher: {taught:.2%} accuracy on validation samples", flush=True)
    job = Job(
        student=networks.student,
        method=built,
        teacher=networks.teacher,
        data=None,
        augmentation=AugmentConfig(),
        config=config.training,
        seed=config.seed,
        folder=None,
        watcher=_printer(method) if verbose else Watcher(),
        callbacks=callbacks,
        cached=_cached(networks, built, feed),
        feed=feed,
        choices=chosen,
    )
    history = as_keras(train_job(job))
    warn_of_collapse(networks.student, feed, networks.task, config.training)
    return history


def _feed(networks: Networks, train: Data, validation: Data | float, config: RunConfig) -> Feed:
    from hintlite.pipeline.app.python.held import divided
    from hintlite.pipeline.app.python.streams import dataset_feed
    from hintlite.pipeline.training.feed import ArrayFeed

    task, batch_size = networks.task, config.training.batch_size
    if is_dataset(train):
        return dataset_feed(train, validation, task, batch_size)
    ours = read_samples(train, task, "train")
    others = (
        float(validation)
        if isinstance(validation, (int, float))
        else read_samples(validation, task, "validation")
    )
    data, weights = divided(ours, others, task.classes, config.seed)
    one_hot = task.classes if ours.one_hot else 0
    return ArrayFeed(data, AugmentConfig(), batch_size, weights, one_hot)


def _cached(networks: Networks, method: Method, feed: Feed) -> Mapping[str, Any]:
    """The teacher's outputs, where samples stay the same from epoch to epoch."""
    from hintlite.pipeline.app.python.held import teacher_outputs
    from hintlite.pipeline.training.feed import ArrayFeed

    if not isinstance(feed, ArrayFeed):
        return {}
    taps = {tap for phase in method.phases().values() for tap in phase.teacher_taps}
    return teacher_outputs(networks.teacher, taps, feed.data.images)


def _choices(given: Mapping[str, Any], networks: Networks) -> Choices:
    import keras

    from hintlite.pipeline.training.train import Choices

    if given["loss"] is not None:
        _known("loss", keras.losses.get, given["loss"])
    for each in given["metrics"]:
        _known("metrics", _metric, each)
    return Choices(
        optimizer=_maker(given["optimizer"]),
        loss=given["loss"],
        metrics=given["metrics"],
        shows="probabilities" if networks.ends_in_softmax else "logits",
        class_weight=given["class_weight"],
    )


def _known(what: str, find: Callable[[Any], Any], given: Any) -> Any:
    """What Keras makes of an object or a name.

    Raises:
        ArgumentError: it knows no such thing.
    """
    try:
        return find(given)
    except (ValueError, TypeError) as error:
        raise ArgumentError(
            f"{what}: got {given!r:.80}; expected an object of Keras or its name"
        ) from error


def _metric(given: Any) -> Any:
    import keras

    return keras.metrics.get(given) if isinstance(given, str) else given


def _maker(optimizer: Any) -> Callable[[], keras.optimizers.Optimizer] | None:
    """Makes optimizers of the same settings: each phase starts with a new one."""
    import keras

    if optimizer is None:
        return None
    found = _known("optimizer", keras.optimizers.get, optimizer)
    return lambda: type(found).from_config(found.get_config())


def _printer(method: str | Part | Method) -> Watcher:
    from hintlite.pipeline.training.train import Watcher

    class Printer(Watcher):
        """Prints a line an epoch."""

        def epoch(self, phase: str, epoch: int, epochs: int, row: Row) -> None:
            figures = ", ".join(
                f"{name} {value:.4g}"
                for name, value in row.items()
                if isinstance(value, float) and name != "learning_rate"
            )
            title = title_of(method, phase)
            print(f"{title}, epoch {epoch}/{epochs}: {figures}", flush=True)

    return Printer()


def as_keras(rows: list[Row]) -> keras.callbacks.History:
    """A history in Keras' form: name -> one entry an epoch, None where a phase lacks it."""
    import keras

    history = keras.callbacks.History()
    names = dict.fromkeys(name for row in rows for name in row)
    history.history = {name: [row.get(name) for row in rows] for name in names}
    history.epoch = list(range(len(rows)))
    return history
