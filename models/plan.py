"""The sequence of blocks in each stage of a network, as data (no Keras here).

The builder and the closed-form count of the parameters both read it, so they cannot differ.
"""

from dataclasses import dataclass

from hintlite.models.settings import NetworkConfig


@dataclass(frozen=True)
class Step:
    """One block of a stage.

    Attributes:
        name: name of the block's layers.
        channels: output channels.
        separable: depthwise and pointwise instead of one plain convolution.
        pair: two such blocks with a shortcut around them.
        stride: step of the (first) block, in pixels.
    """

    name: str
    channels: int
    separable: bool = False
    pair: bool = False
    stride: int = 1


def stages(config: NetworkConfig) -> list[list[Step]]:
    """The blocks of every stage of a resolved config ("thin_deep", "resnet8" or "ds_cnn")."""
    plans = {"thin_deep": _thin_deep, "resnet8": _resnet8, "ds_cnn": _ds_cnn}
    plan = plans[config.family]
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


def stem_kernel(config: NetworkConfig, input_shape: tuple[int, int, int]) -> tuple[int, int] | None:
    """Height and width of the first kernel before the stages, no larger than the image.

    Returns:
        Pixels (h, w); None for a family without a stem.
    """
    if config.family == "ds_cnn":
        height, width = config.stem_kernel
        return min(height, input_shape[0]), min(width, input_shape[1])
    return (3, 3) if config.family == "resnet8" else None


def stem_stride(config: NetworkConfig) -> int:
    """Step of the convolution before the stages, in pixels, for a family that has one."""
    return config.stem_stride if config.family == "ds_cnn" else config.first_stride
