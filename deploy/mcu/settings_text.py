"""Parts of model_settings.h: the input's arithmetic, floats, rows of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hintlite.deploy.mcu.raw_to_int8 import Channel, raw_channels

_NUMBERS_A_ROW = 16


def float_literal(value: float) -> str:
    """A C float that reads back as the same float32."""
    text = repr(float(np.float32(value)))
    return text + ("F" if "." in text or "e" in text or "n" in text else ".0F")


def number_rows(values: Iterable[object], indent: str = "    ") -> str:
    """Numbers, comma-separated, in rows."""
    texts = [str(value) for value in values]
    rows = [texts[i : i + _NUMBERS_A_ROW] for i in range(0, len(texts), _NUMBERS_A_ROW)]
    return "\n".join(f"{indent}{', '.join(row)}," for row in rows)


def normalization_text(
    normalization: Mapping[str, Any] | None, scale: float, zero_point: int
) -> str:
    """The function that brings a raw value to the model's input, and what is proven of it.

    Args:
        normalization: "mean", "std" and "raw_dtype"; None where the file came without.
        scale: of the model's input.
        zero_point: of the model's input.

    Returns:
        C++11 for the inside of the namespace.
    """
    if normalization is None:
        return (
            "// How raw values are normalised is unknown: the file came without a bundle.\n"
            "// Quantize real inputs with kInputScale and kInputZeroPoint.\n"
        )
    channels = raw_channels(normalization, scale, zero_point)
    if channels is None:
        return _float_function(normalization)
    offsets = [channel.offset for channel in channels]
    if None not in offsets and len(set(offsets)) == 1:
        return _offset_function(channels[0])
    if any(channel.table for channel in channels):
        return _table_function(channels)
    return _fixed_point_function(channels)


_EQUAL = (
    "// A raw value (0 to 255) as the model's input, with integers alone: equal to\n"
    "// clip(round((raw - mean) / std / scale) + zero point) for all 256 values of each channel.\n"
)


def _offset_function(channel: Channel) -> str:
    assert channel.offset is not None
    clip = "" if channel.offset == -128 else _clip_lines()
    sign = "-" if channel.offset < 0 else "+"
    return (
        f"{_EQUAL}"
        "inline int8_t QuantizeRaw(uint8_t raw, int channel) {\n"
        "  static_cast<void>(channel);\n"
        f"  {'const ' if not clip else ''}int value = static_cast<int>(raw) "
        f"{sign} {abs(channel.offset)};\n"
        f"{clip}"
        "  return static_cast<int8_t>(value);\n"
        "}\n"
    )


def _clip_lines() -> str:
    return "  value = value < -128 ? -128 : value;\n  value = value > 127 ? 127 : value;\n"


def _fixed_point_function(channels: Sequence[Channel]) -> str:
    columns = {
        "Multiplier": [channel.multiplier for channel in channels],
        "Bias": [channel.bias for channel in channels],
        "Shift": [channel.shift for channel in channels],
    }
    tables = "".join(
        f"constexpr int32_t kRaw{word}[] = {{{', '.join(map(str, column))}}};\n"
        for word, column in columns.items()
    )
    return (
        f"{tables}\n{_EQUAL}"
        "inline int8_t QuantizeRaw(uint8_t raw, int channel) {\n"
        "  int32_t value = raw * kRawMultiplier[channel] + kRawBias[channel];\n"
        "  value = value < 0 ? 0 : value >> kRawShift[channel];\n"
        "  value = value > 255 ? 255 : value;\n"
        "  return static_cast<int8_t>(value - 128);\n"
        "}\n"
    )


def _table_function(channels: Sequence[Channel]) -> str:
    rows = ",\n".join(
        "    {\n" + number_rows(channel.results().tolist(), "        ") + "\n    }"
        for channel in channels
    )
    return (
        "// No multiplier, bias and shift give these numbers for every raw value: a table does.\n"
        f"constexpr int8_t kRawTable[][256] = {{\n{rows}\n}};\n\n{_EQUAL}"
        "inline int8_t QuantizeRaw(uint8_t raw, int channel) {\n"
        "  return kRawTable[channel][raw];\n"
        "}\n"
    )


def _float_function(normalization: Mapping[str, Any]) -> str:
    columns = "".join(
        f"constexpr float kRaw{key.capitalize()}[] = "
        f"{{{', '.join(float_literal(value) for value in normalization[key])}}};\n"
        for key in ("mean", "std")
    )
    return (
        f"{columns}\n"
        "// Raw values are floating point, so that this cannot be done with integers; as\n"
        "// clip(round((raw - mean) / std / scale) + zero point), halves away from zero.\n"
        "inline int8_t QuantizeRaw(float raw, int channel) {\n"
        "  const float steps = (raw - kRawMean[channel]) / kRawStd[channel] / kInputScale;\n"
        "  if (steps > 512.0F) {\n    return 127;\n  }\n"
        "  if (steps < -512.0F) {\n    return -128;\n  }\n"
        "  int value = static_cast<int>(steps + (steps < 0.0F ? -0.5F : 0.5F)) + kInputZeroPoint;\n"
        f"{_clip_lines()}"
        "  return static_cast<int8_t>(value);\n"
        "}\n"
    )
