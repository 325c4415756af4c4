"""`--budget_gb` of the commands that make no run: what samples may take on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.settings.training import CacheConfig

# Name, default, what.
BUDGET = (
    "budget_gb",
    CacheConfig().budget_gb,
    "GB that .teacher_cache beside --out may hold: samples of 128 MB or more lie there",
)


def require_budget(options: Mapping[str, Any]) -> None:
    """Refuses a budget that holds nothing.

    Raises:
        WrongUseError: it is not above 0.
    """
    if not options[BUDGET[0]] > 0:
        raise WrongUseError(f"--{BUDGET[0]} must be above 0; got {options[BUDGET[0]]:g}")
