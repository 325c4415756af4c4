"""Which samples there are, and how they are divided and changed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from hintlite.choices import check_choices
from hintlite.pipeline.settings.base import require

NormalizationKind = Literal["unit", "standard", "signed", "raw"]
NORMALIZATIONS: tuple[NormalizationKind, ...] = get_args(NormalizationKind)
SourceName = Literal[
    "digits", "fashion_mnist", "mnist", "cifar10", "cifar100", "folder", "npz", "python"
]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)
# Samples that a Python program handed in; only that program has them.
FROM_PYTHON: Literal["python"] = "python"
Color = Literal["grayscale", "rgb", "rgba"]
COLORS: dict[Color, int] = {"grayscale": 1, "rgb": 3, "rgba": 4}  # channels of each


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
            folders of images) or npz (arrays "x" and "y", or "x_train" and "y_train"; optionally
            "x_val", "y_val", "x_test", "y_test" and "class_names"); python stands in the settings
            of runs that were made from Python.
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
        value_range: the lowest and the highest raw value, for "unit" and "signed", where neither
            the source nor the type of the values tells them: [0, 4095].
        image_height: rows that folder images are resized to; those of a given teacher's input, or
            their median, by default.
        image_width: columns that folder images are resized to; likewise.
        color: channels of folder images: auto (those of a given teacher's input, or those that the
            images have), grayscale, rgb or rgba.
        skip_broken: leave out the images of a folder that cannot be read, and say how many.
        augmentation: changes made to training images.
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

    def __post_init__(self) -> None:
        """Refuses fractions, counts and paths that cannot work."""
        check_choices(self, "data.")
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
            self.source not in ("folder", "npz") or self.path is not None,
            f"data.source {self.source!r} needs data.path, the {self.source} to read",
        )

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
                size is None or self.source == "folder",
                f"data.{name} resizes the pictures of a folder; {self.source} has one size already",
            )
        require(
            self.color == "auto" or self.source == "folder",
            f"data.color converts the pictures of a folder; {self.source} has its channels already",
        )
        require(
            not self.skip_broken or self.source == "folder",
            f"data.skip_broken leaves out pictures of a folder; {self.source} is one whole",
        )
        require(
            self.path is None or self.source != "digits",
            "data.path has no meaning for the digits, which are part of scikit-learn; for other "
            "samples name another data.source",
        )
