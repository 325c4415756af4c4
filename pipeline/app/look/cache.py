"""`hintlite cache`: what teacher's outputs and samples take on the disk, and how to get it back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from hintlite.pipeline.app.run.cache_place import FOLDER
from hintlite.pipeline.app.run.folder import RunError
from hintlite.pipeline.cache.folder import CacheFolder, Held, gigabytes


def cache(named: Path, clear: bool, as_json: bool) -> int:
    """Lists a cache's files, or removes them.

    Args:
        named: the cache's folder, or the folder that it is in.
        clear: remove all files but those that are being written.
        as_json: one JSON object instead of a table.

    Raises:
        RunError: there is no such folder.
    """
    folder = CacheFolder(_place(named))
    if clear:
        freed = folder.clear()
        print(json.dumps({"freed_bytes": freed}) if as_json else f"{gigabytes(freed)} freed")
        return 0
    held = folder.held()
    if as_json:
        facts = {"folder": str(folder.path), "files": [asdict(file) for file in held]}
        print(json.dumps(facts, indent=1))
    else:
        _print(folder.path, held)
    return 0


def _place(named: Path) -> Path:
    """The cache that is meant: the folder itself, or the one inside it or beside a run."""
    for place in (named / FOLDER, named.absolute().parent / FOLDER):
        if place.is_dir() and named.name != FOLDER:
            return place
    if not named.is_dir():
        raise RunError(
            f"{named}: there is no such folder; the runs in a folder F share the cache F/{FOLDER}"
        )
    return named


def _print(place: Path, held: list[Held]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    total = gigabytes(sum(file.size_bytes for file in held))
    console.print(f"{place}: {len(held)} files, {total}", markup=False)
    if not held:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("size", justify="right")
    table.add_column("last used", justify="right")
    for file in held:
        table.add_row(file.name, gigabytes(file.size_bytes), _ago(file.unused_s))
    console.print(table)


def _ago(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"
