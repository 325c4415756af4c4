"""Which samples there are, and how they are divided and changed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from hintlite.choices import check_choices
from hintlite.keyed import added
from hintlite.pipeline.settings.base import require

NormalizationKind = Literal["unit", "standard", "signed", "raw"]
# What networks are fed: one of these, or numbers that were stated.
FedKind = Literal["unit", "standard", "signed", "raw", "given"]
NORMALIZATIONS: tuple[NormalizationKind, ...] = get_args(NormalizationKind)
SourceName = Literal[
    "digits",
    "fashion_mnist",
    "mnist",
    "cifar10",
    "cifar100",
    "folder",
    "npz",
    "tfrecord",
    "recordings",
    "ucr",
    "hapt",
    "python",
]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)
SampleKind = Literal["images", "series", "table"]
SAMPLE_KINDS: tuple[SampleKind, ...] = get_args(SampleKind)
# Sources without another place to look.
NEEDS_PATH = ("folder", "npz", "tfrecord", "recordings", "ucr", "hapt")
PICTURES = ("folder", "tfrecord")  # sources of picture files, which are resized
CUT = ("recordings", "hapt")  # sources whose recordings are cut into windows
# Samples that a Python program handed in; only that program has them.
FROM_PYTHON: Literal["python"] = "python"
Color = Literal["grayscale", "rgb", "rgba"]
COLORS: dict[Color, int] = {"grayscale": 1, "rgb": 3, "rgba": 4}  # channels of each


def check_given(mean: tuple[float, ...], std: tuple[float, ...], *names: str) -> None:
    """Refuses a mean and a deviation that nothing can be fed by.

    Args:
        mean, std: numbers a channel, or one for all; none where they are not given.
        names: of both settings, for the message.
    """
    require(
        len(mean) == len(std),
        f"{names[0]} and {names[1]} go together, as many numbers each; got {len(mean)} and "
        f"{len(std)}",
    )
    require(
        all(math.isfinite(value) for value in (*mean, *std)) and all(value > 0 for value in std),
        f"{names[0]} and {names[1]} are finite numbers, and the latter above 0; got "
        f"{list(mean)} and {list(std)}",
    )


@dataclass(frozen=True)
class AugmentConfig:
    """Changes made to training samples, drawn anew in each epoch from (seed, epoch).

    The first three are of images, the others of series, as these are fed (after normalization);
    jitter and scaling are of the rows of a table too. Iwana & Uchida 2021 (arXiv 2007.15951)
    compare them.

    Args:
        flip: mirror half of the images left to right.
        shift: move each image by up to this many pixels in both directions, edges padded with the
            raw value 0.
        cutout: blank one square of this many pixels per image (DeVries & Taylor 2017).
        jitter: deviation of the noise that is added to each value; 0.05 is 5 % of a channel's
            deviation under the normalization "standard".
        scaling: deviation of the factor around 1 that each channel of a sample is multiplied by.
        time_shift: move each series by up to this many time steps, its ends repeated.
        time_mask: set one stretch of up to this many time steps to 0.
    """

    flip: bool = False
    shift: int = 0
    cutout: int = 0
    jitter: float = added(0.0)
    scaling: float = added(0.0)
    time_shift: int = added(0)
    time_mask: int = added(0)

    def __post_init__(self) -> None:
        """Refuses negative sizes."""
        require(self.shift >= 0, f"augmentation.shift counts pixels, 0 or more; got {self.shift}")
        require(
            self.cutout >= 0, f"augmentation.cutout counts pixels, 0 or more; got {self.cutout}"
        )
        for name in ("jitter", "scaling"):
            value = getattr(self, name)
            require(
                math.isfinite(value) and value >= 0,
                f"augmentation.{name} is a deviation, 0 or more; got {value}",
            )
        for name in ("time_shift", "time_mask"):
            value = getattr(self, name)
            require(value >= 0, f"augmentation.{name} counts time steps, 0 or more; got {value}")

    @property
    def few_views(self) -> bool:
        """Whether each sample has so few views that they can be listed: flips alone are drawn."""
        return not (self.shift or self.cutout or self.of_time or self.of_values)

    @property
    def of_images(self) -> tuple[str, ...]:
        """The changes of images that are asked for."""
        return tuple(name for name in ("flip", "shift", "cutout") if getattr(self, name))

    @property
    def of_time(self) -> tuple[str, ...]:
        """The changes over time that are asked for."""
        return tuple(name for name in ("time_shift", "time_mask") if getattr(self, name))

    @property
    def of_values(self) -> tuple[str, ...]:
        """The changes of values that are asked for."""
        return tuple(name for name in ("jitter", "scaling") if getattr(self, name))


@dataclass(frozen=True)
class DataConfig:
    """Which samples there are and how they are divided.

    Args:
        source: digits (embedded), fashion_mnist, mnist, cifar10, cifar100, folder (of class-named
            folders of images), npz (arrays "x" and "y", or "x_train" and "y_train"; optionally
            "x_val", "y_val", "x_test", "y_test" and "class_names"), tfrecord (a file or folder of
            tf.train.Example records), recordings (a folder of CSV or Parquet files, one a
            recording), ucr (a folder with NAME_TRAIN.tsv and NAME_TEST.tsv) or hapt (the raw data
            of UCI's HAPT); python stands in the settings of runs that were made from Python.
        path: the folder or the .npz file; for the data sets that are downloaded, a folder to read
            instead of the download cache.
        validation_fraction: share of the training samples kept for choices.
        test_fraction: share kept for the one evaluation, where the source has no test set itself.
        calibration_samples: training samples, balanced over classes, that set the INT8 ranges; all
            of them where there are fewer.
        limit: use a stratified part of this many samples, beside the source's own parts to validate
            and to test.
        split_seed: decides who goes where.
        normalization: what networks are fed: "unit" 0..1, "signed" -1..1, "standard" mean 0 and
            deviation 1 per channel, "raw" the values as they are, for a teacher that scales them
            itself.
        mean: with `std`, in the place of `normalization`: what is subtracted from raw values, one
            number a channel or one for all; [123.675, 116.28, 103.53] of many pretrained networks.
        std: what they are then divided by, likewise.
        value_range: the lowest and the highest raw value, for "unit" and "signed", where neither
            the source nor the type of the values tells them: [0, 4095].
        image_height: rows that folder images are resized to; those of a given teacher's input, or
            their median, by default.
        image_width: columns that folder images are resized to; likewise.
        color: channels of folder images: auto (those of a given teacher's input, or those that the
            images have), grayscale, rgb or rgba.
        skip_broken: leave out the images of a folder that cannot be read, and say how many.
        augmentation: changes made to training samples.
        kind: what arrays are: images [n, h, w(, c)], series [n, time(, channels)] or a table [n,
            features]; None: told from the networks and the arrays, and asked where these leave it
            open.
        window: length of the pieces that recordings are cut into, in time steps, or in seconds
            where rate_hz is given.
        hop: distance of the pieces' beginnings, likewise; half a window by default.
        rate_hz: time steps a second, of recordings that are cut by the second.
        label: the column of recordings that holds the class of each time step (none where it is
            empty); None: recordings lie in class-named folders.
        columns: the columns of recordings that are the channels; by default all that hold numbers,
            but for the label and the group.
        group: samples of one group (a person, a machine, a day) never go to different parts: the
            name of an array of the .npz, of a column of recordings, or "recording"; recordings are
            kept together in any case.
        image_feature: of TFRecords, the feature that holds the image: the bytes of a picture file,
            or raw bytes [image_height, image_width, channels].
        label_feature: of TFRecords, the feature that holds the class: a whole number or text.
    """

    source: SourceName = "digits"
    path: str | None = None
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    calibration_samples: int = 256
    limit: int | None = None
    split_seed: int = 0
    normalization: NormalizationKind = "unit"
    value_range: tuple[float, float] | None = None
    image_height: int | None = None
    image_width: int | None = None
    color: Literal["auto", "grayscale", "rgb", "rgba"] = "auto"
    skip_broken: bool = False
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)
    kind: SampleKind | None = added(None)
    window: float | None = added(None)
    hop: float | None = added(None)
    rate_hz: float | None = added(None)
    label: str | None = added(None)
    columns: tuple[str, ...] = added(())
    group: str | None = added(None)
    image_feature: str = added("image")
    label_feature: str = added("label")
    mean: tuple[float, ...] = added(())
    std: tuple[float, ...] = added(())

    def __post_init__(self) -> None:
        """Refuses fractions, counts and paths that cannot work."""
        check_choices(self, "data.")
        check_given(self.mean, self.std, "data.mean", "data.std")
        require(
            not self.mean or self.normalization == "unit",
            "data.mean and data.std say what networks are fed: leave out data.normalization",
        )
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
        self._check_value_range()
        self._check_unused()
        require(
            self.source not in NEEDS_PATH or self.path is not None,
            f"data.source {self.source!r} needs data.path, the place to read it from",
        )
        self._check_recordings()

    def _check_recordings(self) -> None:
        """Refuses windows that cannot be cut, and settings of recordings for other sources."""
        for name in ("window", "hop", "rate_hz"):
            value = getattr(self, name)
            require(
                value is None or (math.isfinite(value) and value > 0),
                f"data.{name} must be above 0; got {value}",
            )
        for name in ("window", "hop", "rate_hz"):
            require(
                getattr(self, name) is None or self.source in CUT,
                f"data.{name} cuts recordings into windows; the samples of {self.source} are whole",
            )
        for name in ("label", "columns"):
            require(
                not getattr(self, name) or self.source == "recordings",
                f"data.{name} names columns of recordings; {self.source} has none",
            )
        require(
            self.group is None or self.source in ("npz", "recordings"),
            f"data.group names an array of an .npz or a column of recordings; {self.source} has "
            + ("its persons as groups already" if self.source == "hapt" else "none"),
        )
        require(
            self.hop is None or self.window is not None,
            "data.hop is the distance of windows: state data.window too",
        )
        require(
            self.window is not None or self.source != "recordings",
            "data.source 'recordings' needs data.window, the length of the pieces to tell apart: "
            "time steps, or seconds with data.rate_hz",
        )
        require(
            self.kind in (None, "series") or self.source not in CUT,
            f"data.kind {self.kind}: windows of recordings are series",
        )

    def steps(self, value: float) -> int:
        """So many time steps is a window or a hop, which is in seconds where rate_hz is given."""
        return round(value if self.rate_hz is None else value * self.rate_hz)

    def _check_value_range(self) -> None:
        if self.value_range is None:
            return
        low, high = self.value_range
        require(
            math.isfinite(low) and math.isfinite(high) and low < high,
            f"data.value_range is the lowest and the highest raw value; got {low:g}, {high:g}",
        )
        require(
            self.normalization in ("unit", "signed"),
            f"data.value_range says what 0..1 or -1..1 is made from: data.normalization "
            f"{self.normalization} makes no use of it",
        )

    def _check_unused(self) -> None:
        """Refuses settings that the source would ignore."""
        for name in ("image_height", "image_width"):
            size = getattr(self, name)
            require(size is None or size >= 1, f"data.{name} counts pixels, 1 or more; got {size}")
            require(
                size is None or self.source in PICTURES,
                f"data.{name} resizes the pictures of a folder; {self.source} has one size already",
            )
        require(
            self.color == "auto" or self.source in PICTURES,
            f"data.color converts the pictures of a folder; {self.source} has its channels already",
        )
        require(
            not self.skip_broken or self.source == "folder",
            f"data.skip_broken leaves out pictures of a folder; {self.source} is one whole",
        )
        require(
            (self.image_feature, self.label_feature) == ("image", "label")
            or self.source == "tfrecord",
            "data.image_feature and data.label_feature name features of TFRecords; "
            f"{self.source} has none",
        )
        require(
            self.path is None or self.source != "digits",
            "data.path has no meaning for the digits, which are part of scikit-learn; for other "
            "samples name another data.source",
        )
