"""How one network is trained, and where the teacher's outputs are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hintlite.choices import check_choices
from hintlite.pipeline.settings.base import require

ChooseBy = Literal["accuracy", "balanced_accuracy", "f1", "loss"]
CHOOSE_BY: tuple[ChooseBy, ...] = get_args(ChooseBy)


@dataclass(frozen=True)
class TrainingConfig:
    """How one network is trained on labels, soft targets or both.

    Args:
        epochs: passes over the training part.
        batch_size: samples in a step.
        optimizer: adam, sgd (Nesterov momentum 0.9) or rmsprop (the paper's).
        learning_rate: its peak.
        schedule: "cosine" decays to 0 over the epochs (Loshchilov & Hutter 2017), "constant" stays.
        warmup_epochs: the rate rises linearly over these first epochs (cosine only); in a phase of
            another length, such as the hint phase, over the same share of it.
        weight_decay: decoupled decay of the kernels (AdamW).
        clip_norm: bound of the gradient's global norm.
        label_smoothing: mass taken from the true class (Szegedy 2016).
        class_weights: "balanced" weighs each sample by the inverse share of its class.
        choose_by: the figure on validation data whose best epoch is kept: accuracy,
            balanced_accuracy, f1 (macro) or loss (the labels' cross-entropy). By default accuracy,
            and balanced_accuracy under class_weights "balanced".
        labels: how many labels of the training part may be used, as many of each class as of
            another. For the samples without one the teacher speaks alone; an arm that asks no
            teacher sees its labelled samples so often that all arms make as many steps. None: all.
        patience: stop after this many epochs without a better validation result.
        precision: float32, mixed_bfloat16 or mixed_float16 while training; files are float32.
        jit_compile: let XLA compile the step. Off: on CPUs it slows down networks with max pooling.
    """

    epochs: int = 20
    batch_size: int = 128
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"
    learning_rate: float = 2e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: int = 0
    weight_decay: float = 0.0
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    choose_by: ChooseBy | None = None
    labels: int | None = None
    patience: int | None = None
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    jit_compile: bool = False

    def __post_init__(self) -> None:
        """Refuses counts, rates and names that cannot work."""
        check_choices(self, "training.")
        require(self.epochs >= 1, f"training.epochs must be 1 or more; got {self.epochs}")
        require(self.batch_size >= 1, f"training.batch_size must be 1 or more: {self.batch_size}")
        require(
            self.learning_rate > 0, f"training.learning_rate must be above 0: {self.learning_rate}"
        )
        require(
            0 <= self.warmup_epochs < self.epochs,
            f"training.warmup_epochs ({self.warmup_epochs}) must be fewer than the "
            f"{self.epochs} epochs",
        )
        require(
            self.warmup_epochs == 0 or self.schedule == "cosine",
            "training.warmup_epochs works with schedule 'cosine' alone",
        )
        require(
            self.weight_decay >= 0,
            f"training.weight_decay must not be negative: {self.weight_decay}",
        )
        require(
            self.clip_norm is None or self.clip_norm > 0,
            f"training.clip_norm must be above 0: {self.clip_norm}",
        )
        require(
            0 <= self.label_smoothing < 1,
            f"training.label_smoothing lies in 0..1: {self.label_smoothing}",
        )
        require(
            self.labels is None or self.labels >= 1,
            f"training.labels must be 1 or more: {self.labels}",
        )
        require(
            self.labels is None or self.class_weights == "none",
            "training.labels keeps as many labels of each class as of another: leave "
            "training.class_weights out",
        )
        require(
            self.patience is None or self.patience >= 1,
            f"training.patience must be 1 or more: {self.patience}",
        )

    @property
    def chosen_by(self) -> ChooseBy:
        """What names the epoch that is kept: one of CHOOSE_BY."""
        balanced = self.class_weights == "balanced"
        return self.choose_by or ("balanced_accuracy" if balanced else "accuracy")

    def updates(self, samples: int) -> int:
        """Steps of all epochs together over so many training samples."""
        return self.epochs * -(-samples // self.batch_size)


FEW_UPDATES = 200  # of a whole training: fewer are named before a high rate as a cause
FEW_STEPS = 10  # of an epoch: fewer make few updates and noisy statistics


def few_steps(samples: int, batch_size: int, section: str) -> str | None:
    """Why an epoch is too short, and the cure; None where it is not.

    Args:
        samples: to train on.
        batch_size: of the settings.
        section: of the settings, "training" or "teacher_training".
    """
    steps = -(-samples // batch_size)
    if steps >= FEW_STEPS or batch_size == 1:
        return None
    smaller = 2 ** max((samples // FEW_STEPS).bit_length() - 1, 0)
    return (
        f"{samples} training samples in batches of {batch_size} make {steps} steps an epoch, which "
        f"teach little: set {section}.batch_size to {smaller} or less"
    )


@dataclass(frozen=True)
class CacheConfig:
    """The teacher's outputs, computed once for all trainings that read them (pipeline/cache).

    Works where each image has few views: without augmentation, or with flips alone. With shifts or
    squares cut out the teacher is evaluated in every step.

    Args:
        enabled: off, the teacher is evaluated in every step.
        folder: where the files are, and those of samples that are too many for memory; by default
            .teacher_cache beside the run's folder, which the runs of one parent folder share.
        budget_gb: the most that the folder may hold, in GB of 10^9 bytes.
    """

    enabled: bool = True
    folder: str | None = None
    budget_gb: float = 8.0

    def __post_init__(self) -> None:
        """Refuses a budget that holds nothing."""
        require(self.budget_gb > 0, f"cache.budget_gb must be above 0; got {self.budget_gb}")
