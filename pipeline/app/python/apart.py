"""What `hintlite.run` does in a process of its own: all stages of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from hintlite.files import write_whole
from hintlite.pipeline.app.python.handed_over import SETTINGS as GIVEN_SETTINGS
from hintlite.pipeline.app.python.handed_over import taken_over
from hintlite.pipeline.app.run.console import LOG, Terminal, logged
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.samples import RunSamples
from hintlite.pipeline.app.run.session import prepare_tensorflow
from hintlite.pipeline.app.settings.text import config_from, settings_text
from hintlite.pipeline.runs.layout import SETTINGS
from hintlite.pipeline.settings.data import FROM_PYTHON


def complete(request: Mapping[str, str], tell: Callable[[Any], None]) -> None:
    """All stages, the table and the page; goes on where the run was stopped (see hintlite.child).

    Args:
        request: "folder", the run's, and "given", where settings and samples are handed over.
        tell: nothing is told; progress is written to standard error.
    """
    from hintlite.pipeline.app.run.ending import conclude
    from hintlite.pipeline.app.run.order import run_all
    from hintlite.pipeline.app.run.table import print_table

    del tell
    given = Path(request["given"])
    config = config_from(yaml.safe_load((given / GIVEN_SETTINGS).read_text()))
    source = taken_over(given)
    if source is not None:
        config = replace(config, data=replace(config.data, source=FROM_PYTHON, path=None))
    place = RunFolder(Path(request["folder"]))
    terminal = Terminal()
    with place.lock(), logged(place.path / LOG, verbose=False):
        prepare_tensorflow(config)
        write_whole(place.path / SETTINGS, settings_text(config))
        context = Context(config, place, terminal, RunSamples(config.data, place, source))
        run_all(context)
        print_table(context, conclude(context))
