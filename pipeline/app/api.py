"""The line from Python, for samples that are already in memory or come as a `tf.data.Dataset`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hintlite.files import write_whole
from hintlite.pipeline.app.run.console import LOG, Terminal, logged
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.samples import RunSamples
from hintlite.pipeline.app.run.session import prepare_tensorflow
from hintlite.pipeline.app.settings.text import absolute, settings_text
from hintlite.pipeline.runs.layout import SETTINGS
from hintlite.pipeline.settings.data import FROM_PYTHON
from hintlite.pipeline.settings.run import RunConfig

if TYPE_CHECKING:
    from hintlite.pipeline.data.sources.source import Source
    from hintlite.pipeline.report.subjects.table import Row


def run(
    folder: str | Path, config: RunConfig | None = None, source: Source | None = None
) -> list[Row]:
    """What `hintlite run` does, on any source; goes on where it was stopped.

        from hintlite.pipeline.app.api import run
        from hintlite.pipeline.data.sources.tf_dataset import from_tf_dataset

        rows = run("runs/mine", source=from_tf_dataset(train, test, class_names))

    Args:
        folder: the run's folder.
        config: the settings; the defaults if None. Those of `data` that say how samples are
            divided and normalised hold for any source.
        source: from `from_tf_dataset` or `from_arrays`; the one that the settings name if None.

    Returns:
        The rows of the table: every model, float32 and INT8.

    Raises:
        RunError, StageError, DataError, ...: as the command reports them, in one sentence.
    """
    from hintlite.pipeline.app.run.ending import conclude
    from hintlite.pipeline.app.run.order import run_all
    from hintlite.pipeline.report.subjects.table import Row

    config = absolute(config or RunConfig())
    if source is not None:
        config = replace(config, data=replace(config.data, source=FROM_PYTHON, path=None))
    place = RunFolder(Path(folder))
    terminal = Terminal()
    with place.lock(), logged(place.path / LOG, verbose=False):
        prepare_tensorflow(config)
        write_whole(place.path / SETTINGS, settings_text(config))
        context = Context(config, place, terminal, RunSamples(config.data, place, source))
        run_all(context)
        return [Row(**row) for row in conclude(context)["rows"]]
