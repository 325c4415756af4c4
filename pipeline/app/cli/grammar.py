"""The command line's grammar: subcommands, and settings as flags."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from hintlite.pipeline.app.cli.parser import EXIT_CODES, HelpFormatter, Parser
from hintlite.pipeline.app.cli.words import in_full
from hintlite.pipeline.app.command import Command
from hintlite.pipeline.app.convert.options import check_convert, convert_parser
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
from hintlite.pipeline.app.run.not_a_run import not_a_run
from hintlite.pipeline.app.run.options.stages import (
    SHORT,
    STAGES,
    check_stage,
    refuse_model,
    stage_parser,
)
from hintlite.pipeline.app.settings.known import (
    check_settings,
    check_words,
    in_plain_words,
    setting_types,
    unknown,
)
from hintlite.pipeline.app.settings.named_data import SETS, named_data
from hintlite.pipeline.app.settings.text import config_of, read_settings
from hintlite.pipeline.runs.layout import SETTINGS
from hintlite.pipeline.settings.run import RunConfig

HELP_ALL = "--help=all"
EXAMPLES = f"""examples:
  hintlite run --data digits                      all stages on the embedded digits
  hintlite run runs/mine --data photos/           on pictures in class-named folders
  hintlite run runs/mine --print_config > mine.yaml   every setting, to be edited
  hintlite run runs/mine --config mine.yaml           continues where it was stopped
  hintlite report runs/mine runs/other            one page that compares them
  hintlite study study.yaml --jobs 2              methods over seeds, with error bars
  hintlite tune tune.yaml                         settings, searched on validation data
  hintlite inspect model.tflite                   operators, parameters, MACs, tensors
  hintlite fit runs/mine --board nano33ble        does it fit; if not, what would
  hintlite convert mine.keras --data photos/      your trained model to INT8, checked
  hintlite qat mine.keras --data photos/          fine-tune any Keras 3 model for INT8
  hintlite predict runs/mine picture.png          the deployed file's answer
  hintlite cache runs                             what the teachers' cached outputs take
  hintlite compare before.json after.json         what changed; a gate for CI
  hintlite doctor                                 what is installed and usable

{EXIT_CODES}
"""


def parse(argv: list[str]) -> Command:
    """Understands a command line.

    Raises:
        WrongUseError: it cannot be understood, or its settings cannot work.
        SystemExit: --help, --version or --print_config was answered.
    """
    refuse_model(argv)
    top, parsers = _grammar(argv[0] if argv else "")
    notes: tuple[str, ...] = ()
    if argv and argv[0] in parsers:
        name, parser = argv[0], parsers[argv[0]]
        words = in_full(_help_in_full(argv[1:], parser), parser.flags, SHORT.get(name, {}))
        if name in STAGES:
            words, notes = _with_stored_settings(words, parser)
        argv = [name, *words]
    _check(argv, parsers)
    with in_plain_words():
        arguments = _parsed(top, argv, parsers)
    name = arguments.subcommand
    if name in STAGES:
        return _stage(name, parsers[name], arguments[name], notes)
    options = dict(vars(arguments[name]))
    if name in CHECKS:
        CHECKS[name](options)
    return Command(name, options)


def _stage(name: str, parser: Parser, arguments: Any, notes: tuple[str, ...]) -> Command:
    known = asdict(RunConfig())
    own = {key: value for key, value in vars(arguments).items() if key not in known}
    named = arguments.data.source is not None or arguments.data.path is not None
    if arguments.data.source is None:
        path = arguments.data.path
        arguments.data.source = "digits" if path is None else named_data(path)[0]
    config = config_of(parser, arguments)
    check_stage(name, own)
    if not named and (name == "run" or own["config"]):
        raise WrongUseError(_no_data(own["run"]))
    return Command(name, own, config, notes)


def _no_data(run: str | None) -> str:
    told = (
        "no data are named: give --data FOLDER (of class-named folders of images), --data "
        f"FILE.npz, or a data set: {', '.join(SETS)}\n"
        f"`hintlite run {run or ''}{' ' if run else ''}--data digits` trains on the embedded digits"
    )
    return told if run is None else f"{not_a_run(Path(run))}, and {told}"


COMMANDS = {  # that are no stages, in the order of --help
    "study": study_parser,
    "tune": tune_parser,
    "report": report_parser,
    "inspect": inspect_parser,
    "fit": fit_parser,
    "convert": convert_parser,
    "qat": qat_parser,
    "predict": predict_parser,
    "cache": cache_parser,
    "compare": compare_parser,
    "doctor": doctor_parser,
}
CHECKS = {
    "fit": check_fit,
    "convert": check_convert,
    "qat": check_qat,
}  # of options, before anything is loaded


@cache
def _grammar(command: str) -> tuple[Parser, dict[str, Parser]]:
    """The parsers; only the named command's has its settings, which take time to read."""
    from importlib.metadata import version

    top = Parser(
        prog="hintlite",
        description="A large Keras teacher and a data set in; a small full-INT8 TFLite student "
        "out, verified, packed for a device, with the measurements that prove it.",
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
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


def _parsed(top: Parser, argv: list[str], parsers: Mapping[str, Parser]) -> Any:
    """The arguments; words that lack are called as the usage calls them."""
    try:
        return top.parse_args(argv)
    except WrongUseError as error:
        told, required, lacking = str(error).partition("arguments are required: ")
        if not required or argv[0] not in parsers:
            raise
        names = {
            each.dest: " ".join([*each.option_strings[:1], str(each.metavar or each.dest)])
            for each in parsers[argv[0]]._actions
        }
        words = (names.get(word.rpartition(".")[2], word) for word in lacking.split(", "))
        raise WrongUseError(f"{told}{required}{', '.join(words)}") from error


def _help_in_full(words: list[str], parser: Parser) -> list[str]:
    """Lets the parser show all options for --help=all."""
    parser.shows_all = HELP_ALL in words
    return ["--help" if word == HELP_ALL else word for word in words]


def _with_stored_settings(words: list[str], parser: Parser) -> tuple[list[str], tuple[str, ...]]:
    """For a run that exists: its settings come first, so that flags change single ones."""
    if any(word == "--config" or word.startswith("--config=") for word in words):
        return words, ()
    flags = parser.flags
    for before, word in itertools.pairwise(["", *words]):
        stored = Path(word) / SETTINGS
        is_value = before.startswith("--") and "=" not in before and flags.get(before, True)
        if not word.startswith("-") and not is_value and stored.is_file():
            changes = ", changed by the flags given here" if any(map(_is_setting, words)) else ""
            notes = [f"settings: {stored}{changes}"]
            back = _of_a_folder(read_settings(stored), words)
            if back:
                notes.append(f"{', '.join(back)}: of the pictures of a folder, taken back")
            resets = itertools.chain(*((f"--{name}", value) for name, value in back.items()))
            return ["--config", str(stored), *resets, *words], tuple(notes)
    return words, ()


# What only pictures of a folder have, a given teacher's sizes among them, and the plain values.
_FOLDER_ONLY = {
    "data.image_height": "null",
    "data.image_width": "null",
    "data.color": "auto",
    "data.skip_broken": "false",
}


def _of_a_folder(stored: Mapping[str, Any], words: list[str]) -> dict[str, str]:
    """What a run on a folder was told of its pictures, for data of another kind -> plain value."""
    data = stored.get("data") or {}
    given = dict(itertools.pairwise((*words, "")))
    if data.get("source") != "folder" or given.get("--data.source", "folder") == "folder":
        return {}
    return {
        name: plain
        for name, plain in _FOLDER_ONLY.items()
        if data.get(name.partition(".")[2], None) not in (None, "auto", False)
    }


def _is_setting(word: str) -> bool:
    """Whether a word is a flag of a run's settings, and not another option or a value."""
    first = word.removeprefix("--").partition("=")[0].partition(".")[0]
    return word.startswith("--") and first in setting_types()
