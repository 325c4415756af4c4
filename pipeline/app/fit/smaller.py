"""The smallest changes to a student that make it fit: width, depth and stride, by search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from hintlite.errors import HintliteError
from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.app.fit.limits import Costs

STEPS = 64  # widths are tried in steps of this share
STRIDES = (2, 4)
Measure = Callable[[NetworkConfig], Costs]
Fits = Callable[[Costs], bool]


@dataclass(frozen=True)
class Change:
    """Another student that fits.

    Args:
        kind: what was changed, in words.
        config: its settings.
        costs: what it takes.
        lost_parameters: share of the parameters that it has fewer.
        lost_macs: share of the MACs that it has fewer.
    """

    kind: str
    config: NetworkConfig
    costs: Costs
    lost_parameters: float
    lost_macs: float

    @property
    def size(self) -> float:
        """How much is given up: the mean of both shares."""
        return (self.lost_parameters + self.lost_macs) / 2


def smallest_changes(config: NetworkConfig, measure: Measure, fits: Fits) -> list[Change]:
    """For each way of changing a student the smallest change that fits; the smallest first.

    Each way is a row of students from little to much changed, of which the first that fits counts:
    all widths together, the width of one stage, layers taken from the deepest stage, strides of
    the first convolution, and narrower students of each depth and stride.

    Args:
        config: a resolved config without times_fewer.
        measure: what a student takes; a HintliteError says that it cannot be built.
        fits: whether that is little enough.
    """
    old = measure(config)
    found: dict[tuple[object, ...], Change] = {}
    for kind, row in _ways(config):
        change = _first(kind, row, old, measure, fits)
        if change is not None:
            found.setdefault(_shape(change.config), change)
    return _best_of_each_kind(sorted(found.values(), key=lambda change: change.size))


def _best_of_each_kind(changes: Sequence[Change]) -> list[Change]:
    best: dict[str, Change] = {}
    for change in changes:
        best.setdefault(change.kind, change)
    return list(best.values())


def _first(
    kind: str, row: Iterator[NetworkConfig], old: Costs, measure: Measure, fits: Fits
) -> Change | None:
    for config in row:
        try:
            costs = measure(config)
        except HintliteError:  # the network does not fit its images, or a setting refuses another
            continue
        if fits(costs):
            lost = 1 - costs.parameters / old.parameters, 1 - costs.macs / max(old.macs, 1)
            return Change(kind, config, costs, *lost)
    return None


def _shape(config: NetworkConfig) -> tuple[object, ...]:
    return (
        *(config.widths, config.depths, config.layers, config.fc_units),
        *(config.first_stride, config.stem_stride),
    )


def _ways(config: NetworkConfig) -> Iterator[tuple[str, Iterator[NetworkConfig]]]:
    yield "narrower", _narrower(config)
    for stage in range(len(config.widths)):
        yield f"stage {stage + 1} narrower", _stage_narrower(config, stage)
    yield "shallower", _shallower(config)
    yield "larger stride", _strided(config)
    for other in _shallower(config):
        yield "shallower and narrower", _narrower(other)
    for other in _strided(config):
        yield "larger stride and narrower", _narrower(other)


def _narrower(config: NetworkConfig) -> Iterator[NetworkConfig]:
    """All channels multiplied by one factor, from just below 1 down to one channel."""
    seen = _shape(config)
    for step in range(STEPS - 1, -1, -1):
        scaled = _scaled(config, step / STEPS)
        if _shape(scaled) != seen:
            seen = _shape(scaled)
            yield scaled


def _scaled(config: NetworkConfig, factor: float) -> NetworkConfig:
    def scale(channels: int) -> int:
        return max(1, int(channels * factor))

    layers = tuple(replace(layer, channels=scale(layer.channels)) for layer in config.layers)
    return replace(
        config,
        widths=tuple(map(scale, config.widths)),
        layers=layers,
        fc_units=scale(config.fc_units) if config.fc_units else 0,
    )


def _stage_narrower(config: NetworkConfig, stage: int) -> Iterator[NetworkConfig]:
    widths = config.widths
    for width in range(widths[stage] - 1, 0, -1):
        yield replace(config, widths=(*widths[:stage], width, *widths[stage + 1 :]))


def _shallower(config: NetworkConfig) -> Iterator[NetworkConfig]:
    """One layer after another taken from the deepest stage; of a FitNet, from the front."""
    while config.depths:
        step = 2 if config.family == "resnet8" else 1
        stage = max(range(len(config.depths)), key=lambda i: config.depths[i])
        depth = config.depths[stage] - step
        if depth < 1 or (config.residual and depth < 2):
            return
        depths = (*config.depths[:stage], depth, *config.depths[stage + 1 :])
        config = replace(config, depths=depths)
        yield config
    while config.layers:
        plain = [i for i, layer in enumerate(config.layers) if i and not layer.pool]
        if not plain:
            return
        layers = (*config.layers[: plain[0]], *config.layers[plain[0] + 1 :])
        config = replace(config, layers=layers)
        yield config


def _strided(config: NetworkConfig) -> Iterator[NetworkConfig]:
    """The first convolution with a larger stride; a FitNet has none, it shrinks by its pools."""
    for factor in STRIDES:
        if config.family == "ds_cnn":
            yield replace(config, stem_stride=config.stem_stride * factor)
        elif config.widths:
            yield replace(config, first_stride=config.first_stride * factor)
