"""Settings of the methods of distillation, one class a method."""

from __future__ import annotations

from dataclasses import dataclass, field

from hintlite.choices import check_choices
from hintlite.models.settings import RegressorKind
from hintlite.pipeline.settings.base import require


@dataclass(frozen=True)
class HintConfig:
    """The hint phase of FitNets (Romero et al. 2015, section 2.2).

    Args:
        epochs: passes of the hint phase, before the task phase.
        learning_rate: its peak; the schedule and optimizer are the student's.
        pairs: guided tap of the student -> hint tap of the teacher. Empty: the middle tap of each.
        regressor: "paper" (valid convolution; where the hint is the larger map, as "pooled"),
            "pooled" (1x1) or "two_layer".
        keep_weight: weight of the hint loss in the task phase; 0 drops the regressor after the
            hint phase, as the paper does.
    """

    epochs: int = 4
    learning_rate: float = 5e-3
    pairs: dict[str, str] = field(default_factory=dict)
    regressor: RegressorKind = "paper"
    keep_weight: float = 0.0

    def __post_init__(self) -> None:
        """Refuses counts, rates and names that cannot work."""
        check_choices(self, "hint.")
        require(self.epochs >= 1, f"hint.epochs must be 1 or more; got {self.epochs}")
        require(self.learning_rate > 0, f"hint.learning_rate must be above 0: {self.learning_rate}")
        require(self.keep_weight >= 0, f"hint.keep_weight must not be negative: {self.keep_weight}")


@dataclass(frozen=True)
class JointHintConfig:
    """Hints in the task phase alone: weight * mean((r(v_g) - u_h)^2) beside the labels.

    Args:
        weight: of that mean; 100 is what benchmarks of distillation take (Tian et al. 2020). The
            pairs and the regressor are those of the hint phase's settings.
    """

    weight: float = 100.0

    def __post_init__(self) -> None:
        """Refuses a weight that would leave nothing to learn from the hints."""
        require(self.weight > 0, f"joint_hint.weight must be above 0; got {self.weight}")


@dataclass(frozen=True)
class KDConfig:
    """Soft targets: label_weight * H(y, P_S) + lambda * H(P_T^tau, P_S^tau).

    Args:
        temperature: tau, which softens both distributions. FitNets uses 3, Hinton's group 1 to 20.
        weight_start: lambda at the first epoch (FitNets: 4).
        weight_end: lambda at the last epoch, reached linearly (FitNets: 1).
        label_weight: weight of the cross-entropy with the labels.
        tau_squared: multiply the soft term by tau^2, as Hinton et al. 2015 (section 2) do so that
            its gradients do not shrink with tau. FitNets has no such factor.
    """

    temperature: float = 3.0
    weight_start: float = 4.0
    weight_end: float = 1.0
    label_weight: float = 1.0
    tau_squared: bool = False

    def __post_init__(self) -> None:
        """Refuses a temperature of 0 and negative weights."""
        require(self.temperature > 0, f"kd.temperature must be above 0; got {self.temperature}")
        for name in ("weight_start", "weight_end", "label_weight"):
            value = getattr(self, name)
            require(value >= 0, f"kd.{name} must not be negative; got {value}")


@dataclass(frozen=True)
class AttentionConfig:
    """Attention transfer (Zagoruyko & Komodakis 2017), over all stages.

    Args:
        weight: beta, of the loss beside the labels' cross-entropy. The paper's 1000 goes with maps
            of 32 to 8 pixels a side: the loss is a mean over a map's places and grows as they get
            fewer, so that on images of 8x8 the same influence is had with about 60.
    """

    weight: float = 1000.0

    def __post_init__(self) -> None:
        """Refuses a weight that leaves nothing of the method."""
        require(self.weight > 0, f"attention.weight must be above 0; got {self.weight}")


@dataclass(frozen=True)
class FSPConfig:
    """Flow of the solution procedure (Yim et al. 2017): Gram matrices first, then the task.

    Args:
        epochs: passes of the first phase.
        learning_rate: its peak; the schedule and optimizer are the student's.
        keep_weight: weight of the Gram loss in the task phase; 0 drops it after the first phase,
            as the paper does.
    """

    epochs: int = 5
    learning_rate: float = 2e-3
    keep_weight: float = 0.0

    def __post_init__(self) -> None:
        """Refuses counts, rates and weights that cannot work."""
        require(self.epochs >= 1, f"fsp.epochs must be 1 or more; got {self.epochs}")
        require(self.learning_rate > 0, f"fsp.learning_rate must be above 0: {self.learning_rate}")
        require(self.keep_weight >= 0, f"fsp.keep_weight must not be negative: {self.keep_weight}")


@dataclass(frozen=True)
class CRDConfig:
    """Contrastive representation distillation (Tian et al. 2020).

    Args:
        weight: of the loss beside the labels' cross-entropy (the paper's 0.8).
        negatives: K, rows that are drawn from the memory bank in a step; those of a sample's own
            class are no negatives of it. The paper's 16384 are for a GPU.
        dim: length of the embeddings; the bank holds 2 * samples * dim numbers.
        temperature: T, which divides the scores (the paper's 0.07).
        momentum: share of a remembered embedding that stays when its sample is seen again.
    """

    weight: float = 0.8
    negatives: int = 2048
    dim: int = 128
    temperature: float = 0.07
    momentum: float = 0.5

    def __post_init__(self) -> None:
        """Refuses counts and constants that cannot work."""
        require(self.weight > 0, f"crd.weight must be above 0; got {self.weight}")
        require(self.negatives >= 1, f"crd.negatives must be 1 or more; got {self.negatives}")
        require(self.dim >= 2, f"crd.dim must be 2 or more; got {self.dim}")
        require(self.temperature > 0, f"crd.temperature must be above 0; got {self.temperature}")
        require(0 <= self.momentum < 1, f"crd.momentum lies in 0..1, without 1: {self.momentum}")


@dataclass(frozen=True)
class ReviewKDConfig:
    """Knowledge review (Chen et al. 2021), over all stages.

    Args:
        weight: of the loss beside the labels' cross-entropy (the paper's are 0.6 to 8, by pair).
        warmup_epochs: the weight rises linearly over these first epochs of the task phase and is
            reached in the last of them (the paper's 20 of 240); at most over all epochs.
    """

    weight: float = 1.0
    warmup_epochs: int = 2

    def __post_init__(self) -> None:
        """Refuses weights and counts that cannot work."""
        require(self.weight > 0, f"reviewkd.weight must be above 0; got {self.weight}")
        require(
            self.warmup_epochs >= 0,
            f"reviewkd.warmup_epochs must be 0 or more; got {self.warmup_epochs}",
        )
