"""The commands that work on a run folder."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from deploy.whole_files import write_whole
from pipeline.app.console import LOG, Terminal, logged
from pipeline.app.context import FROM_PYTHON, Context
from pipeline.app.folder import RunError, RunFolder
from pipeline.app.foreign import is_model, on_model
from pipeline.app.parser import SETTINGS, Command, settings_text
from pipeline.config import RunConfig

RUNS = Path("runs")


def run_stages(command: Command) -> int:
    """`hintlite run` and its single stages."""
    assert command.config is not None
    config = command.config
    path = Path(command.options["run"] or RUNS / config.data.source)
    if is_model(path):
        return on_model(command, path)
    terminal = Terminal()
    if command.options.get("check"):
        return _check(path, terminal)
    if command.name != "run" and not (path / SETTINGS).is_file():
        raise RunError(f"{path} is not a run folder: `hintlite run {path}` starts one")
    folder = RunFolder(path)
    with folder.lock(), logged(path / LOG, command.options["verbose"]):
        for note in command.notes:
            terminal.say(note)
        _run_locked(command, config, folder, terminal)
    return 0


def _run_locked(command: Command, config: RunConfig, folder: RunFolder, terminal: Terminal) -> None:
    from pipeline.app.line import require_inputs, run_all, run_one

    path = folder.path
    if (path / FROM_PYTHON).exists():
        raise RunError(
            f"{path}: its samples came from Python, not from data.source: go on with "
            "pipeline.app.api.run and the same samples"
        )
    context = Context(config, folder, terminal, logs=_tensorboard(command, path))
    with terminal.task("loading TensorFlow"):
        prepare_tensorflow(config)
    if command.name != "run":
        require_inputs(context, command.name, command.options)
    write_whole(path / SETTINGS, settings_text(config))
    if command.name == "run":
        run_all(context)
        _show(context)
    else:
        for place in run_one(context, command.name, command.options):
            terminal.say(f"{command.name}: {path / place}")


def _show(context: Context) -> None:
    from pipeline.app.ending import conclude
    from pipeline.app.table import print_table

    print_table(context, conclude(context))


def prepare_tensorflow(config: RunConfig) -> None:
    """Loads TensorFlow as the settings want it."""
    import tensorflow as tf

    tf.get_logger().setLevel("INFO")
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()


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
    from deploy.bundle import check_bundle
    from pipeline.app.stages.bundle import DEVICE

    bundle = path / DEVICE if (path / DEVICE).is_dir() else path
    problems = check_bundle(bundle)
    for problem in problems:
        terminal.say(f"{bundle}: {problem}")
    if not problems:
        terminal.say(f"{bundle}: every file is as its manifest says")
    return 1 if problems else 0
