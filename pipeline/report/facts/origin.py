"""Where the figures come from: seeds, library versions, the commit."""

from __future__ import annotations

from typing import Any

from hintlite.pipeline.report.facts.choice import MANIFEST
from hintlite.pipeline.runs.reading import RunFiles


def seeds(run: RunFiles) -> dict[str, Any]:
    """The seeds of the run, and whether it was asked to be bit-equal."""
    settings = run.settings
    return {
        "seed": settings.get("seed"),
        "split_seed": (settings.get("data") or {}).get("split_seed"),
        "deterministic": settings.get("deterministic"),
    }


def libraries(run: RunFiles) -> dict[str, list[str]]:
    """Library -> its versions, over all complete stages; more than one after an upgrade."""
    found: dict[str, set[str]] = {}
    for name in run.stages:
        record = run.record(name) if run.complete(name) else None
        for library, version in (record["libraries"] if record else {}).items():
            found.setdefault(library, set()).add(version)
    return {library: sorted(found[library]) for library in sorted(found)}


def provenance(run: RunFiles) -> dict[str, Any] | None:
    """What the bundle's manifest says of its origin: hintlite's version, the commit, the data."""
    manifest = run.json("bundle", MANIFEST)
    return None if manifest is None else dict(manifest["provenance"])
