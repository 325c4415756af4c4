"""Everything that decides the outcome of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from hintlite.choices import check_choices
from hintlite.keyed import added
from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.settings.base import require
from hintlite.pipeline.settings.data import DataConfig, NormalizationKind, check_given
from hintlite.pipeline.settings.measuring import BenchmarkConfig
from hintlite.pipeline.settings.methods import (
    AttentionConfig,
    CRDConfig,
    FSPConfig,
    HintConfig,
    JointHintConfig,
    KDConfig,
    ReviewKDConfig,
)
from hintlite.pipeline.settings.quantize import QATConfig, QuantizeConfig
from hintlite.pipeline.settings.training import CacheConfig, TrainingConfig


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the outcome of `hintlite run`.

    Args:
        seed: of weights and shuffling.
        teacher_seed: the teacher's own, so that students of several seeds share it; `seed` if None.
        imports: modules of your own that register the classes of custom layers (keras.saving.
            register_keras_serializable), imported before a .keras file is read. Python finds them
            (installed, or on PYTHONPATH; the working folder is not searched).
        deterministic: bit-equal results on the same machine and libraries, somewhat slower.
        data: which samples.
        teacher: the large network.
        teacher_training: how it is trained.
        accept_chance: distill from a teacher that is no better than guessing on validation data, or
            far better on another range of values, and bundle a student that answers one class
            whatever it sees, instead of stopping.
        teacher_normalization: what a teacher of your own (teacher.path) was trained on, raw, unit,
            signed or standard, where that is not what data.normalization feeds the students.
        teacher_mean: with `teacher_std`, the same by numbers, one a channel or one for all: a
            teacher of your own was fed (raw - mean) / std.
        teacher_std: see `teacher_mean`.
        teacher_members: train this many teachers and distill from their mean logits.
        hint_member: the member (from 0) whose feature maps are the hints.
        student: the thin network.
        training: how each student is trained in its task phase.
        arms: the methods to compare (METHODS in pipeline/methods; package.module:name is one of
            your own); "+" sums methods (hint+kd).
        deploy: the arm that is bundled; "best" is the best INT8 accuracy on validation data.
        hint: settings of the hint phase.
        joint_hint: hints in the task phase alone, for the arm of that name.
        kd: settings of the soft targets.
        cache: where the teacher's outputs are kept, and how much of them.
        attention: settings of attention transfer.
        fsp: settings of the flow of the solution procedure.
        crd: settings of contrastive representation distillation.
        reviewkd: settings of knowledge review.
        quantize: INT8 conversion and its bounds.
        qat: fine-tuning with quantization in the loop.
        bundle_samples: validation samples that travel with the model.
        benchmark: how latency is measured.
    """

    seed: int = 0
    teacher_seed: int | None = None
    imports: tuple[str, ...] = ()
    deterministic: bool = False
    data: DataConfig = field(default_factory=DataConfig)
    teacher: NetworkConfig = field(
        default_factory=lambda: NetworkConfig(widths=(32, 64, 128), depths=(2, 2, 2))
    )
    teacher_training: TrainingConfig = field(default_factory=TrainingConfig)
    accept_chance: bool = False
    teacher_normalization: NormalizationKind | None = added(None)
    teacher_mean: tuple[float, ...] = added(())
    teacher_std: tuple[float, ...] = added(())
    teacher_members: int = 1
    hint_member: int = 0
    student: NetworkConfig = field(
        default_factory=lambda: NetworkConfig(
            widths=(16, 16, 16), depths=(1, 6, 5), times_fewer=10.4
        )
    )
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(learning_rate=5e-3))
    arms: tuple[str, ...] = ("scratch", "kd", "hint+kd")
    deploy: str = "best"
    hint: HintConfig = field(default_factory=HintConfig)
    joint_hint: JointHintConfig = field(default_factory=JointHintConfig)
    kd: KDConfig = field(default_factory=KDConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    fsp: FSPConfig = field(default_factory=FSPConfig)
    crd: CRDConfig = field(default_factory=CRDConfig)
    reviewkd: ReviewKDConfig = field(default_factory=ReviewKDConfig)
    quantize: QuantizeConfig = field(default_factory=QuantizeConfig)
    qat: QATConfig = field(default_factory=QATConfig)
    bundle_samples: int = 16
    benchmark: BenchmarkConfig = field(default_factory=BenchmarkConfig)

    def __post_init__(self) -> None:
        """Refuses combinations across the parts."""
        require(self.seed >= 0, f"seed must be 0 or more; got {self.seed}")
        require(
            self.teacher_seed is None or self.teacher_seed >= 0,
            f"teacher_seed must be 0 or more; got {self.teacher_seed}",
        )
        check_choices(self, "")
        require(
            self.teacher_normalization is None or self.teacher.path is not None,
            "teacher_normalization is for a teacher of your own (teacher.path): one that the run "
            "trains takes what data.normalization gives",
        )
        check_given(self.teacher_mean, self.teacher_std, "teacher_mean", "teacher_std")
        require(
            not self.teacher_mean
            or (self.teacher.path is not None and self.teacher_normalization is None),
            "teacher_mean and teacher_std are for a teacher of your own (teacher.path), in the "
            "place of teacher_normalization",
        )
        require(self.teacher_members >= 1, "teacher_members must be 1 or more")
        require(
            0 <= self.hint_member < self.teacher_members,
            f"hint_member {self.hint_member} is not one of the {self.teacher_members} members, "
            "which count from 0",
        )
        require(len(self.arms) > 0, "arms is empty: name at least one, for example hint+kd")
        require(len(set(self.arms)) == len(self.arms), f"arms names one twice: {self.arms}")
        require(
            self.deploy == "best" or self.deploy in self.arms,
            f"deploy must be 'best' or one of the arms {', '.join(self.arms)}; got {self.deploy!r}",
        )
        require(
            self.training.labels is None or self.quantize.method != "qat",
            "training.labels: quantize.method qat fine-tunes with the labels of all samples; take "
            "ptq or mixed",
        )
        require(self.bundle_samples >= 1, "bundle_samples must be 1 or more")
        require(
            self.teacher.times_fewer is None,
            "teacher.times_fewer: a teacher has no reference to be smaller than",
        )
