"""The command line's grammar: subcommands, and settings as flags."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from hintlite.pipeline.app.cli.parser import Parser
from hintlite.pipeline.app.command import Command
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.experiments.options import study_parser, tune_parser
from hintlite.pipeline.app.fit.options import check_fit, fit_parser
from hintlite.pipeline.app.look.options import (
    cache_parser,
    compare_parser,
    doctor_parser,
    inspect_parser,
    predict_parser,
    report_parser,
)
from hintlite.pipeline.app.qat.options import check_qat, qat_parser
from hintlite.pipeline.app.run.options.stages import (
    SHORT,
    STAGES,
    SWITCHES,
    check_stage,
    refuse_model,
    stage_parser,
)
from hintlite.pipeline.app.settings.known import check_settings, check_words, unknown
from hintlite.pipeline.app.settings.text import config_of, read_settings
from hintlite.pipeline.runs.layout import SETTINGS

EXAMPLES = """examples:
  hintlite run                                    the whole line on the embedded digits
  hintlite run runs/mine --data.source folder --data.path photos/
  hintlite run runs/mine --print_config > mine.yaml   every setting, to be edited
  hintlite run runs/mine --config mine.yaml           continues where it was stopped
  hintlite report runs/mine runs/other            one page that compares them
  hintlite study study.yaml --jobs 2              methods over seeds, with error bars
  hintlite tune tune.yaml                         settings, searched on validation data
  hintlite inspect model.tflite                   operators, parameters, MACs, tensors
  hintlite fit runs/mine --board nano33ble        does it fit; if not, what would
  hintlite qat mine.keras --data photos/          fine-tune any Keras 3 model for INT8
  hintlite predict runs/mine picture.png          the deployed file's answer
  hintlite cache runs                             what the teachers' cached outputs take
  hintlite compare before.json after.json         what changed; a gate for CI
  hintlite doctor                                 what is installed and usable

exit codes: 0 done, 1 the job failed, 2 wrong use, 130 interrupted
"""


def parse(argv: list[str]) -> Command:
    """Understands a command line.

    Raises:
        WrongUseError: it cannot be understood, or its settings cannot work.
        SystemExit: --help, --version or --print_config was answered.
    """
    refuse_model(argv)
    top, parsers = _grammar(argv[0] if argv else "")
    argv, notes = _with_stored_settings(_in_full(argv))
    _check(argv, parsers)
    arguments = top.parse_args(argv)
    name = arguments.subcommand
    options = dict(vars(arguments[name]))
    if name not in STAGES:
        if name in CHECKS:
            CHECKS[name](options)
        return Command(name, options)
    config = config_of(parsers[name], arguments[name])
    own = {key: value for key, value in options.items() if key not in asdict(config)}
    check_stage(name, own)
    return Command(name, own, config, notes)


COMMANDS = {  # that are no stages, in the order of --help
    "study": study_parser,
    "tune": tune_parser,
    "report": report_parser,
    "inspect": inspect_parser,
    "fit": fit_parser,
    "qat": qat_parser,
    "predict": predict_parser,
    "cache": cache_parser,
    "compare": compare_parser,
    "doctor": doctor_parser,
}
CHECKS = {"fit": check_fit, "qat": check_qat}  # of options, before anything is loaded


def _grammar(command: str) -> tuple[Parser, dict[str, Parser]]:
    """The parsers; only the named command's has its settings, which take time to read."""
    from importlib.metadata import version

    top = Parser(
        prog="hintlite",
        description="A large Keras teacher and a data set in; a small full-INT8 TFLite student "
        "out, verified, packed for a device, with the measurements that prove it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        version=version("hintlite"),
    )
    commands = top.add_subcommands(required=True, metavar="COMMAND")
    parsers = {name: stage_parser(name, full=name == command) for name in STAGES}
    parsers |= {name: make() for name, make in COMMANDS.items()}
    for name, parser in parsers.items():
        commands.add_subcommand(name, parser, help=parser.description)
    return top, parsers


def _check(argv: list[str], parsers: Mapping[str, Parser]) -> None:
    """Refuses commands, options and settings that there are not, with the nearest right ones."""
    if not argv or argv[0].startswith("-"):
        return
    if argv[0] not in parsers:
        raise WrongUseError(unknown("command", argv[0], parsers))
    check_words(parsers[argv[0]], argv[1:])
    for word, following in itertools.pairwise((*argv, "")):
        name, sign, value = word.partition("=")
        place = Path(value if sign else following)
        if name == "--config" and place.is_file():
            check_settings(read_settings(place))


def _with_stored_settings(argv: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """For a run that exists: its settings come first, so that flags change single ones."""
    if not argv or argv[0] not in STAGES or _names_config(argv):
        return argv, ()
    for before, word in itertools.pairwise(argv):
        stored = Path(word) / SETTINGS
        value = before.startswith("--") and "=" not in before and before not in SWITCHES
        if not word.startswith("-") and not value and stored.is_file():
            note = f"settings: {stored}, changed by the flags given here"
            return [argv[0], "--config", str(stored), *argv[1:]], (note,)
    return argv, ()


def _in_full(argv: list[str]) -> list[str]:
    """With the settings' own names in place of a stage's shorter words."""
    names = SHORT.get(argv[0] if argv else "", {})
    words = (word.partition("=") for word in argv)
    return [names.get(word, word) + sign + value for word, sign, value in words]


def _names_config(argv: list[str]) -> bool:
    return any(word == "--config" or word.startswith("--config=") for word in argv)
