"""Cross-layer equalization (Nagel et al. 2019, arXiv 1906.04721, section 4.1).

ReLU is positively homogeneous: relu(s x) = s relu(x) for s > 0. So channel i of a layer can be
divided by s_i, and what the next layer reads of it multiplied by s_i, without changing the
network. With r1_i and r2_i, the ranges of the weights that write and read channel i, the paper's

    s_i = sqrt(r1_i * r2_i) / r2_i        (equation 11)

makes both ranges sqrt(r1_i * r2_i), which leaves no channel with few of the 255 steps. A channel
of small weights and a large bias would get a far larger bias so, and the map between the layers a
far larger range (the paper's section 4.1.3): s_i is kept from lifting a bias above the largest of
those that write the map.

The maximum passes s on as well: max(s a, s b) = s max(a, b). So does a map that several layers
read, if all of them take the factor back. A map between layers is therefore equalized with all
layers that write it, such as the pieces of a maxout layer, and all that read it
(`models/equalize_chains.py`); r1_i and r2_i are the largest ranges of channel i on each side.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from hintlite.errors import SettingsError
from hintlite.models.copying import copy_weights
from hintlite.models.equalize_chains import Chain, chains, written_channels
from hintlite.models.fold import folded

SKIP, REPLACE = "skip", "replace"  # what is done where a ReLU6 stands between two layers
SWEEPS = 20
_SETTLED = 1e-3  # largest |s - 1| of a sweep after which nothing more is won


@dataclass(frozen=True)
class Pair:
    """The layers with weights on the two sides of a map, and what stands between them.

    Where several layers are meant their names are joined by " + ", in the network's order.

    Attributes:
        first: name of the layer that writes the channels; of all pieces of a maxout layer.
        second: name of the layer that reads them; of all that do.
        clipped: name of the ReLU6 between them, None where there is none.
        spread_before: largest over smallest range of a channel, of the weights that write it.
        spread_after: the same after equalization.
        range_ratio: largest over smallest r1_i / r2_i over the channels before; 1 is equalized.
        range_ratio_after: the same after equalization.
        skipped: why nothing was done, "" where something was.
    """

    first: str
    second: str
    clipped: str | None
    spread_before: float
    spread_after: float
    range_ratio: float
    range_ratio_after: float
    skipped: str = ""


def equalized(network: keras.Model, relu6: str = SKIP) -> tuple[keras.Model, tuple[Pair, ...]]:
    """A copy of a network with folded batch normalization and equalized ranges.

    The pairs are worked through in the network's order, again and again until nothing moves, since
    a layer that is the second of one pair is the first of the next.

    Args:
        network: functional model, input to logits; it is not changed.
        relu6: `SKIP` leaves pairs with a ReLU6 between them as they are; `REPLACE` puts a ReLU in
            its place, which is another function where the ReLU6 clips: compare the outputs.

    Returns:
        The copy, and what was done with each pair, in the network's order.

    Raises:
        SettingsError: another word for `relu6`.
    """
    if relu6 not in (SKIP, REPLACE):
        raise SettingsError(f"relu6 must be {SKIP} or {REPLACE}; got {relu6!r}")
    flat = folded(network)
    clips = {name for chain in chains(flat) for name in chain.clipped} if relu6 == REPLACE else ()
    copy = _copied(flat, clips)
    found = chains(copy, clips)
    active = [chain for chain in found if not chain.clipped or relu6 == REPLACE]
    before = {id(chain): _ranges(chain) for chain in found}
    for _ in range(SWEEPS):
        moved = max((_equalize(chain) for chain in active), default=0.0)
        if moved < _SETTLED:
            break
    return copy, tuple(_pair(chain, before[id(chain)], chain in active) for chain in found)


def _copied(network: keras.Model, unclipped: Collection[str]) -> keras.Model:
    """A copy with weights of its own, and ReLU in the place of the named ReLU6 layers."""

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in unclipped:
            config["max_value"] = None
        return type(layer).from_config(config)

    return copy_weights(network, keras.models.clone_model(network, clone_function=clone))


def _ranges(chain: Chain) -> tuple[np.ndarray, np.ndarray]:
    """Largest magnitude of the weights that write and that read each channel, float64 [c]."""
    count = written_channels(chain.writers[0])
    written = [np.abs(_by_written(_kernel(each), count)).max(axis=0) for each in chain.writers]
    read = [np.abs(_by_read(_kernel(each), count)).max(axis=(0, 2)) for each in chain.readers]
    return np.max(written, axis=0), np.max(read, axis=0)


def _equalize(chain: Chain) -> float:
    """Equalizes one pair in place.

    Returns:
        The largest |s - 1|. A channel without weights on one side is left alone.
    """
    written, read = _ranges(chain)
    live = (written > 0) & (read > 0)
    factors = np.ones_like(written)
    factors[live] = np.sqrt(written[live] / read[live])  # = sqrt(r1 r2) / r2
    bias = _largest_biases(chain)
    factors[live] = np.maximum(factors, bias / max(bias.max(), 1e-30))[live]
    for layer in chain.writers:
        _scale(layer, 1 / factors, writes=True)
    for layer in chain.readers:
        _scale(layer, factors, writes=False)
    return float(np.abs(factors - 1).max(initial=0.0))


def _largest_biases(chain: Chain) -> np.ndarray:
    """Largest magnitude of a bias that is added to each channel, float64 [c]; 0 without."""
    none = np.zeros(written_channels(chain.writers[0]))
    biases = [np.asarray(each.bias, np.float64) for each in chain.writers if each.use_bias]
    return np.abs([none, *biases]).max(axis=0)


def _scale(layer: Any, factors: np.ndarray, writes: bool) -> None:
    kernel = _kernel(layer)
    if writes:
        scaled = (_by_written(kernel, len(factors)) * factors).reshape(kernel.shape)
    else:
        view = _by_read(kernel, len(factors))
        scaled = (view * factors[None, :, None]).reshape(kernel.shape)
    weights = [scaled]
    if layer.use_bias:
        bias = np.asarray(layer.bias, np.float64)
        weights.append(bias * factors if writes else bias)
    layer.set_weights(weights)


def _kernel(layer: Any) -> np.ndarray:
    return np.asarray(layer.kernel, np.float64)


def _by_written(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Kernel as [weights, channels written]; a depthwise one has [h, w, channels, multiplier]."""
    return kernel.reshape(-1, channels)


def _by_read(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Kernel as [places, channels read, weights].

    A dense layer behind a flattened map reads each channel at several places; the channel is the
    fastest of the flattened axes.
    """
    return kernel.reshape(-1, channels, kernel.shape[-1])


def _pair(chain: Chain, before: tuple[np.ndarray, np.ndarray], active: bool) -> Pair:
    after = _ranges(chain)
    clipped = _names(chain.clipped) or None
    reason = "" if active else f"ReLU6 {clipped!r} stands between them"
    return Pair(
        first=_names([layer.name for layer in chain.writers]),
        second=_names([layer.name for layer in chain.readers]),
        clipped=clipped,
        spread_before=_spread(before[0]),
        spread_after=_spread(after[0]),
        range_ratio=_spread(before[0][_live(before)] / before[1][_live(before)]),
        range_ratio_after=_spread(after[0][_live(after)] / after[1][_live(after)]),
        skipped=reason,
    )


def _names(names: Sequence[str]) -> str:
    return " + ".join(names)


def _live(ranges: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return (ranges[0] > 0) & (ranges[1] > 0)


def _spread(values: np.ndarray) -> float:
    """Largest over smallest, of those above 0."""
    positive = values[values > 0]
    return float(positive.max() / positive.min()) if len(positive) else 1.0
