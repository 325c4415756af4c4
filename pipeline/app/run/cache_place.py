"""Where a run's teacher has its cached outputs, and samples that are too many for memory lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hintlite.pipeline.cache.folder import CacheFolder
from hintlite.pipeline.settings.run import RunConfig

if TYPE_CHECKING:
    from hintlite.pipeline.data.disk import Disk

FOLDER = ".teacher_cache"  # beside the run's folder, so that its neighbours share it


def cache_folder(config: RunConfig, run: Path) -> CacheFolder:
    """Where the outputs of a run's teacher are kept."""
    place = Path(config.cache.folder) if config.cache.folder else run.absolute().parent / FOLDER
    return CacheFolder(place, config.cache.budget_gb)


def disk(config: RunConfig, run: Path) -> Disk:
    """Where a run's samples are kept that are too many for memory: beside its teacher's outputs."""
    from hintlite.pipeline.data.disk import Disk

    return Disk(cache_folder(config, run))


def disk_beside(place: Path, budget_gb: float) -> Disk:
    """The same for a command that makes no run.

    Args:
        place: the folder that the command writes.
        budget_gb: what --budget_gb says.
    """
    from hintlite.pipeline.data.disk import Disk

    return Disk(CacheFolder(place.absolute().parent / FOLDER, budget_gb, ("--budget_gb", "--out")))
