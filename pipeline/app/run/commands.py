"""The commands that work on a run folder."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hintlite.files import write_whole
from hintlite.pipeline.app.command import Command
from hintlite.pipeline.app.run.console import LOG, Terminal, logged
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunError, RunFolder
from hintlite.pipeline.app.run.given_networks import check_networks, check_samples
from hintlite.pipeline.app.run.not_a_run import not_a_run, require_place, without_bundle
from hintlite.pipeline.app.run.samples import RunSamples
from hintlite.pipeline.app.run.single_file.dispatch import is_model, on_model
from hintlite.pipeline.app.settings.text import settings_text
from hintlite.pipeline.runs.layout import SETTINGS
from hintlite.pipeline.settings.data import DataConfig
from hintlite.pipeline.settings.run import RunConfig

RUNS = Path("runs")
# These look whether the user's samples have changed; the others take those that the run keeps.
REREAD = ("run", "teacher", "distill", "evaluate")


def run_stages(command: Command) -> int:
    """`hintlite run` and its single stages."""
    config = command.config
    assert config is not None
    path = Path(command.options["run"] or RUNS / _data_name(config.data))
    terminal = Terminal()
    if command.options.get("check"):
        return _check(path, terminal)
    if command.name == "run":
        require_place(path)
    if is_model(path):
        return on_model(command, path)
    if command.name != "run" and not (path / SETTINGS).is_file():
        raise RunError(f"{not_a_run(path)}: `hintlite run {path} --data DATA` starts one")
    folder = RunFolder(path)
    with folder.lock(), logged(path / LOG, command.options["verbose"]):
        for note in command.notes:
            terminal.say(note)
        _run_locked(command, config, folder, terminal)
    return 0


def _data_name(config: DataConfig) -> str:
    """What the data are called, as the name of a run's folder."""
    return Path(config.path).stem if config.path else config.source


def _run_locked(command: Command, config: RunConfig, folder: RunFolder, terminal: Terminal) -> None:
    from hintlite.pipeline.app.run.cache_place import disk
    from hintlite.pipeline.app.run.order import require_inputs, run_all, run_one

    path = folder.path
    check_networks(config, folder)
    samples = RunSamples(
        config.data, folder, rereads=command.name in REREAD, disk=disk(config, path)
    )
    context = Context(config, folder, terminal, samples, _tensorboard(command, path))
    if command.name in REREAD:
        check_samples(samples, config, terminal)
    if command.name != "run":
        require_inputs(context, command.name, command.options)
    with _noted(config, folder):
        if command.name == "run":
            run_all(context)
            _show(context)
            return
        for place in run_one(context, command.name, command.options):
            terminal.say(f"{command.name}: {path / place}")


@contextmanager
def _noted(config: RunConfig, folder: RunFolder) -> Iterator[None]:
    """Keeps the settings in the run's folder; not those of a start that fails at once."""
    place = folder.path / SETTINGS
    before = place.read_text() if place.is_file() else None
    write_whole(place, settings_text(config))
    try:
        yield
    except Exception:
        if not folder.completed and before is None:
            place.unlink()
        elif not folder.completed and before is not None:
            write_whole(place, before)
        raise


def _show(context: Context) -> None:
    from hintlite.pipeline.app.run.ending import conclude
    from hintlite.pipeline.app.run.table import print_table

    print_table(context, conclude(context))


def _tensorboard(command: Command, path: Path) -> Path | None:
    if not command.options.get("tensorboard"):
        return None
    if importlib.util.find_spec("tensorboard") is None:
        raise RunError(
            "--tensorboard needs the package tensorboard: "
            f"{sys.executable} -m pip install 'tensorboard>=2.21,<3'"
        )
    return path / "tensorboard"


def _check(path: Path, terminal: Terminal) -> int:
    from hintlite.deploy.bundle.bundle import check_bundle
    from hintlite.deploy.bundle.deployed import is_bundle
    from hintlite.pipeline.app.run.stages.bundle import DEVICE

    bundle = path / DEVICE if (path / DEVICE).is_dir() else path
    if not is_bundle(bundle):
        raise RunError(without_bundle(path))
    problems = check_bundle(bundle)
    for problem in problems:
        terminal.say(f"{bundle}: {problem}")
    if not problems:
        terminal.say(f"{bundle}: every file is as its manifest says")
    return 1 if problems else 0
