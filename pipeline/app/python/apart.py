"""The process that `hintlite.run` starts: all stages of a run, on samples that it was handed.

python -m hintlite.pipeline.app.python.apart FOLDER GIVEN
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from hintlite.files import write_whole
from hintlite.pipeline.app.errors import sentence
from hintlite.pipeline.app.python.handed_over import ERROR, taken_over
from hintlite.pipeline.app.python.handed_over import SETTINGS as GIVEN_SETTINGS
from hintlite.pipeline.app.run.console import LOG, Terminal, logged
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.samples import RunSamples
from hintlite.pipeline.app.run.session import prepare_tensorflow
from hintlite.pipeline.app.settings.text import config_from, settings_text
from hintlite.pipeline.runs.layout import SETTINGS
from hintlite.pipeline.settings.data import FROM_PYTHON

if TYPE_CHECKING:
    from hintlite.pipeline.data.sources.source import Source
    from hintlite.pipeline.settings.run import RunConfig


def complete(folder: Path, config: RunConfig, source: Source | None) -> None:
    """All stages, the table and the page; goes on where it was stopped.

    Args:
        folder: the run's.
        config: the settings.
        source: samples that no setting names; None takes those of the settings.
    """
    from hintlite.pipeline.app.run.ending import conclude
    from hintlite.pipeline.app.run.order import run_all
    from hintlite.pipeline.app.run.table import print_table

    if source is not None:
        config = replace(config, data=replace(config.data, source=FROM_PYTHON, path=None))
    place = RunFolder(folder)
    terminal = Terminal()
    with place.lock(), logged(place.path / LOG, verbose=False):
        prepare_tensorflow(config)
        write_whole(place.path / SETTINGS, settings_text(config))
        context = Context(config, place, terminal, RunSamples(config.data, place, source))
        run_all(context)
        print_table(context, conclude(context))


def main(folder: Path, given: Path) -> int:
    """Completes a run; leaves error.json beside what it was given where it cannot."""
    try:
        config = config_from(yaml.safe_load((given / GIVEN_SETTINGS).read_text()))
        complete(folder, config, taken_over(given))
    except Exception as error:  # whatever it is, the caller is told in a sentence
        (given / ERROR).write_text(json.dumps(sentence(error)))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
