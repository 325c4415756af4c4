"""A closed-form count of the parameters, and the widths that meet a size (no Keras here)."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from math import prod

from hintlite.errors import NetworkError
from hintlite.models.plan import PLANS, Step, stages, stem_kernel
from hintlite.models.settings import NetworkConfig

NEAR = 0.9  # of the parameters that are left: widths that make use of so many are good enough
SCALABLE = tuple(PLANS)
Shape = tuple[int, ...]


def parameters_of(config: NetworkConfig, input_shape: Shape, classes: int) -> int:
    """Parameters of the network that the config describes, without building it.

    Counts what Keras counts: the moving statistics of batch normalization are among them.

    Args:
        config: a resolved config of one of the families SCALABLE.
        input_shape: (h, w, c), (time, c) or (c,) of the samples.
        classes: number of classes.

    Returns:
        Number of scalars.
    """
    axes, channels, total = len(input_shape) - 1, input_shape[-1], 0
    stem = stem_kernel(config, input_shape)
    if stem is not None:
        total += _convolution(config, prod(stem), channels, config.widths[0])
        channels = config.widths[0]
    for step in itertools.chain.from_iterable(stages(config)):
        total += _step(config, step, channels, axes)
        channels = step.channels
    if config.family == "conv_lstm":
        total += _recurrent(config, channels)
    return total + (channels + 1) * classes


def _recurrent(config: NetworkConfig, units: int) -> int:
    """Kernels of the input and of the state, and biases: a GRU of Keras has two of these."""
    gates, biases = (4, 1) if config.recurrent == "lstm" else (3, 2)
    return gates * (2 * units * units + biases * units)


def _convolution(config: NetworkConfig, taps: int, inputs: int, outputs: int) -> int:
    """Kernel, and the four vectors of batch normalization or else the bias."""
    return taps * inputs * outputs + (4 if config.batch_norm else 1) * outputs


def _block(config: NetworkConfig, step: Step, inputs: int, axes: int) -> int:
    taps = step.kernel**axes
    if not step.separable:
        return _convolution(config, taps, inputs, step.channels)
    return _convolution(config, taps, 1, inputs) + _convolution(config, 1, inputs, step.channels)


def _step(config: NetworkConfig, step: Step, inputs: int, axes: int) -> int:
    if not step.pair:
        return _block(config, step, inputs, axes)
    total = _block(config, step, inputs, axes) + _block(config, step, step.channels, axes)
    if step.stride > 1 or inputs != step.channels:
        total += inputs * step.channels + (0 if config.batch_norm else step.channels)
    return total


def scale_to(
    config: NetworkConfig, input_shape: Shape, classes: int, reference_parameters: int
) -> NetworkConfig:
    """Scale the widths until the network is `times_fewer` times smaller than a reference.

    All widths are multiplied by one factor and rounded to whole channels, or to multiples of
    `channel_multiple`; then each may go one such step up or down. With whole channels the nearest
    size is taken; with multiples, whose steps are coarse, the widths nearest in proportion to the
    given ones among those that come within a tenth of the size, or else the nearest size.

    Args:
        config: a resolved config with times_fewer.
        input_shape: (h, w, c), (time, c) or (c,) of the samples.
        classes: number of classes.
        reference_parameters: parameters of the network to be smaller than (the teacher's).

    Returns:
        The config with other widths, without times_fewer. Its network has at
        most reference_parameters / times_fewer parameters.

    Raises:
        NetworkError: the family's widths cannot be scaled, or the least of each stage is too large.
    """
    if config.family not in SCALABLE:
        raise NetworkError(
            f"times_fewer cannot scale a network of the family {config.family!r}; "
            f"it can scale {', '.join(SCALABLE)}."
        )
    limit = reference_parameters / (config.times_fewer or 1.0)

    def count(widths: tuple[int, ...]) -> int:
        return parameters_of(replace(config, widths=widths), input_shape, classes)

    unit = config.channel_multiple
    smallest = count((unit,) * len(config.widths))
    if smallest > limit:
        least = "one channel" if unit == 1 else f"{unit} channels"
        smaller = "smaller depths" if unit == 1 else "smaller depths or channel_multiple"
        most = reference_parameters / smallest
        times = f"times_fewer of at most {most:.4g}, or " if most >= 1 else ""
        raise NetworkError(
            f"times_fewer {config.times_fewer} of {reference_parameters:,} parameters leaves "
            f"{int(limit):,}, but with {least} in each stage the network still has "
            f"{smallest:,}; use {times}{smaller}."
        )
    widths = _scaled(config.widths, unit, limit, count)
    near = [each for each in _neighbours(widths, unit) if count(each) <= limit]
    good = [each for each in near if unit > 1 and count(each) >= NEAR * limit]
    if good:
        widths = min(good, key=lambda each: (_distortion(each, config.widths), -count(each)))
    else:
        widths = max(near, key=count)
    return replace(config, widths=widths, times_fewer=None)


def _multiplied(widths: tuple[int, ...], factor: float, unit: int) -> tuple[int, ...]:
    return tuple(max(unit, unit * round(width * factor / unit)) for width in widths)


def _scaled(
    widths: tuple[int, ...], unit: int, limit: float, count: Callable[[tuple[int, ...]], int]
) -> tuple[int, ...]:
    """The largest common factor that keeps within the limit, by bisection."""
    low, high = 0.0, 1.0
    while count(_multiplied(widths, high, unit)) <= limit:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        if count(_multiplied(widths, middle, unit)) <= limit:
            low = middle
        else:
            high = middle
    return _multiplied(widths, low, unit)


def _neighbours(widths: tuple[int, ...], unit: int) -> list[tuple[int, ...]]:
    """The widths themselves, and those one unit of channels up or down in any stage."""
    steps = itertools.product((0, -unit, unit), repeat=len(widths))
    near = (tuple(w + d for w, d in zip(widths, step, strict=True)) for step in steps)
    return [each for each in near if min(each) >= unit]


def _distortion(widths: tuple[int, ...], given: tuple[int, ...]) -> float:
    """How unequally the stages are scaled: largest over smallest factor."""
    factors = [now / before for now, before in zip(widths, given, strict=True)]
    return max(factors) / min(factors)
