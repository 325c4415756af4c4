"""`hintlite bundle` and `benchmark` on a `.tflite` file that no run of ours has made."""

from __future__ import annotations

from pathlib import Path

from pipeline.app.console import Terminal
from pipeline.app.folder import RunError
from pipeline.app.parser import Command

SUFFIX = ".tflite"


def is_model(path: Path) -> bool:
    """Whether a command's first word names a model file instead of a run."""
    return path.suffix == SUFFIX and not path.is_dir()


def on_model(command: Command, path: Path) -> int:
    """One command on one model file.

    Raises:
        RunError: the command needs a run, or lacks an option.
    """
    if not path.is_file():
        raise RunError(f"{path} does not exist: name a .tflite file or a run folder")
    if command.name == "bundle" and command.options.get("mcu"):
        return _bundle(command, path)
    if command.name == "benchmark" and command.options.get("target") == "tflm":
        return _benchmark(path)
    raise RunError(
        f"`hintlite {command.name}` does not take a single model ({path}) in this way: give a run, "
        "or `bundle MODEL.tflite --mcu tflm --out FOLDER`, or `benchmark MODEL.tflite --target "
        "tflm`"
    )


def _bundle(command: Command, path: Path) -> int:
    from pipeline.app.stages.mcu import write_sources

    options = command.options
    if not options.get("out"):
        raise RunError(f"{path} belongs to no run: give --out FOLDER for the sources")
    terminal = Terminal()
    folder = Path(options["out"])
    terminal.say(write_sources(options["mcu"], path, folder, options))
    terminal.say(f"bundle: {folder}")
    return 0


def _benchmark(path: Path) -> int:
    from pipeline.app.stages import tflm

    terminal = Terminal()
    for line in tflm.lines(tflm.measure(path)):
        terminal.out.print(line, markup=False)
    return 0
