"""The command line's grammar: subcommands, and settings as flags."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.app.command_parser import Parser
from pipeline.app.experiment_options import study_parser, tune_parser
from pipeline.app.fit_options import check_fit, fit_parser
from pipeline.app.qat_options import check_qat, qat_parser
from pipeline.app.result_options import (
    cache_parser,
    compare_parser,
    doctor_parser,
    inspect_parser,
    predict_parser,
    report_parser,
)
from pipeline.app.stage_options import SHORT, STAGES, SWITCHES, check_stage, stage_parser
from pipeline.app.wrong_use import WrongUseError
from pipeline.config import NetworkConfig, RunConfig

SETTINGS = "settings.yaml"

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


@dataclass(frozen=True)
class Command:
    """What the user asked for.

    Attributes:
        name: the subcommand.
        options: its own options.
        config: the settings of a run, for the commands that have them.
        notes: things to tell the user before starting.
    """

    name: str
    options: dict[str, Any]
    config: RunConfig | None = None
    notes: tuple[str, ...] = ()


def parse(argv: list[str]) -> Command:
    """Understands a command line.

    Raises:
        WrongUseError: it cannot be understood, or its settings cannot work.
        SystemExit: --help, --version or --print_config was answered.
    """
    top, parsers = _grammar(argv[0] if argv else "")
    argv, notes = _with_stored_settings(_in_full(argv))
    arguments = top.parse_args(argv)
    name = arguments.subcommand
    options = dict(vars(arguments[name]))
    if name not in STAGES:
        if name in CHECKS:
            CHECKS[name](options)
        return Command(name, options)
    config = _config(parsers[name], arguments[name])
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


def config_from(settings: Mapping[str, Any]) -> RunConfig:
    """A run's settings from plain data, as from a YAML file.

    Args:
        settings: nested; what is not named has its default.

    Raises:
        WrongUseError: an unknown setting, or values that cannot work.
    """
    parser = _settings_parser()
    arguments = parser.parse_object(dict(settings))
    return _config(parser, arguments)


def check_types(settings: Mapping[str, Any]) -> None:
    """Refuses unknown settings and values of a wrong type; does not look at combinations.

    Args:
        settings: nested, some of them.

    Raises:
        WrongUseError: there is such a setting.
    """
    _settings_parser().parse_object(dict(settings))


def settings_text(config: RunConfig) -> str:
    """The settings as YAML, as `--config` reads them."""
    return str(yaml.safe_dump(_plain(asdict(config)), sort_keys=False))


@cache
def _settings_parser() -> Parser:
    """Knows a run's settings and nothing else; making it takes a while."""
    parser = Parser()
    parser.add_class_arguments(RunConfig)
    return parser


def _config(parser: Parser, arguments: Any) -> RunConfig:
    """The settings among a parser's arguments.

    Raises:
        WrongUseError: they cannot work.
    """
    for network in ("teacher", "student"):
        _forget_default_shape(arguments[network], asdict(getattr(RunConfig(), network)))
    try:
        instance = parser.instantiate(arguments)
        config = RunConfig(**{key: instance[key] for key in asdict(RunConfig())})
        _check_arms(config)
    except (ValueError, TypeError) as error:
        raise WrongUseError(str(error)) from error
    return config


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


def _forget_default_shape(given: Any, default: dict[str, Any]) -> None:
    """Lets a preset or another family replace the default network, not add to it."""
    if given.preset is None and given.family == default["family"]:
        return
    for field, plain in asdict(NetworkConfig()).items():
        if field not in ("preset", "family") and given[field] == default[field]:
            given[field] = plain


def _check_arms(config: RunConfig) -> None:
    from pipeline.methods import method_names

    for arm in config.arms:
        method_names(arm)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
