"""Every setting of a run, as frozen dataclasses that refuse impossible combinations.

Nothing here imports Keras or TensorFlow: the command line reads this module before it knows
what it is asked to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.presets import NetworkConfig

ETHOS_U = (
    *("ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256"),
    *("ethos-u65-256", "ethos-u65-512"),
    *("ethos-u85-128", "ethos-u85-256", "ethos-u85-512", "ethos-u85-1024", "ethos-u85-2048"),
)
# Where a bundle can be benchmarked; the first is the default.
TARGETS = (
    "host",
    "android",
    *("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"),
    "tflm",
    *ETHOS_U,
)
QUANTIZE_METHODS = ("ptq", "qat", "mixed")  # of quantize.method
SOURCES = ("digits", "fashion_mnist", "mnist", "cifar10", "cifar100", "folder", "npz")


class SettingsError(ValueError):
    """A setting, or a combination of settings, that cannot work."""


def require(condition: bool, message: str) -> None:
    """Raises SettingsError(message) unless the condition holds."""
    if not condition:
        raise SettingsError(message)


def _one_of(name: str, value: object, choices: Sequence[object]) -> None:
    listed = ", ".join(str(choice) for choice in choices)
    require(value in choices, f"{name} must be one of {listed}; got {value!r}")


@dataclass(frozen=True)
class AugmentConfig:
    """Changes made to training images, drawn anew in each epoch from (seed, epoch).

    Args:
        flip: mirror half of the images left to right.
        shift: move each image by up to this many pixels in both directions, edges padded with the
            raw value 0.
        cutout: blank one square of this many pixels per image (DeVries & Taylor 2017).
    """

    flip: bool = False
    shift: int = 0
    cutout: int = 0

    def __post_init__(self) -> None:
        """Refuses negative sizes."""
        require(self.shift >= 0, f"augmentation.shift counts pixels, 0 or more; got {self.shift}")
        require(
            self.cutout >= 0, f"augmentation.cutout counts pixels, 0 or more; got {self.cutout}"
        )


@dataclass(frozen=True)
class DataConfig:
    """Which samples there are and how they are divided.

    Args:
        source: digits (embedded), fashion_mnist, mnist, cifar10, cifar100, folder (of class-named
            folders of images) or npz (arrays "x" and "y", optionally "x_test", "y_test" and
            "class_names").
        path: the folder or the .npz file; for the data sets that are downloaded, a folder to read
            instead of the download cache.
        validation_fraction: share of the training samples kept for choices.
        test_fraction: share kept for the one evaluation, where the source has no test set itself.
        calibration_samples: training samples, balanced over classes, that set the INT8 ranges.
        limit: train on a stratified part of this many samples.
        split_seed: decides who goes where.
        normalization: "unit" scales to 0..1, "standard" to mean 0 and deviation 1 per channel.
        image_height: rows that folder images are resized to; their median by default.
        image_width: columns that folder images are resized to; their median by default.
        color: channels of folder images: auto, grayscale, rgb or rgba.
        augmentation: changes made to training images.
    """

    source: str = "digits"
    path: str | None = None
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    calibration_samples: int = 256
    limit: int | None = None
    split_seed: int = 0
    normalization: str = "unit"
    image_height: int | None = None
    image_width: int | None = None
    color: str = "auto"
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        """Refuses fractions, counts and paths that cannot work."""
        _one_of("data.source", self.source, SOURCES)
        _one_of("data.normalization", self.normalization, ("unit", "standard"))
        _one_of("data.color", self.color, ("auto", "grayscale", "rgb", "rgba"))
        for name in ("validation_fraction", "test_fraction"):
            value = getattr(self, name)
            require(0 < value < 1, f"data.{name} lies between 0 and 1; got {value}")
        require(
            self.validation_fraction + self.test_fraction < 1,
            "data.validation_fraction and data.test_fraction leave nothing to train on: their sum "
            f"is {self.validation_fraction + self.test_fraction}",
        )
        require(
            self.calibration_samples > 0,
            f"data.calibration_samples must be 1 or more; got {self.calibration_samples}",
        )
        require(self.limit is None or self.limit > 0, f"data.limit must be positive: {self.limit}")
        require(self.split_seed >= 0, f"data.split_seed must be 0 or more; got {self.split_seed}")
        self._check_unused()
        require(
            self.source not in ("folder", "npz") or self.path is not None,
            f"data.source {self.source!r} needs data.path, the {self.source} to read",
        )

    def _check_unused(self) -> None:
        """Refuses settings that the source would ignore."""
        for name in ("image_height", "image_width"):
            size = getattr(self, name)
            require(size is None or size >= 1, f"data.{name} counts pixels, 1 or more; got {size}")
            require(
                size is None or self.source == "folder",
                f"data.{name} resizes the pictures of a folder; {self.source} has one size already",
            )
        require(
            self.color == "auto" or self.source == "folder",
            f"data.color converts the pictures of a folder; {self.source} has its channels already",
        )
        require(
            self.path is None or self.source != "digits",
            "data.path has no meaning for the digits, which are part of scikit-learn; for other "
            "samples name another data.source",
        )


@dataclass(frozen=True)
class TrainingConfig:
    """How one network is trained on labels, soft targets or both.

    Args:
        epochs: passes over the training part.
        batch_size: samples in a step.
        optimizer: adam, sgd (Nesterov momentum 0.9) or rmsprop (the paper's).
        learning_rate: its peak.
        schedule: "cosine" decays to 0 over the epochs (Loshchilov & Hutter 2017), "constant" stays.
        warmup_epochs: the rate rises linearly over these first epochs (cosine only).
        weight_decay: decoupled decay of the kernels (AdamW).
        clip_norm: bound of the gradient's global norm.
        label_smoothing: mass taken from the true class (Szegedy 2016).
        class_weights: "balanced" weighs each sample by the inverse share of its class.
        patience: stop after this many epochs without a better validation result.
        precision: float32, mixed_bfloat16 or mixed_float16 while training; files are float32.
        jit_compile: let XLA compile the step. Off: on CPUs it slows down networks with max pooling.
    """

    epochs: int = 20
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    warmup_epochs: int = 0
    weight_decay: float = 0.0
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    class_weights: str = "none"
    patience: int | None = None
    precision: str = "float32"
    jit_compile: bool = False

    def __post_init__(self) -> None:
        """Refuses counts, rates and names that cannot work."""
        require(self.epochs >= 1, f"training.epochs must be 1 or more; got {self.epochs}")
        require(self.batch_size >= 1, f"training.batch_size must be 1 or more: {self.batch_size}")
        _one_of("training.optimizer", self.optimizer, ("adam", "sgd", "rmsprop"))
        _one_of("training.schedule", self.schedule, ("cosine", "constant"))
        _one_of("training.class_weights", self.class_weights, ("none", "balanced"))
        _one_of(
            "training.precision", self.precision, ("float32", "mixed_bfloat16", "mixed_float16")
        )
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
            self.patience is None or self.patience >= 1,
            f"training.patience must be 1 or more: {self.patience}",
        )


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
    regressor: str = "paper"
    keep_weight: float = 0.0

    def __post_init__(self) -> None:
        """Refuses counts, rates and names that cannot work."""
        require(self.epochs >= 1, f"hint.epochs must be 1 or more; got {self.epochs}")
        require(self.learning_rate > 0, f"hint.learning_rate must be above 0: {self.learning_rate}")
        require(self.keep_weight >= 0, f"hint.keep_weight must not be negative: {self.keep_weight}")
        _one_of("hint.regressor", self.regressor, ("paper", "pooled", "two_layer"))


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
class CacheConfig:
    """The teacher's outputs, computed once for all trainings that read them (pipeline/cache.py).

    Works where each image has few views: without augmentation, or with flips alone. With shifts or
    squares cut out the teacher is evaluated in every step.

    Args:
        enabled: off, the teacher is evaluated in every step.
        folder: where the files are; by default .teacher_cache beside the run's folder, which the
            runs of one parent folder share.
        budget_gb: the most that the folder may hold, in GB of 10^9 bytes.
    """

    enabled: bool = True
    folder: str | None = None
    budget_gb: float = 8.0

    def __post_init__(self) -> None:
        """Refuses a budget that holds nothing."""
        require(self.budget_gb > 0, f"cache.budget_gb must be above 0; got {self.budget_gb}")


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
        warmup_epochs: the weight rises linearly from 0 over these first epochs of the task phase
            (the paper's 20 of 240).
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


@dataclass(frozen=True)
class QuantizeConfig:
    """INT8 conversion, and what the result must satisfy on the validation part.

    Args:
        min_agreement: share of validation samples on which INT8 and float choose the same class.
        max_float_error: largest difference of a logit between Keras and the float .tflite,
            relative to the range of the logits.
        max_accuracy_drop: largest loss of validation accuracy from float to INT8, in points.
        float16: also write a float16 file (phones, GPU delegates).
        dynamic_range: also write a file with int8 weights and float activations.
        method: of the students; "ptq" calibrates after training, "qat" fine-tunes with quantization
            in the loop (settings qat), "mixed" takes the smallest file found within max_drop, with
            a precision for each operator. The teacher is always calibrated.
        ranges: of activations, from the calibration samples: minmax, percentile or mse.
        percentile: the share of a tensor's values that the range of this name holds, in percent.
        weight_ranges: minmax, octav (Sakr et al. 2022) or mse.
        activations: "int8", or "int16" (with 8-bit weights: int16x8).
        weights_bits: 8, or 4 for convolutions and dense layers; depthwise ones keep 8.
        equalize: even out the ranges of channels from layer to layer first (Nagel et al. 2019).
        relu6: with equalize: "skip" pairs with a ReLU6 between them, or "replace" it by ReLU,
            which is refused where it changes the network.
        max_drop: of "mixed": largest loss of validation accuracy from float, in points.
        scan_samples: of "mixed": validation samples on which each operator is tried alone.
    """

    min_agreement: float = 0.95
    max_float_error: float = 1e-3
    max_accuracy_drop: float = 3.0
    float16: bool = False
    dynamic_range: bool = False
    method: str = "ptq"
    ranges: str = "minmax"
    percentile: float = 99.99
    weight_ranges: str = "minmax"
    activations: str = "int8"
    weights_bits: int = 8
    equalize: bool = False
    relu6: str = "skip"
    max_drop: float = 0.5
    scan_samples: int = 1000

    def __post_init__(self) -> None:
        """Refuses bounds outside their range, and ways that do not exist."""
        require(
            0 <= self.min_agreement <= 1,
            f"quantize.min_agreement is a share, 0 to 1; got {self.min_agreement}",
        )
        require(
            0 <= self.max_float_error <= 1,
            f"quantize.max_float_error is a share of the range, 0 to 1; got {self.max_float_error}",
        )
        require(
            0 <= self.max_accuracy_drop <= 100,
            f"quantize.max_accuracy_drop counts points, 0 to 100; got {self.max_accuracy_drop}",
        )
        from pipeline.quantize_checks import check_quantize

        check_quantize(self)


@dataclass(frozen=True)
class QATConfig:
    """Fine-tuning with quantization in the loop, for `quantize.method: qat` (docs/qat.md).

    Batch size, label smoothing, class weights and augmentation are those of the training before;
    temperature and weights of the soft targets are those of `kd`, lambda being kd.weight_end.

    Args:
        epochs: passes over the training part; the control takes as many.
        learning_rate: of Adam at the start; it decays to 0 on a cosine. Low, since the network is
            trained already: a tenth to a quarter of the training's.
        freeze_norm_after: epochs after which batch normalization keeps its statistics, scale and
            offset, as they will be in the file (Krishnamoorthi 2018, arXiv 1806.08342, section 4).
        soft_targets: "as_arm" goes on with the teacher's soft targets where the arm has kd,
            "always" and "never" whatever the arm.
        control: also fine-tune the float student as long, with the same losses and rate.
        max_difference_steps: largest difference of an output between the fake-quantized network
            and the converted file on validation data, in steps of the file's output.
        min_conversion_agreement: share of validation samples on which these two choose the same
            class.
    """

    epochs: int = 4
    learning_rate: float = 5e-4
    freeze_norm_after: int = 2
    soft_targets: str = "as_arm"
    control: bool = True
    max_difference_steps: float = 8.0
    min_conversion_agreement: float = 0.98

    def __post_init__(self) -> None:
        """Refuses counts, rates and bounds that cannot work."""
        require(self.epochs >= 1, f"qat.epochs must be 1 or more; got {self.epochs}")
        require(self.learning_rate > 0, f"qat.learning_rate must be above 0: {self.learning_rate}")
        require(
            self.freeze_norm_after >= 0,
            f"qat.freeze_norm_after counts epochs, 0 or more; got {self.freeze_norm_after}",
        )
        _one_of("qat.soft_targets", self.soft_targets, ("as_arm", "always", "never"))
        require(
            self.max_difference_steps > 0,
            f"qat.max_difference_steps must be above 0; got {self.max_difference_steps}",
        )
        require(
            0 <= self.min_conversion_agreement <= 1,
            f"qat.min_conversion_agreement is a share, 0 to 1; got {self.min_conversion_agreement}",
        )


@dataclass(frozen=True)
class BenchmarkConfig:
    """How latency is measured (see benchmarks/bench_tflite.py).

    Args:
        window_s: shortest time of each of the five windows, in seconds.
        warmup_s: time of untimed inferences before them, in seconds.
        min_runs: fewest inferences in a window.
        threads: threads of the interpreter.
        kernels: xnnpack, builtin (no delegate) or reference.
        sweep: then also 1, 2 and 4 threads with XNNPACK and without, and one input repeated.
    """

    window_s: float = 2.0
    warmup_s: float = 0.5
    min_runs: int = 50
    threads: int = 1
    kernels: str = "xnnpack"
    sweep: bool = False

    def __post_init__(self) -> None:
        """Refuses times and counts that measure nothing."""
        require(self.window_s > 0, f"benchmark.window_s must be above 0; got {self.window_s}")
        require(self.warmup_s >= 0, f"benchmark.warmup_s must not be negative: {self.warmup_s}")
        require(self.min_runs >= 1, f"benchmark.min_runs must be 1 or more; got {self.min_runs}")
        require(self.threads >= 1, f"benchmark.threads must be 1 or more; got {self.threads}")
        _one_of("benchmark.kernels", self.kernels, ("xnnpack", "builtin", "reference"))


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the outcome of `hintlite run`.

    Args:
        seed: of weights and shuffling.
        teacher_seed: the teacher's own, so that students of several seeds share it; `seed` if None.
        deterministic: bit-equal results on the same machine and libraries, somewhat slower.
        data: which samples.
        teacher: the large network.
        teacher_training: how it is trained.
        teacher_members: train this many teachers and distill from their mean logits.
        hint_member: the member (from 0) whose feature maps are the hints.
        student: the thin network.
        training: how each student is trained in its task phase.
        arms: the methods to compare (see pipeline.methods.METHODS; package.module:name is one of
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
    deterministic: bool = False
    data: DataConfig = field(default_factory=DataConfig)
    teacher: NetworkConfig = field(
        default_factory=lambda: NetworkConfig(widths=(32, 64, 128), depths=(2, 2, 2))
    )
    teacher_training: TrainingConfig = field(default_factory=TrainingConfig)
    teacher_members: int = 1
    hint_member: int = 0
    student: NetworkConfig = field(
        default_factory=lambda: NetworkConfig(
            widths=(8, 16, 20), depths=(4, 5, 4), times_fewer=10.4
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
            self.reviewkd.warmup_epochs < self.training.epochs
            or not any("reviewkd" in arm.split("+") for arm in self.arms),
            f"reviewkd.warmup_epochs ({self.reviewkd.warmup_epochs}) must be fewer than the "
            f"{self.training.epochs} epochs of the training: its full weight is never reached",
        )
        require(self.bundle_samples >= 1, "bundle_samples must be 1 or more")
        require(
            self.teacher.times_fewer is None,
            "teacher.times_fewer: a teacher has no reference to be smaller than",
        )


__all__ = [
    "ETHOS_U",
    "QUANTIZE_METHODS",
    "TARGETS",
    "AttentionConfig",
    "AugmentConfig",
    "BenchmarkConfig",
    "CRDConfig",
    "CacheConfig",
    "DataConfig",
    "FSPConfig",
    "HintConfig",
    "JointHintConfig",
    "KDConfig",
    "NetworkConfig",
    "QATConfig",
    "QuantizeConfig",
    "ReviewKDConfig",
    "RunConfig",
    "SettingsError",
    "TrainingConfig",
    "require",
]
