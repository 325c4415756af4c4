"""What a converted file must keep to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a file must keep to.

    Attributes:
        min_agreement: share of the samples on which model and file choose the same class.
        max_drop: points of accuracy that may be lost.
        max_float_error: of the float file, a share of the outputs' range.
        max_error: where nothing is chosen: root mean square of the error, a share of the outputs'
            standard deviation.
        max_clipped: share of the values that lie beyond the range of the file's input.
    """

    min_agreement: float = 0.95
    max_drop: float = 3.0
    max_float_error: float = 1e-3
    max_error: float = 0.1
    max_clipped: float = 0.05
