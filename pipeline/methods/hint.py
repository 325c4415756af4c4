"""Hint-based training: FitNets stage 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

import keras
from keras import ops

from hintlite.errors import HintliteError
from hintlite.models.axes import all_but_batch
from hintlite.models.regressor import build_regressor
from hintlite.models.resize import average_to
from hintlite.models.taps import middle_tap, tap_activation
from hintlite.pipeline.methods.base import Batch, Method, MethodError, Phase, Shapes, Tensor, Term
from hintlite.pipeline.settings.methods import FSPConfig, HintConfig

if TYPE_CHECKING:
    from hintlite.pipeline.settings.run import RunConfig


class Hint(Method):
    """The student up to its guided layer learns to predict the teacher's hint layer.

    `L_HT = 1/2 * || u_h(x) - r(v_g(x)) ||^2` (Romero et al. 2015, eq. 3), summed over
    `[h, w, c]` (of a series `[time, c]`) and averaged over the batch. `r` is the regressor, a
    convolution of the guided features `[batch, h_g, w_g, c_g]` to the hint's shape, with the hint's
    own non-linearity; over series it has one axis.

    The authors' code differs from their equation, and this follows the equation. Their code
    averages over the map where eq. 3 sums, which a factor of the map's size on the learning rate
    makes up for; it puts no regressor where the shapes agree already; and it bounds the norms of
    the kernels, which nothing here does.

    Learnable: the student up to the deepest guided tap, and the regressors. Left behind: the
    regressors.

    Args:
        config: epochs, regressor and whether the loss stays on in the task phase.
        pairs: guided tap of the student -> hint tap of the teacher.
        activations: hint tap -> its non-linearity ("relu", "linear", ...).
    """

    term = "hint"  # its name in the history

    def __init__(
        self, config: HintConfig, pairs: Mapping[str, str], activations: Mapping[str, str]
    ) -> None:
        self.config = config
        self.pairs = dict(pairs)
        self.activations = dict(activations)
        self.regressors: dict[str, keras.Model] = {}

    @classmethod
    def of(cls, config: RunConfig, teacher: keras.Model, student: keras.Model) -> Self:
        """The method for two networks with taps, from a run's settings."""
        return cls(config.hint, *hint_pairs(config, teacher, student))

    def build(self, teacher_taps: Shapes, student_taps: Shapes, n_samples: int) -> None:
        """Creates one regressor a pair.

        Raises:
            MethodError: an unknown tap, or a pair whose shapes cannot fit.
        """
        del n_samples
        for guided, hint in self.pairs.items():
            features_shape = guided_shape(guided, student_taps)
            hint_shape = _shape("teacher", hint, teacher_taps)
            kind = _fitting(self.config.regressor, features_shape, hint_shape)
            try:
                self.regressors[guided] = build_regressor(
                    kind, features_shape, hint_shape, self.activations[hint]
                )
            except HintliteError as error:
                raise MethodError(str(error)) from error

    def target(self, guided: str, batch: Batch) -> Tensor:
        """The hint that belongs to a guided tap, at the regressor's output size."""
        size = self.regressors[guided].output_shape[1:-1]
        return average_to(batch.teacher[self.pairs[guided]], size)

    def prediction(self, guided: str, batch: Batch) -> Tensor:
        """What the regressor makes of a guided tap, of the target's shape, float32."""
        features = self.regressors[guided](batch.student[guided], training=batch.training)
        return ops.cast(features, "float32")

    def hint_loss(self, batch: Batch) -> Tensor:
        """L_HT, summed over the pairs, `[batch]`."""
        total = 0.0
        for guided in self.pairs:
            error = self.prediction(guided, batch) - self.target(guided, batch)
            total = total + 0.5 * ops.sum(ops.square(error), axis=all_but_batch(error))
        return total

    def compared_maps(self, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
        """ "guided <- hint" -> (hint, regressed guided features)."""
        return {
            f"{guided} <- {hint}": (self.target(guided, batch), self.prediction(guided, batch))
            for guided, hint in self.pairs.items()
        }

    @property
    def hints(self) -> frozenset[str]:
        """The teacher's taps that the loss reads."""
        return frozenset(self.pairs.values())

    @property
    def extras(self) -> tuple[keras.layers.Layer, ...]:
        """What is trained, or kept, beside the student."""
        return tuple(self.regressors.values())

    def phases(self) -> dict[str, Phase]:
        """The hint phase; and the task phase, with the hint loss in it if it is kept on."""
        guided = frozenset(self.pairs)
        return hint_phases(self.config, self.term, self.hint_loss, guided, self.hints, self.extras)


def hint_pairs(
    config: RunConfig, teacher: keras.Model, student: keras.Model
) -> tuple[dict[str, str], dict[str, str]]:
    """Guided tap -> hint tap as the settings name them, and hint tap -> its non-linearity."""
    pairs = config.hint.pairs or {middle_tap(student): middle_tap(teacher)}
    return pairs, {hint: tap_activation(teacher, hint) for hint in pairs.values()}


def _fitting(kind: str, guided: tuple[int, ...], hint: tuple[int, ...]) -> str:
    """The regressor's kind; no valid convolution leads to a larger map, so that is pooled."""
    larger = any(there > here for there, here in zip(hint[:-1], guided[:-1], strict=False))
    return "pooled" if kind == "paper" and larger else kind


def hint_phases(
    config: HintConfig | FSPConfig,
    name: str,
    loss: Callable[[Batch], Tensor],
    guided: frozenset[str],
    hints: frozenset[str],
    extras: tuple[keras.layers.Layer, ...],
) -> dict[str, Phase]:
    """A loss on the guided taps before the task phase, and in it too if it is kept on.

    Args:
        config: epochs, learning rate and the weight in the task phase.
        name: of the loss, in the history.
        loss: `[batch]` losses.
        guided: the student's taps that it reads.
        hints: the teacher's.
        extras: the layers that it trains.
    """
    pretrain = Phase(
        terms=(Term(name, loss),),
        student_taps=guided,
        teacher_taps=hints,
        extras=extras,
        epochs=config.epochs,
        learning_rate=config.learning_rate,
    )
    task = Phase(terms=(), student_taps=frozenset({"logits"}))
    if config.keep_weight > 0:
        task = Phase(
            terms=(Term(name, loss, config.keep_weight),),
            student_taps=guided | {"logits"},
            teacher_taps=hints,
            extras=extras,
        )
    return {"pretrain": pretrain, "task": task}


def guided_shape(tap: str, student_taps: Shapes) -> tuple[int, ...]:
    """The shape of a guided tap, without the batch.

    Raises:
        MethodError: the student has no such tap.
    """
    return _shape("student", tap, student_taps)


def _shape(network: str, tap: str, taps: Shapes) -> tuple[int, ...]:
    if tap not in taps:
        raise MethodError(
            f"hint.pairs names the {network}'s tap {tap!r}, which it does not have; "
            f"it has {', '.join(name for name in taps if name != 'logits')}"
        )
    return tuple(int(size or 0) for size in taps[tap][1:])
