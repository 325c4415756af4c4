"""A device's result as one row of a table, with whatever its report knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any

KINDS: tuple[tuple[tuple[str, ...], type | UnionType], ...] = (
    (("device", "model", "precision"), str),
    (("threads", "correct", "total"), int),
    (("cold_start_us", "p50_us", "p90_us", "p99_us", "memory_bytes", "celsius"), int | float),
)
COLD = ("import", "load", "allocate", "first")


@dataclass(frozen=True)
class DeviceRow:
    """One result; None is unknown.

    Attributes:
        device: its name.
        kind: "measured" or "simulated"; a simulation has no times.
        model: file name.
        precision: int8, float32, ...
        threads: of the interpreter.
        delegate: whether XNNPACK was really applied.
        cold_start_us: import, load, allocate and first inference together, microseconds.
        p50_us: median latency, microseconds; p90_us and p99_us likewise.
        memory_bytes: peak resident memory.
        correct: bundled samples that get their label, of `total`.
        celsius: the processor's temperature at the end.
        throttled: whether the firmware lowered the clock while it was measured.
        verdict: valid, doubtful or invalid.
    """

    device: str
    kind: str
    model: str | None
    precision: str | None
    threads: int | None
    delegate: bool | None
    cold_start_us: float | None
    p50_us: float | None
    p90_us: float | None
    p99_us: float | None
    memory_bytes: int | None
    correct: int | None
    total: int | None
    celsius: float | None
    throttled: bool | None
    verdict: str

    def __post_init__(self) -> None:
        """Refuses what no table can show.

        Raises:
            TypeError: a field has another type than its own.
        """
        for names, kind in KINDS:
            for name in names:
                value = getattr(self, name)
                if value is not None and not isinstance(value, kind):
                    raise TypeError(f"{name} cannot be {value!r}")


def device_row(result: Mapping[str, Any]) -> DeviceRow:
    """The row of a result, from what BenchmarkResult.to_dict() returned."""
    raw, latency = result["raw"], result["latency_us"] or {}
    accuracy = result["accuracy"] or {}
    return DeviceRow(
        device=result["target"],
        kind=result["kind"],
        model=_at(raw, "model", "file"),
        precision=_at(raw, "model", "precision"),
        threads=_at(raw, "settings", "threads"),
        delegate=_at(raw, "runtime", "delegate_applied"),
        cold_start_us=_cold_start_us(latency),
        p50_us=latency.get("p50"),
        p90_us=latency.get("p90"),
        p99_us=latency.get("p99"),
        memory_bytes=result["memory_bytes"],
        correct=accuracy.get("correct"),
        total=accuracy.get("total"),
        celsius=_celsius(_at(raw, "machine", "after")),
        throttled=_throttled(_at(raw, "machine", "throttled_words")),
        verdict=result["verdict"]["state"],
    )


def _at(table: Any, *names: str) -> Any:
    """A value inside tables, or None where one of them is missing."""
    for name in names:
        if not isinstance(table, Mapping):
            return None
        table = table.get(name)
    return table


def _cold_start_us(latency: Mapping[str, float]) -> float | None:
    if not all(name in latency for name in COLD):
        return None
    return float(sum(latency[name] for name in COLD))


def _celsius(state: Any) -> float | None:
    """The firmware's temperature where there is one, else the hottest zone's."""
    firmware = _at(state, "vcgencmd", "celsius")
    zones = [zone["celsius"] for zone in _at(state, "temperatures") or []]
    return float(firmware) if firmware is not None else max(zones, default=None)


def _throttled(words: Any) -> bool | None:
    """Whether any of the bits 0 to 3 ("now") of get_throttled was set in between."""
    return None if not words else any(int(word, 16) & 0xF for word in words)
