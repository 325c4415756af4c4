"""What stage.json says of a stage: the key, a hash of everything that the stage depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(value: Any) -> str:
    """sha256 of plain data, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def stage_key(
    stage: str,
    version: int,
    settings: Mapping[str, Any],
    inputs: Mapping[str, Any],
    libraries: Mapping[str, str | None],
) -> str:
    """The hash of everything that a stage depends on.

    Args:
        stage: its name.
        version: of the code behind it.
        settings: those that decide its output, as plain data.
        inputs: stage that it reads -> file -> sha256.
        libraries: library -> version.
    """
    return digest(
        {
            "stage": stage,
            "version": version,
            "settings": settings,
            "inputs": inputs,
            "libraries": libraries,
        }
    )
