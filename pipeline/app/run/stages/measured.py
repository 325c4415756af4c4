"""What the stages that measure share: the request, a result's file, and its verdict in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.files import write_whole
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.settings.measuring import BenchmarkConfig

if TYPE_CHECKING:
    from hintlite.benchmarks.targets.base import BenchmarkRequest, BenchmarkResult


def request(context: Context) -> BenchmarkRequest:
    """What the run's settings ask of a measurement."""
    return request_of(context.config.benchmark)


def request_of(config: BenchmarkConfig) -> BenchmarkRequest:
    """What the settings `benchmark` ask, whose names are those of a request."""
    from hintlite.benchmarks.targets.base import BenchmarkRequest

    return BenchmarkRequest(**asdict(config))


def write_result(result: BenchmarkResult, path: Path) -> None:
    """Writes a result as JSON."""
    write_whole(path, json.dumps(result.to_dict(), indent=1))


def verdict_text(verdict: Mapping[str, Any]) -> str:
    """A result's verdict: "valid", or "doubtful: what (cure); what (cure)"."""
    reasons = "; ".join(f"{reason['what']} ({reason['cure']})" for reason in verdict["reasons"])
    return f"{verdict['state']}: {reasons}" if reasons else str(verdict["state"])
