"""The layer that takes the place of each call of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from hintlite.models.fake_quant.activations import FakeQuantizedActivation
from hintlite.models.fake_quant.affine import FakeQuantizedAffine, FakeQuantizedNorm
from hintlite.models.fake_quant.calls import Call, Calls
from hintlite.models.fake_quant.linear import LINEAR
from hintlite.models.fake_quant.merging import (
    FakeQuantizedJoin,
    FakeQuantizedPool,
    FakeQuantizedSum,
)
from hintlite.models.fake_quant.roles import Role
from hintlite.models.fake_quant.weights import FakeQuantizedWeights

Maker = Callable[[Call, Role], Any]


class Builder:
    """Decides where values are rounded, and makes the layers that do so.

    Args:
        calls: of the network.
        roles: of each call that does something in inference.
        bits: of the weights of a call.
    """

    def __init__(
        self, calls: Calls, roles: Mapping[Call, Role], bits: Callable[[Call], int]
    ) -> None:
        self.calls, self.roles, self.bits = calls, roles, bits
        self.makers: Mapping[str, Maker] = {
            "weights": self._weights,
            "norm": self._norm,
            "affine": self._affine,
            "activation": self._activation,
            "sum": self._sum,
            "join": self._join,
            "pool": self._pool,
        }

    def layer(self, call: Call) -> Any:
        """What takes the place of a call; the operation itself where nothing changes."""
        role = self.roles.get(call)
        if role is None or role.kind == "pass":
            return call.operation
        return self.makers[role.kind](call, role)

    def _weights(self, call: Call, role: Role) -> Any:
        norm, last = self._norm_of_all(call), call
        if norm is not None:
            last = norm
        activation = role.activation
        settings = {
            "kind": activation.kind,
            "before": activation.kind not in ("linear", "relu"),
            "after": self._is_rounded(last),
            "slope": activation.slope,
            "most": activation.most,
        }
        return FakeQuantizedWeights(
            call.operation, norm and norm.operation, settings, self.bits(call), name=_name(call)
        )

    def _norm(self, call: Call, _role: Role) -> Any:
        before = self.calls.makers.get(call.inputs[0])
        if before is not None and self._norm_of_all(before) is call:
            return keras.layers.Identity(name=_name(call))
        if self._folds(before, call) and not self._is_rounded(call):
            return call.operation
        return FakeQuantizedNorm(call.operation, self._is_rounded(call), name=_name(call))

    def _affine(self, call: Call, role: Role) -> Any:
        slope, offset = role.line or ((1.0,), (0.0,))
        return FakeQuantizedAffine(slope, offset, self._is_rounded(call), name=_name(call))

    def _activation(self, call: Call, role: Role) -> Any:
        kind = role.activation
        return FakeQuantizedActivation(
            kind.kind, False, self._is_rounded(call), kind.slope, kind.most, name=_name(call)
        )

    def _sum(self, call: Call, _role: Role) -> Any:
        count = len(call.inputs)
        return FakeQuantizedSum(call.kind, count, self._is_rounded(call), name=_name(call))

    def _join(self, call: Call, _role: Role) -> Any:
        return FakeQuantizedJoin(call.kind, getattr(call.operation, "axis", -1), name=_name(call))

    def _pool(self, call: Call, _role: Role) -> Any:
        maker = self.calls.makers.get(call.inputs[0])
        floats = maker is not None and not self._is_rounded(maker)
        return FakeQuantizedPool(call.operation, floats, name=_name(call))

    def _reader(self, call: Call) -> tuple[Call | None, Role | None]:
        """The call that alone reads the output of another."""
        reader = self.calls.only_reader(call.outputs[0])
        return reader, None if reader is None else self.roles.get(reader)

    def _folds(self, before: Call | None, norm: Call) -> bool:
        """Whether a normalization becomes part of the layer before it."""
        if before is None:
            return False
        role = self.roles[before]
        alone = self.calls.only_reader(before.outputs[0]) is norm
        return alone and role.kind == "weights" and role.activation.kind == "linear"

    def _norm_of_all(self, call: Call) -> Call | None:
        """The normalization that a layer with one scale for all computes itself."""
        reader, role = self._reader(call)
        if reader is None or role is None or role.kind != "norm" or not self._folds(call, reader):
            return None
        return None if LINEAR[type(call.operation)].per_channel else reader

    def _is_rounded(self, call: Call) -> bool:
        """Whether a call rounds its output itself, and leaves it to no reader."""
        role = self.roles[call]
        if role.kind in ("pass", "join", "pool"):
            return True
        reader, reading = self._reader(call)
        if reader is None or reading is None:
            return True
        if reading.kind == "norm":
            return not self._folds(call, reader)
        if reading.is_relu:
            return not role.linear
        return reading.kind not in ("join", "pool") or not role.activation.handed_on


def _name(call: Call) -> str:
    name: str = call.operation.name
    return name
