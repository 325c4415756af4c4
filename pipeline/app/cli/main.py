"""The command `hintlite`: from words to work, and from errors to sentences and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from hintlite.errors import WRONG_USE, HintliteError, exit_code
from hintlite.pipeline.app.cli.grammar import parse
from hintlite.pipeline.app.command import Command
from hintlite.pipeline.app.errors import sentence

DONE, INTERRUPTED = 0, 130


def main(argv: list[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0 done; 1 the work failed, or its outcome is not good enough; 2 wrong use: the words, or
        what they name, have to be changed; 130 interrupted.
    """
    # Read when TensorFlow is first imported; --verbose leaves its lines on.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        command = parse(list(sys.argv[1:] if argv is None else argv))
    except HintliteError as error:
        _complain(str(error) + "\n`hintlite --help` shows examples")
        return WRONG_USE
    except (UnicodeDecodeError, OSError) as error:
        _complain(f"the settings cannot be read: {error}")
        return WRONG_USE
    except SystemExit as answered:
        return int(answered.code or 0)
    try:
        return COMMANDS[command.name](command) or DONE
    except KeyboardInterrupt:
        _complain("interrupted; the same command goes on from here")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader left: nothing to tell it
        return DONE
    except (Exception, SystemExit) as error:  # code below that ends its process has done no job
        _complain(sentence(error))
        return exit_code(error)


def _complain(text: str) -> None:
    print(f"hintlite: {text}", file=sys.stderr)


def _run(command: Command) -> int:
    from hintlite.pipeline.app.run.commands import run_stages

    return run_stages(command)


def _study(command: Command) -> int:
    from hintlite.pipeline.app.experiments.study import study

    return study(command.options)


def _tune(command: Command) -> int:
    from hintlite.pipeline.app.experiments.tune import tune

    return tune(command.options)


def _report(command: Command) -> int:
    from hintlite.pipeline.app.look.show import report

    options = command.options
    out, pictures = (Path(options[name]) if options[name] else None for name in ("out", "pictures"))
    runs, measured = ([Path(each) for each in options[name] or ()] for name in ("runs", "measured"))
    return report(runs, out, measured, pictures)


def _inspect(command: Command) -> int:
    from hintlite.pipeline.app.look.show import inspect_model

    return inspect_model(Path(command.options["model"]), command.options["json"])


def _fit(command: Command) -> int:
    from hintlite.pipeline.app.fit.fit import fit

    return fit(command.options)


def _convert(command: Command) -> int:
    from hintlite.pipeline.app.convert.command import convert

    return convert(command.options)


def _qat(command: Command) -> int:
    from hintlite.pipeline.app.qat.command import qat

    return qat(command.options)


def _predict(command: Command) -> int:
    from hintlite.pipeline.app.look.predict import predict

    images = [Path(image) for image in command.options["images"]]
    options = command.options
    save = None if options["save"] is None else Path(options["save"])
    return predict(Path(options["model"]), images, options["json"], save)


def _cache(command: Command) -> int:
    from hintlite.pipeline.app.look.cache import cache

    options = command.options
    return cache(Path(options["folder"]), options["clear"], options["json"])


def _compare(command: Command) -> int:
    from hintlite.pipeline.app.look.compare import compare_results

    first, second = Path(command.options["first"]), Path(command.options["second"])
    bounds = command.options["max_slowdown"], command.options["max_drop"]
    return compare_results(first, second, *bounds, command.options["json"])


def _doctor(command: Command) -> int:
    from hintlite.pipeline.app.look.doctor import doctor

    return doctor(command.options["json"])


COMMANDS: dict[str, Callable[[Command], int]] = {
    **dict.fromkeys(
        ("run", "teacher", "distill", "quantize", "evaluate", "bundle", "benchmark"), _run
    ),
    "study": _study,
    "tune": _tune,
    "report": _report,
    "inspect": _inspect,
    "fit": _fit,
    "convert": _convert,
    "qat": _qat,
    "predict": _predict,
    "cache": _cache,
    "compare": _compare,
    "doctor": _doctor,
}
