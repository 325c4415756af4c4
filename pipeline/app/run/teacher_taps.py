"""Whether a training reads the teacher's outputs from the cache, and the way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hintlite.pipeline.app.run.cache_place import cache_folder
from hintlite.pipeline.app.run.console import Bar
from hintlite.pipeline.cache.folder import CacheFolder, gigabytes
from hintlite.pipeline.settings.run import RunConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.app.run.context import Context
    from hintlite.pipeline.cache.taps import CachedTap
    from hintlite.pipeline.data.batches import Lookup
    from hintlite.pipeline.methods.base import Method


def mode(config: RunConfig) -> str:
    """ "cached" or "live": part of a stage's key, since cached values are rounded to float16.

    Where the files are and how much they may take changes no outcome.
    """
    return "cached" if config.cache.enabled and config.data.augmentation.few_views else "live"


def cached_taps(context: Context, method: Method, teacher: keras.Model) -> dict[str, Lookup]:
    """The taps that a built method reads, cached; empty where the teacher is evaluated live."""
    taps = {tap for phase in method.phases().values() for tap in phase.teacher_taps}
    if not taps:
        return {}
    if mode(context.config) == "live":
        context.terminal.say(f"teacher: evaluated in every step, since {_why_live(context.config)}")
        return {}
    return dict(_open(context, teacher, taps))


def cached_tap(context: Context, teacher: keras.Model, tap: str) -> CachedTap | None:
    """One tap of the teacher, cached; None where the teacher is evaluated live."""
    if mode(context.config) == "live":
        return None
    return _open(context, teacher, {tap}).get(tap)


def _open(context: Context, teacher: keras.Model, taps: set[str]) -> dict[str, CachedTap]:
    from hintlite.pipeline.cache.taps import open_taps
    from hintlite.pipeline.data.augment import views

    folder = cache_folder(context.config, context.folder.path)
    listed = views(context.config.data.augmentation)
    assert listed is not None
    with context.terminal.task("teacher's outputs") as bar:
        found = open_taps(
            folder,
            teacher=teacher,
            data=context.data,
            taps=taps,
            views=listed,
            progress=bar.update,
        )
        _note(bar, folder, ", ".join(found.cached), found.size_bytes, bool(found.computed))
    for reason in found.left_out.values():
        context.terminal.say(f"teacher: evaluated in the steps that need it, since {reason}")
    return found.cached


def _note(bar: Bar, folder: CacheFolder, taps: str, size_bytes: int, computed: bool) -> None:
    done = "computed, kept in" if computed else "read from"
    bar.note = f"{taps or 'none'} {done} {folder.path} ({gigabytes(size_bytes)})"


def _why_live(config: RunConfig) -> str:
    if not config.cache.enabled:
        return "the cache is off"
    return "shifted, cut, moved or noisy samples have too many views to keep"
