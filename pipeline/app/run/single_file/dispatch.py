"""`hintlite bundle`, `benchmark` and `quantize --explain` on files that no run of ours has made."""

from __future__ import annotations

from pathlib import Path

from hintlite.benchmarks.targets.names import ETHOS_U
from hintlite.deploy.bundle.deployed import is_bundle, model_file
from hintlite.pipeline.app.command import Command
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.folder import RunError
from hintlite.pipeline.app.run.single_file.benchmark import benchmark_file
from hintlite.pipeline.app.run.single_file.explain import explain_files
from hintlite.pipeline.app.run.stages.mcu import PLAIN_C, TFLM, write_sources

SUFFIX = ".tflite"


def is_model(path: Path) -> bool:
    """Whether a command's first word names a model file, or a bundle, instead of a run."""
    return is_bundle(path) or (path.suffix == SUFFIX and not path.is_dir())


def on_model(command: Command, path: Path) -> int:
    """One command on one model file.

    Raises:
        RunError: the command needs a run, or lacks an option.
    """
    subject, path = path, model_file(path)
    if not path.is_file():
        raise RunError(f"{path} does not exist: name a .tflite file or a run folder")
    if command.name == "bundle" and command.options.get("mcu") in (PLAIN_C, TFLM):
        return _bundle(command, path)
    if command.name == "quantize" and command.options["explain"]:
        return explain_files(command.options)
    if command.name == "benchmark":
        assert command.config is not None
        settings = {"benchmark": command.config.benchmark}
        return benchmark_file(subject, command.options | settings, Terminal())
    if command.options.get("mcu") in ETHOS_U:
        raise RunError(
            f"{path} belongs to no bundle that its compiled model could be put in: `hintlite "
            f"benchmark {path} --target {command.options['mcu']} --out FOLDER` writes the compiled "
            "model with its estimates"
        )
    raise RunError(
        f"`hintlite {command.name}` does not take a single model ({path}) in this way: give a run, "
        "or `bundle MODEL.tflite --mcu c --out FOLDER` (or `--mcu tflm`), or `benchmark "
        "MODEL.tflite --target TARGET`"
    )


def _bundle(command: Command, path: Path) -> int:
    options = command.options
    if not options.get("out"):
        raise RunError(f"{path} belongs to no run: give --out FOLDER for the sources")
    terminal = Terminal()
    folder = Path(options["out"])
    terminal.say(write_sources(options["mcu"], path, folder, options))
    terminal.say(f"bundle: {folder}")
    return 0
