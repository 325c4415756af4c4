"""What a file shall be: its precision and the types of its ends, as words that need no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hintlite.choices import check_choices
from hintlite.errors import SettingsError

PrecisionName = Literal["int8", "int16x8", "float16", "dynamic", "int4", "float32"]
EndType = Literal["int8", "uint8", "int16", "float32"]
ENDS: dict[str, tuple[EndType, ...]] = {  # of each precision; the first is the default
    "int8": ("int8", "uint8", "float32"),
    "int4": ("int8",),
    "int16x8": ("int16", "float32"),
    "float16": ("float32",),
    "dynamic": ("float32",),
    "float32": ("float32",),
}


@dataclass(frozen=True)
class Form:
    """What a file shall be.

    Args:
        precision: int8 (weights and activations), int16x8 (activations of 16 bits), float16
            (weights), dynamic (int8 weights, float activations), int4 (weights of convolutions and
            dense layers, activations of 8 bits) or float32.
        io: type of inputs and outputs; by default that of the activations.
        dense: scales of a dense layer's weights: one a unit, or one for all, which TensorFlow Lite
            Micro before October 2024 wants.

    Raises:
        SettingsError: ends that this precision does not have, or `dense` where it has no effect.
    """

    precision: PrecisionName = "int8"
    io: EndType | None = None
    dense: Literal["per_channel", "per_tensor"] = "per_channel"

    def __post_init__(self) -> None:
        check_choices(self, "")
        if self.io is not None and self.io not in ENDS[self.precision]:
            raise SettingsError(
                f"io {self.io} does not go with precision {self.precision}, whose inputs and "
                f"outputs are {' or '.join(ENDS[self.precision])}"
            )
        if self.dense == "per_tensor" and self.precision not in ("int8", "int16x8"):
            raise SettingsError(
                f"dense per_tensor goes with precision int8 and int16x8, not with {self.precision}"
            )

    @property
    def ends(self) -> EndType:
        """Type of inputs and outputs."""
        return self.io or ENDS[self.precision][0]

    @property
    def integer(self) -> bool:
        """Whether every operator computes on integers."""
        return self.precision in ("int8", "int4", "int16x8")


FLOAT = Form("float32")
