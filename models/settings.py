"""The settings of one network, and what they refuse (no Keras here)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from hintlite.choices import check_choices
from hintlite.errors import NetworkError, SettingsError
from hintlite.keyed import added
from hintlite.models.keras_formats import other_format
from hintlite.models.presets import PRESETS, Preset

_STAGED = (
    *("widths", "depths", "activation", "batch_norm", "dropout", "l2"),
    *("times_fewer", "channel_multiple"),
)
_TCN = (
    *(*_STAGED, "residual", "block", "first_stride"),
    *("kernel", "dilation", "stage_stride"),
)
Family = Literal["thin_deep", "fitnet", "resnet8", "ds_cnn", "tcn", "conv_lstm", "keras_file"]
SERIES: tuple[Family, ...] = ("tcn", "conv_lstm")  # for samples [time, channels] alone
RegressorKind = Literal["paper", "pooled", "two_layer"]  # see hintlite/models/regressor.py
FAMILY_FIELDS: dict[Family, tuple[str, ...]] = {
    "thin_deep": (*_STAGED, "residual", "block", "first_stride"),
    "fitnet": ("layers", "fc_units", "fc_pieces", "use_bias", "dropout", "l2"),
    "resnet8": (*_STAGED, "first_stride"),
    "ds_cnn": (*_STAGED, "stem_kernel", "stem_stride"),
    "tcn": _TCN,
    "conv_lstm": (*_TCN, "recurrent"),
    "keras_file": ("path", "taps"),
}
# Widths and depths that a family has where the settings leave them out.
FAMILY_SHAPES: dict[Family, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "thin_deep": ((8, 16, 20), (4, 5, 4)),
    "resnet8": ((16, 32, 64), (2, 2, 2)),
    "ds_cnn": ((64, 64), (2, 2)),
    "tcn": ((16, 16, 16), (2, 2, 2)),
    "conv_lstm": ((16, 16), (1, 1)),
}


@dataclass(frozen=True)
class MaxoutLayer:
    """One maxout convolution of a FitNet: the maximum of `pieces` convolutions, then a max pool.

    Attributes:
        channels: output channels.
        kernel: side of the square kernel, in pixels.
        padding: zeros on each of the four sides, in pixels.
        pieces: convolutions that the maximum is taken of (1: a linear layer).
        pool: side of the max pool after it, in pixels; 0 for none.
        pool_stride: step of the pool, in pixels; 0 means the pool's own side.
    """

    channels: int
    kernel: int = 3
    padding: int = 1
    pieces: int = 2
    pool: int = 0
    pool_stride: int = 0

    def __post_init__(self) -> None:
        for name in ("channels", "kernel", "pieces"):
            if getattr(self, name) < 1:
                raise SettingsError(f"layer {name} must be at least 1, got {getattr(self, name)}.")
        for name in ("padding", "pool", "pool_stride"):
            if getattr(self, name) < 0:
                raise SettingsError(
                    f"layer {name} must not be negative, got {getattr(self, name)}."
                )
        if self.pool_stride > self.pool:
            raise SettingsError(
                f"layer pool_stride is {self.pool_stride} but pool is {self.pool}: a pool that "
                "steps over pixels loses them; set pool_stride to at most pool."
            )


@dataclass(frozen=True)
class NetworkConfig:
    """Settings of one network. A field that the family does not use is refused, not ignored.

    Attributes:
        family: "thin_deep" (stages of 3x3 convolutions with 2x2 max pools between), "fitnet"
            (maxout layers as data), "resnet8", "ds_cnn", "tcn" (convolutions over time),
            "conv_lstm" (the same with an LSTM on top), or "keras_file" (a user's own model).
        preset: name in PRESETS; stands for all other fields, which are then left alone.
        widths: channels per stage; empty for the family's own.
        depths: convolutions (ds_cnn: blocks) per stage; empty for the family's own.
        residual: shortcuts around pairs of convolutions.
        block: "plain" convolutions or "separable" ones (depthwise 3x3, then pointwise 1x1).
        activation: "relu" or "relu6".
        batch_norm: normalize after each convolution; without it convolutions have biases.
        dropout: rate before the last layer.
        l2: weight of the squared norm of all kernels in the loss.
        times_fewer: scale the widths so that the network has at least this many times fewer
            parameters than a reference network, and as near to it as whole channels allow.
        channel_multiple: with times_fewer, the widths that it leads to are multiples of this; 8
            fills the vectors of processors, where odd numbers of channels take as long as the next
            multiple. Widths without times_fewer are taken as they are given.
        path: your own .keras file; it stands for the family "keras_file".
        taps: name -> layer of that file whose feature map methods with hints compare; for a flag
            taps.mid=base/block_6_project_BN.
        layers: the convolutional layers of a FitNet.
        fc_units: units of the fully connected maxout layer of a FitNet; 0 for none.
        fc_pieces: its pieces.
        use_bias: whether the layers of a FitNet have biases.
        stem_kernel: height and width of the first kernel of a DS-CNN, in pixels.
        stem_stride: step of that first convolution, in pixels.
        first_stride: step of the first convolution, in pixels or time steps (not of a ds_cnn); 2
            makes every map of a picture a quarter of its size, and of a series half.
        kernel: size of the kernels of a tcn or a conv_lstm, in time steps.
        dilation: each block of a stage of a tcn or a conv_lstm reads so many times farther apart
            than the one before; 1: none does.
        stage_stride: step of the first convolution of each later stage of a tcn or a conv_lstm, in
            time steps.
        recurrent: the layer on top of a conv_lstm: "lstm", one operator in the file, or "gru",
            which TFLite has not and which is written out step by step.
    """

    family: Family = "thin_deep"
    preset: Preset | None = None
    widths: tuple[int, ...] = ()
    depths: tuple[int, ...] = ()
    residual: bool = False
    block: Literal["plain", "separable"] = "plain"
    activation: Literal["relu", "relu6"] = "relu"
    batch_norm: bool = True
    dropout: float = 0.0
    l2: float = 0.0
    times_fewer: float | None = None
    channel_multiple: int = 8
    path: str | None = None
    taps: dict[str, str] = field(default_factory=dict)
    layers: tuple[MaxoutLayer, ...] = ()
    fc_units: int = 0
    fc_pieces: int = 2
    use_bias: bool = True
    stem_kernel: tuple[int, int] = (10, 4)
    stem_stride: int = 2
    first_stride: int = 1
    kernel: int = added(5)
    dilation: int = added(2)
    stage_stride: int = added(2)
    recurrent: Literal["lstm", "gru"] = added("lstm")

    def __post_init__(self) -> None:
        check_network(self)

    def resolved(self) -> NetworkConfig:
        """These settings with the preset looked up and the family's own shape filled in."""
        if self.preset is not None:
            return preset(self.preset).resolved()
        widths, depths = FAMILY_SHAPES.get(self.family, ((), ()))
        return replace(self, widths=self.widths or widths, depths=self.depths or depths)


def preset(name: Preset) -> NetworkConfig:
    """The named network of PRESETS.

    Raises:
        KeyError: there is none of that name.
    """
    given = dict(PRESETS[name])
    layers = tuple(MaxoutLayer(**layer) for layer in given.pop("layers", ()))
    return NetworkConfig(**given, layers=layers)


def check_network(config: NetworkConfig) -> None:
    """Refuse settings that cannot be, or that the family would ignore.

    Args:
        config: settings of one network.

    Raises:
        SettingsError: with a sentence that says what was given, what is possible and what to do.
    """
    check_choices(config)
    if config.preset is not None:
        _check_preset(config, config.preset)
        return
    _check_unused(config)
    _check_numbers(config)
    if config.family == "fitnet":
        _check_fitnet(config)
    elif config.family == "keras_file":
        _check_keras_file(config)
    else:
        _check_stages(config)


def _changed(config: NetworkConfig) -> list[str]:
    """Names of the fields that differ from their defaults, and say something."""
    defaults = {f.name: f.default for f in fields(config)} | {"taps": {}}
    if config.times_fewer is None:
        defaults.pop("channel_multiple")
    return [name for name, value in defaults.items() if getattr(config, name) != value]


def _check_preset(config: NetworkConfig, preset: Preset) -> None:
    others = [name for name in _changed(config) if name != "preset"]
    if others:
        raise SettingsError(
            f"preset {preset!r} stands for the whole network, but {', '.join(others)} "
            "came with it; leave those out, or set preset to null and describe the network."
        )


def _check_unused(config: NetworkConfig) -> None:
    allowed = FAMILY_FIELDS[config.family]
    unused = [n for n in _changed(config) if n not in (*allowed, "family")]
    if unused:
        raise SettingsError(
            f"a network of the family {config.family!r} does not use {', '.join(unused)}; "
            f"it uses {', '.join(allowed)}."
        )


def _check_numbers(config: NetworkConfig) -> None:
    if not 0.0 <= config.dropout < 1.0:
        raise SettingsError(f"dropout must be at least 0 and below 1, got {config.dropout}.")
    if not (math.isfinite(config.l2) and config.l2 >= 0.0):
        raise SettingsError(f"l2 must be a number that is not negative, got {config.l2}.")
    if config.times_fewer is not None and not (
        math.isfinite(config.times_fewer) and config.times_fewer >= 1.0
    ):
        raise SettingsError(f"times_fewer must be at least 1, got {config.times_fewer}.")
    if config.channel_multiple < 1:
        raise SettingsError(f"channel_multiple must be at least 1, got {config.channel_multiple}.")


def _check_stages(config: NetworkConfig) -> None:
    own_widths, own_depths = FAMILY_SHAPES[config.family]
    widths, depths = config.widths or own_widths, config.depths or own_depths
    if len(widths) != len(depths):
        raise SettingsError(
            f"widths {widths} has {len(widths)} stages but depths {depths} has {len(depths)}; "
            "give one width and one depth for each stage."
        )
    if min(*widths, *depths) < 1:
        raise SettingsError(f"widths {widths} and depths {depths} must all be at least 1.")
    if config.residual and max(depths) < 2:
        raise SettingsError(f"residual needs a stage of two convolutions, but depths is {depths}.")
    if config.family == "resnet8" and any(depth % 2 for depth in depths):
        raise SettingsError(
            f"resnet8 is built of pairs of convolutions: make depths {depths} even."
        )
    if min(config.kernel, config.dilation, config.stage_stride) < 1:
        raise SettingsError(
            f"kernel {config.kernel}, dilation {config.dilation} and stage_stride "
            f"{config.stage_stride} must be at least 1."
        )
    if min(*config.stem_kernel, config.stem_stride, config.first_stride) < 1:
        raise SettingsError(
            f"stem_kernel {config.stem_kernel}, stem_stride {config.stem_stride} and first_stride "
            f"{config.first_stride} must be at least 1."
        )


def _check_fitnet(config: NetworkConfig) -> None:
    if not config.layers:
        raise SettingsError("a fitnet needs layers; give them, or a preset such as 'fitnet1'.")
    if config.fc_units < 0 or config.fc_pieces < 1:
        raise SettingsError(
            f"fc_units must not be negative and fc_pieces at least 1, got {config.fc_units} and "
            f"{config.fc_pieces}."
        )
    if config.fc_units == 0 and config.fc_pieces != 2:
        raise SettingsError("fc_pieces does nothing while fc_units is 0; leave it out.")


def _check_keras_file(config: NetworkConfig) -> None:
    if not config.path:
        raise SettingsError("a network of the family 'keras_file' needs path, a .keras file.")
    if why := other_format(Path(config.path)):
        raise SettingsError(why)
    for name, layer in config.taps.items():
        if name == "logits" or not name or not layer:
            raise SettingsError(
                f"tap {name!r} -> {layer!r} cannot be: a tap needs a name other than 'logits', "
                "and a layer path such as 'base/block_6_project_BN'."
            )


def check_kind(config: NetworkConfig, input_shape: tuple[int, ...]) -> None:
    """Refuse samples of another kind than a family takes.

    Args:
        config: settings of one network.
        input_shape: (h, w, c), (time, c) or (c,) of the samples.

    Raises:
        NetworkError: says what it takes.
    """
    if config.family in SERIES and len(input_shape) != 2:
        raise NetworkError(
            f"a network of the family {config.family!r} takes series [time, channels], but the "
            f"samples have the shape {input_shape}; take the family 'thin_deep'"
        )
    if len(input_shape) == 1 and (config.block == "separable" or config.family == "ds_cnn"):
        raise NetworkError(
            "rows of a table have no neighbours that a depthwise convolution could read; take the "
            "family 'thin_deep' with block 'plain', whose layers are then dense"
        )
