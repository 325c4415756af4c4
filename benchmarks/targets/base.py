"""What a target is asked and what it answers: the contract, the result and the error.

Three words are kept apart: *measured* on the target itself, *simulated* on a model of it that runs
the code, *estimated* without running it. An empty field (None) is unknown: nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from hintlite.errors import HintliteError

KINDS = ("measured", "simulated", "estimated")
STATES = ("valid", "doubtful", "invalid")
KERNELS = ("xnnpack", "builtin", "reference")
LATENCIES = (
    *("import", "load", "allocate", "first"),  # a cold start
    *("mean", "min", "p50", "p90", "p99", "max", "std"),  # steady
)


class BenchmarkError(HintliteError):
    """A benchmark failed; the text says what was expected, what came and what to do."""


def _require(condition: object, text: str) -> None:
    if not condition:
        raise BenchmarkError(text)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


@dataclass(frozen=True)
class BenchmarkRequest:
    """How to measure; as the options of bench_tflite.py.

    Args:
        model: a file name in the bundle; None is its int8 model.
        threads: of the interpreter.
        kernels: "xnnpack", "builtin" (no delegate) or "reference".
        warmup_s: seconds of untimed inferences.
        window_s: the least seconds of a window.
        windows: how many.
        min_runs: the fewest inferences in a window.
        sweep: afterwards other threads, kernels and input too, each in a fresh process.
        timeout_s: seconds after which the whole benchmark is given up.
    """

    model: str | None = None
    threads: int = 1
    kernels: str = "xnnpack"
    warmup_s: float = 0.5
    window_s: float = 2.0
    windows: int = 5
    min_runs: int = 50
    sweep: bool = False
    timeout_s: float = 600.0

    def __post_init__(self) -> None:
        """Refuses what cannot be measured."""
        _require(self.kernels in KERNELS, f"kernels must be one of {KERNELS}, got {self.kernels!r}")
        for name in ("threads", "windows", "min_runs"):
            value = getattr(self, name)
            _require(isinstance(value, int) and value >= 1, f"{name} must be 1 or more: {value!r}")
        for name in ("warmup_s", "window_s", "timeout_s"):
            value = getattr(self, name)
            _require(_is_number(value), f"{name} must be a number of seconds, got {value!r}")
        _require(self.timeout_s > 0, "timeout_s must be above 0: nothing is done in no time")


@dataclass(frozen=True)
class BenchmarkResult:
    """What a target answered.

    Args:
        kind: "measured", "simulated" or "estimated".
        target: the target's name.
        model_sha256: of the file that was run, in hex.
        verdict: {"state": "valid" | "doubtful" | "invalid", "reasons": [...]}; a reason is
            {"state", "code", "what", "why", "cure"}, and all but a valid verdict have one.
        latency_us: microseconds by name (LATENCIES); names that are unknown are left out. None for
            a simulation, whose time is the simulator's own.
        memory_bytes: peak memory.
        accuracy: {"correct": n, "total": n} on the bundled samples.
        raw: all that the target said, in its own form.
    """

    kind: str
    target: str
    model_sha256: str
    verdict: Mapping[str, Any]
    latency_us: Mapping[str, float] | None = None
    memory_bytes: int | None = None
    accuracy: Mapping[str, int] | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses a result that says what it cannot know."""
        _require(self.kind in KINDS, f"kind must be one of {KINDS}, got {self.kind!r}")
        sha = self.model_sha256
        sound = isinstance(sha, str) and len(sha) == 64 and set(sha) <= set("0123456789abcdef")
        _require(sound, f"model_sha256 must be 64 hex digits, got {sha!r}")
        named = isinstance(self.verdict, Mapping) and set(self.verdict) == {"state", "reasons"}
        sound = named and self.verdict["state"] in STATES
        sound = sound and (self.verdict["state"] == "valid") == (not self.verdict["reasons"])
        _require(sound, f"verdict needs a state of {STATES} and its reasons, got {self.verdict!r}")
        self._check_numbers()

    def _check_numbers(self) -> None:
        if self.latency_us is not None:
            _require(
                self.kind != "simulated", "a simulator's time is not the target's: keep it raw"
            )
            for name, value in self.latency_us.items():
                known = name in LATENCIES and _is_number(value)
                _require(
                    known, f"latency_us has {name}={value!r}, expected numbers for {LATENCIES}"
                )
        memory = self.memory_bytes
        _require(memory is None or memory > 0, f"memory_bytes must be positive, got {memory!r}")
        if self.accuracy is not None:
            correct, total = self.accuracy.get("correct", -1), self.accuracy.get("total", -1)
            _require(0 <= correct <= total > 0, f"accuracy cannot be {dict(self.accuracy)}")

    def to_dict(self) -> dict[str, Any]:
        """The result in types that JSON knows."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> BenchmarkResult:
        """Reads what to_dict returned.

        Raises:
            BenchmarkError: a field is missing, foreign or impossible.
        """
        names = {entry.name for entry in fields(cls)}
        odd = sorted(names.symmetric_difference(stored))
        _require(not odd, f"no result of this version: missing or foreign fields {odd}")
        try:
            return cls(**stored)
        except (TypeError, AttributeError) as error:
            raise BenchmarkError(f"a field has a wrong type: {error}") from error


def require_model(bundle: Path) -> None:
    """Refuses what is neither a bundle's folder nor a file.

    Raises:
        BenchmarkError: it is something else, or is not there.
    """
    _require(
        bundle.is_file() or (bundle / "manifest.json").is_file(),
        f"expected a bundle's folder (with manifest.json) or a .tflite file, got {bundle}: name "
        "the folder that `hintlite bundle` wrote",
    )


class Target(Protocol):
    """A machine, real or not, that runs a bundle's model."""

    name: str

    def prepare(self, bundle: Path) -> Path:
        """Makes sure that the target can run a bundle's folder or a single .tflite file.

        Returns:
            What `run` takes.

        Raises:
            BenchmarkError: it cannot; the text says what is missing and how to get it.
        """

    def run(self, bundle: Path, request: BenchmarkRequest) -> BenchmarkResult:
        """Measures one model.

        Raises:
            BenchmarkError: it failed, or what came back is not an answer to this request.
        """
