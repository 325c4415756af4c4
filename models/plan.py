"""The sequence of blocks in each stage of a network, as data (no Keras here).

The builder and the closed-form count of the parameters both read it, so they cannot differ.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hintlite.models.settings import NetworkConfig


@dataclass(frozen=True)
class Step:
    """One block of a stage.

    Attributes:
        name: name of the block's layers.
        channels: output channels.
        separable: depthwise and pointwise instead of one plain convolution.
        pair: two such blocks with a shortcut around them.
        stride: step of the (first) block, in pixels or time steps.
        kernel: size of its kernels along each axis, likewise.
        dilation: distance of what they read, likewise.
    """

    name: str
    channels: int
    separable: bool = False
    pair: bool = False
    stride: int = 1
    kernel: int = 3
    dilation: int = 1


def stages(config: NetworkConfig) -> list[list[Step]]:
    """The blocks of every stage of a resolved config of one of the families PLANS."""
    plan = PLANS[config.family]
    return [
        plan(config, number, width, depth)
        for number, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True), 1)
    ]


def _thin_deep(config: NetworkConfig, number: int, width: int, depth: int) -> list[Step]:
    """An odd block of a residual stage comes first; the network's first is never separable."""
    separable = config.block == "separable"
    first_plain = separable and number == 1
    singles = depth if not config.residual else int(first_plain) + (depth - first_plain) % 2
    steps: list[Step] = []
    done = 0
    while done < depth:
        pair = done >= singles
        name = f"stage{number}_{'pair' if pair else 'conv'}{len(steps) + 1}"
        stride = config.first_stride if number == 1 and done == 0 else 1
        plain = first_plain and done == 0
        steps.append(Step(name, width, separable and not plain, pair, stride))
        done += 2 if pair else 1
    return steps


def _resnet8(config: NetworkConfig, number: int, width: int, depth: int) -> list[Step]:
    """Residual pairs; the first of each later stage halves the map."""
    return [
        Step(
            f"stage{number}_pair{pair + 1}",
            width,
            pair=True,
            stride=2 if number > 1 and pair == 0 else 1,
        )
        for pair in range(depth // 2)
    ]


def _ds_cnn(config: NetworkConfig, number: int, width: int, depth: int) -> list[Step]:
    """Depthwise-separable blocks on maps of one size."""
    return [
        Step(f"stage{number}_block{block + 1}", width, separable=True) for block in range(depth)
    ]


def _tcn(config: NetworkConfig, number: int, width: int, depth: int) -> list[Step]:
    """Each block of a stage reads `dilation` times farther apart than the one before."""
    steps = _thin_deep(config, number, width, depth)
    steps[0] = replace(steps[0], stride=config.first_stride if number == 1 else config.stage_stride)
    return [
        replace(step, kernel=config.kernel, dilation=config.dilation**place)
        for place, step in enumerate(steps)
    ]


PLANS: dict[str, Callable[[NetworkConfig, int, int, int], list[Step]]] = {
    "thin_deep": _thin_deep,
    "resnet8": _resnet8,
    "ds_cnn": _ds_cnn,
    "tcn": _tcn,
    "conv_lstm": _tcn,
}


def stem_kernel(config: NetworkConfig, input_shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Size of the first kernel before the stages along each axis, no larger than the sample.

    Returns:
        Pixels (h, w), time steps (time,), or () for a table; None for a family without a stem.
    """
    sizes = input_shape[:-1]
    if config.family == "ds_cnn":
        return tuple(min(pair) for pair in zip(config.stem_kernel, sizes, strict=False))
    return (3,) * len(sizes) if config.family == "resnet8" else None


def stem_stride(config: NetworkConfig) -> int:
    """Step of the convolution before the stages, in pixels, for a family that has one."""
    return config.stem_stride if config.family == "ds_cnn" else config.first_stride
