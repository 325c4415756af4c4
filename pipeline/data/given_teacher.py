"""What the networks ask of the samples, told before anything is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hintlite.errors import DataError
from hintlite.models.keras_input import input_sizes
from hintlite.models.settings import SERIES, NetworkConfig
from hintlite.pipeline.data.kinds import BY_RANK
from hintlite.pipeline.settings.data import (
    COLORS,
    PICTURES,
    Color,
    DataConfig,
    SampleKind,
)

if TYPE_CHECKING:
    from hintlite.pipeline.data.training_data import TrainingData


# Families that take samples of one kind alone.
KINDS: dict[str, SampleKind] = {
    **dict.fromkeys(SERIES, "series"),
    **dict.fromkeys(("fitnet", "resnet8", "ds_cnn"), "images"),
}


def fitted(
    config: DataConfig, teacher: NetworkConfig, student: NetworkConfig | None = None
) -> DataConfig:
    """The settings, in which the samples become what the networks take.

    Picture files get a given teacher's size. What arrays are, where data.kind leaves it
    open, follows from the input of a given network, or from families for one kind of samples.

    Args:
        config: the settings; what they state is left alone.
        teacher: of the family "keras_file", or another, which takes any pictures.
        student: likewise.
    """
    config = replace(config, kind=config.kind or _kind(config, teacher, student))
    sizes = _sizes(teacher)
    if config.source not in PICTURES or sizes is None or len(sizes) != 3:
        return config
    height, width, channels = sizes
    names: dict[int | None, Color] = {count: name for name, count in COLORS.items()}
    return replace(
        config,
        image_height=config.image_height or height,
        image_width=config.image_width or width,
        color=names.get(channels, "auto") if config.color == "auto" else config.color,
    )


def _kind(
    config: DataConfig, teacher: NetworkConfig, student: NetworkConfig | None
) -> SampleKind | None:
    if config.source != "npz":
        return None
    for network in (teacher, student):
        if network is None:
            continue
        sizes, family = _sizes(network), network.resolved().family
        if sizes is not None and len(sizes) in BY_RANK:
            return BY_RANK[len(sizes)]
        if family in KINDS:
            return KINDS[family]
    return None


def check_given(data: TrainingData, config: DataConfig, teacher: NetworkConfig) -> None:
    """Refuses samples of another shape than a given teacher takes, and a guessed range of values.

    Raises:
        DataError: says both shapes; or which settings state the range.
    """
    sizes = _sizes(teacher)
    if sizes is None:
        return
    shape = data.input_shape
    fits = len(sizes) == len(shape)
    if not fits or any(a not in (None, b) for a, b in zip(sizes, shape, strict=True)):
        taken = ", ".join("any" if size is None else str(size) for size in sizes)
        cure = "state data.image_height, data.image_width and data.color, or leave them out"
        raise DataError(
            f"{teacher.path} takes samples of shape ({taken}), but the data has {shape}: "
            + (cure if config.source in PICTURES else "give data of that shape")
        )
    values = data.values
    if values is None or values.certain or config.normalization != "unit" or config.mean:
        return
    if values.taken is None or values.taken[0] < 0:
        raise DataError(
            f"{data.name}: values from {values.low:g} to {values.high:g}, and {teacher.path} was "
            "trained on one range of them, which they do not tell: data.normalization raw feeds it "
            "the values as they are, standard with mean 0 and deviation 1 a channel; "
            "data.value_range, such as '[-1, 1]', says what becomes 0 and 1"
        )


def _sizes(teacher: NetworkConfig) -> tuple[int | None, ...] | None:
    if teacher.family != "keras_file" or teacher.path is None:
        return None
    return input_sizes(Path(teacher.path))
