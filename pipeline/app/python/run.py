"""`hintlite.run`: all stages of a run, in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any

from hintlite.child import Child, DiedError, FailedError
from hintlite.errors import HintliteError
from hintlite.files import write_whole
from hintlite.pipeline.app.python.arguments import as_folder, expect, in_python
from hintlite.pipeline.app.python.handed_over import SETTINGS, hand_over, taken_over
from hintlite.pipeline.app.python.load_run import Run, load_run
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.given_networks import check_networks, check_samples
from hintlite.pipeline.app.run.not_a_run import require_place
from hintlite.pipeline.app.settings.text import config_from, settings_text
from hintlite.pipeline.data.sources.source import Source
from hintlite.pipeline.runs import layout
from hintlite.pipeline.settings.data import FROM_PYTHON
from hintlite.pipeline.settings.run import RunConfig


class RunFailedError(HintliteError):
    """A run whose process failed or died, which is no fault of its settings or samples."""


def run(
    folder: str | Path,
    config: RunConfig | Mapping[str, Any] | None = None,
    source: Source | None = None,
    *,
    verbose: bool = False,
) -> Run:
    """What `hintlite run` does, on any samples; goes on where it was stopped.

    The stages set seeds and precision and redirect logs, so they run in a process of their own:
    yours stays as it is.

        from hintlite.pipeline.data.sources.tf_dataset import from_tf_dataset

        found = hintlite.run("runs/mine", source=from_tf_dataset(train, test, class_names))
        found.table

    Args:
        folder: the run's folder.
        config: the settings, as RunConfig or nested as in its YAML; the defaults if None. Those of
            `data` that say how samples are divided and normalised hold for any source.
        source: from `from_tf_dataset` or `from_arrays`; the one that the settings name if None.
        verbose: print what the command would.

    Returns:
        The finished run, as `hintlite.load_run` gives it.

    Raises:
        HintliteError: as the command reports it, in one sentence; `log.txt` in the folder has the
            details.
    """
    place = as_folder(folder)
    require_place(place)
    expect("config", config, (RunConfig, Mapping, NoneType), "settings, {...: ...}, or a RunConfig")
    expect("source", source, (Source, NoneType), "what from_arrays or from_tf_dataset returns")
    if not isinstance(config, RunConfig):
        config = config_from(config or {})
    check_networks(config, RunFolder(place))
    with tempfile.TemporaryDirectory(prefix="hintlite-") as name:
        given = Path(name)
        write_whole(given / SETTINGS, settings_text(config))
        held = [] if source is None else hand_over(source.open(config.data), given)
        _complete(place.absolute(), given, verbose)
        del held
    return load_run(folder)


def _complete(folder: Path, given: Path, verbose: bool) -> None:
    """Runs the stages in a process that ends with ours; what is done stays done."""
    log = partial(print, flush=True) if verbose else None
    with Child(f"{__name__}:complete", name="the run", log=log) as child:
        try:
            child.ask({"folder": str(folder), "given": str(given)})
        except (FailedError, DiedError) as error:
            raise RunFailedError(
                f"{folder}: {in_python(str(error))}; its log.txt has the details"
            ) from error


def complete(request: Mapping[str, str], tell: Callable[[Any], None]) -> None:
    """What that process does: all stages, the table and the page (see hintlite.child).

    Args:
        request: "folder", the run's, and "given", where settings and samples are handed over.
        tell: nothing is told; progress is written to standard error.
    """
    import yaml

    from hintlite.pipeline.app.run.cache_place import disk
    from hintlite.pipeline.app.run.console import LOG, Terminal, logged
    from hintlite.pipeline.app.run.context import Context
    from hintlite.pipeline.app.run.ending import conclude
    from hintlite.pipeline.app.run.order import run_all
    from hintlite.pipeline.app.run.samples import RunSamples
    from hintlite.pipeline.app.run.table import print_table

    del tell
    given = Path(request["given"])
    config = config_from(yaml.safe_load((given / SETTINGS).read_text()))
    source = taken_over(given)
    if source is not None:
        config = replace(config, data=replace(config.data, source=FROM_PYTHON, path=None))
    place, terminal = RunFolder(Path(request["folder"])), Terminal()
    with place.lock(), logged(place.path / LOG, verbose=False):
        write_whole(place.path / layout.SETTINGS, settings_text(config))
        samples = RunSamples(config.data, place, source, disk=disk(config, place.path))
        context = Context(config, place, terminal, samples)
        check_samples(samples, config, terminal)
        run_all(context)
        print_table(context, conclude(context))
