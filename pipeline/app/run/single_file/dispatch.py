"""`hintlite bundle`, `benchmark` and `quantize --explain` on files that no run of ours has made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hintlite.benchmarks.targets.names import ETHOS_U
from hintlite.deploy.bundle.deployed import bundle_in, is_bundle, model_file
from hintlite.files import write_whole
from hintlite.pipeline.app.command import Command
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.folder import RunError
from hintlite.pipeline.app.run.single_file.benchmark import benchmark_file
from hintlite.pipeline.app.run.single_file.explain import explain_files
from hintlite.pipeline.app.run.stages.mcu import PLAIN_C, TFLM, write_sources
from hintlite.pipeline.runs.layout import TARGETS

SUFFIX = ".tflite"
# Of `convert` and `qat`: which files an explanation compares, and where it goes.
PAIR, EXPLAIN = "explain_pair.json", "explain"


def is_model(path: Path) -> bool:
    """Whether a command's first word names a model file, or a bundle, instead of a run."""
    return is_bundle(bundle_in(path)) or (path.suffix == SUFFIX and not path.is_dir())


def on_model(command: Command, path: Path) -> int:
    """One command on one model file.

    Raises:
        RunError: the command needs a run, or lacks an option.
    """
    folder, subject, path = path, bundle_in(path), model_file(path)
    if not path.is_file():
        raise RunError(f"{path} does not exist: name a .tflite file or a run folder")
    if command.name == "bundle" and command.options.get("mcu") in (PLAIN_C, TFLM):
        return _bundle(command, path)
    if command.name == "bundle" and command.options.get("for_device") and is_bundle(subject):
        return _zip(command, folder, subject)
    if command.name == "quantize" and command.options["explain"]:
        return explain_files(command.options | _converted_pair(folder, command.options))
    if command.name == "benchmark":
        assert command.config is not None
        settings = {"benchmark": command.config.benchmark}
        options = command.options | settings
        if subject != folder and not options["out"] and not options["json"]:
            options["out"] = str(folder / TARGETS)
        return benchmark_file(subject, options, Terminal())
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


def _converted_pair(folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """What `quantize FOLDER --explain` compares in the folder of a conversion."""
    if options["int8"] is not None or not (folder / PAIR).is_file():
        return {}
    pair = json.loads((folder / PAIR).read_text())
    places = {name: str(folder / file) for name, file in pair.items()}
    return places | {"out": options["out"] or str(folder / EXPLAIN)}


def _zip(command: Command, folder: Path, bundle: Path) -> int:
    """A bundle as one zip, beside it or in --out."""
    from hintlite.pipeline.app.run.stages.by_hand import zip_of

    terminal, name = Terminal(), f"hintlite-{folder.resolve().name}"
    if is_bundle(folder) and not command.options.get("out"):
        raise RunError(f"{folder} holds nothing but what its manifest names: give --out FOLDER")
    place = Path(command.options.get("out") or folder) / f"{name}.zip"
    write_whole(place, zip_of(name, bundle))
    terminal.say(f"bundle: {place}")
    return 0


def _bundle(command: Command, path: Path) -> int:
    options = command.options
    if not options.get("out"):
        raise RunError(f"{path} belongs to no run: give --out FOLDER for the sources")
    terminal = Terminal()
    folder = Path(options["out"])
    terminal.say(write_sources(options["mcu"], path, folder, options))
    terminal.say(f"bundle: {folder}")
    return 0
