"""The command line's grammar: subcommands, settings as flags, near names for typos."""

from __future__ import annotations

import argparse
import difflib
import itertools
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import yaml
from jsonargparse import ArgumentParser

from pipeline.app.fit_options import check_fit, fit_parser
from pipeline.app.wrong_use import WrongUseError
from pipeline.config import ETHOS_U, TARGETS, NetworkConfig, RunConfig

SETTINGS = "settings.yaml"

EXAMPLES = """examples:
  hintlite run                                    the whole line on the embedded digits
  hintlite run runs/mine --data.source folder --data.path photos/
  hintlite run runs/mine --print_config > mine.yaml   every setting, to be edited
  hintlite run runs/mine --config mine.yaml           continues where it was stopped
  hintlite report runs/mine runs/other            one page that compares them
  hintlite inspect model.tflite                   operators, parameters, MACs, tensors
  hintlite fit runs/mine --board nano33ble        does it fit; if not, what would
  hintlite predict runs/mine picture.png          the deployed file's answer
  hintlite doctor                                 what is installed and usable

exit codes: 0 done, 1 the job failed, 2 wrong use, 130 interrupted
"""

STAGES = {
    "run": "everything, from the data to the table; goes on where it was stopped",
    "teacher": "train the teacher of a run",
    "distill": "train the students of a run, one an arm",
    "quantize": "convert the teacher and the students to INT8 and verify them",
    "evaluate": "measure accuracy on the test data, once for each final model",
    "bundle": "pack the chosen student for a device, or check such a bundle",
    "benchmark": "measure on this host, count on an emulated Cortex-M, or estimate for an Ethos-U",
}

STAGE_EXAMPLES = {
    "run": "hintlite run runs/fashion --data.source fashion_mnist --training.epochs 16",
    "teacher": "hintlite teacher runs/mine --teacher_training.epochs 30",
    "distill": "hintlite distill runs/mine --kd.temperature 4",
    "quantize": "hintlite quantize runs/mine --data.calibration_samples 512",
    "evaluate": "hintlite evaluate runs/mine",
    "bundle": "hintlite bundle runs/mine\n  hintlite bundle runs/mine --mcu c --name digits\n"
    "  hintlite bundle runs/mine/bundle/device --check",
    "benchmark": "hintlite benchmark runs/mine --benchmark.threads 2\n"
    "  hintlite benchmark runs/mine --target cortex-m4\n"
    "  hintlite benchmark model.tflite --target ethos-u55-128 --memory_mode Sram_Only "
    "--system_config Ethos_U55_Deep_Embedded",
}


DEFAULT_NAME = "network"  # of the C interface
SWITCHES = ("--verbose", "--check", "--tensorboard")


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


class Parser(ArgumentParser):
    """Raises WrongUseError, and leaves the run folder out of printed settings."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises WrongUseError, with the nearest right names."""
        parser = getattr(ex, "subcommand_parser", None) or self
        raise WrongUseError(_improve(str(message), parser)) from ex

    def dump(self, cfg: Any, *args: Any, **kwargs: Any) -> str:
        """The settings as YAML; the other options are not settings."""
        known = set(asdict(RunConfig()))
        kept = type(cfg)(**{key: value for key, value in vars(cfg).items() if key in known})
        return str(super().dump(kept, *args, **kwargs))


def parse(argv: list[str]) -> Command:
    """Understands a command line.

    Raises:
        WrongUseError: it cannot be understood, or its settings cannot work.
        SystemExit: --help, --version or --print_config was answered.
    """
    top, parsers = _grammar(argv[0] if argv else "")
    argv, notes = _with_stored_settings(argv)
    arguments = top.parse_args(argv)
    name = arguments.subcommand
    options = dict(vars(arguments[name]))
    if name not in STAGES:
        if name == "fit":
            check_fit(options)
        return Command(name, options)
    for network in ("teacher", "student"):
        _forget_default_shape(arguments[name][network], asdict(getattr(RunConfig(), network)))
    try:
        instance = parsers[name].instantiate(arguments[name])
        fields = {key: instance[key] for key in asdict(RunConfig())}
        config = RunConfig(**fields)
        _check_arms(config)
    except (ValueError, TypeError) as error:
        raise WrongUseError(str(error)) from error
    own = {key: value for key, value in options.items() if key not in fields}
    _refuse_idle(own)
    return Command(name, own, config, notes)


def settings_text(config: RunConfig) -> str:
    """The settings as YAML, as `--config` reads them."""
    return str(yaml.safe_dump(_plain(asdict(config)), sort_keys=False))


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
    parsers = {name: _stage_parser(name, full=name == command) for name in STAGES}
    parsers |= {
        "report": _report(),
        "inspect": _inspect(),
        "fit": fit_parser(_parser),
        "predict": _predict(),
        "doctor": _doctor(),
    }
    for name, parser in parsers.items():
        commands.add_subcommand(name, parser, help=parser.description)
    return top, parsers


def _parser(description: str, examples: str, usage: str) -> Parser:
    return Parser(
        usage=f"hintlite {usage}",
        description=description,
        epilog=f"examples:\n  {examples}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _stage_parser(name: str, full: bool) -> Parser:
    run = "[RUN]" if name == "run" else "RUN"
    usage = f"{name} {run} [--config FILE] [--verbose] [--SETTING VALUE ...]"
    parser = _parser(STAGES[name], STAGE_EXAMPLES[name], usage)
    parser.add_argument(
        "run",
        metavar="RUN",
        type=str,
        nargs="?" if name == "run" else None,
        help="the run's folder" + (", by default runs/<data.source>" if name == "run" else ""),
    )
    parser.add_argument("--config", action="config", help="settings as YAML")
    parser.add_argument("--verbose", action="store_true", help="show TensorFlow's own log lines")
    if name in ("run", "teacher", "distill"):
        parser.add_argument(
            "--tensorboard",
            action="store_true",
            help="write TensorBoard logs of the trainings to RUN/tensorboard",
        )
    if name == "bundle":
        parser.add_argument(
            "--check",
            action="store_true",
            help="verify a bundle, or that of a run, and change nothing",
        )
        parser.add_argument(
            "--mcu",
            type=Literal["c", *ETHOS_U] | None,
            help="c: also write the student as plain C, without interpreter, to RUN/mcu/c/NAME; "
            "ethos-u...: also write a bundle with the model that Vela has compiled for that NPU",
        )
        parser.add_argument(
            "--name", type=str, default=DEFAULT_NAME, help="prefix of the C interface of --mcu c"
        )
    if name == "benchmark":
        parser.add_argument(
            "--target",
            type=Literal[TARGETS],
            default=TARGETS[0],
            help="this host, an emulated Cortex-M that runs the student as plain C, or an Ethos-U "
            "as Vela estimates it",
        )
        _add_vela(parser)
    if full:
        parser.add_class_arguments(RunConfig)
    return parser


def _add_vela(parser: Parser) -> None:
    """The options of the Ethos-U targets."""
    for name, what in (
        ("system_config", "clock and memories: a [System_Config.NAME] of Vela's configuration"),
        ("memory_mode", "what lies in which memory: a [Memory_Mode.NAME] of it"),
        ("vela_config", "an .ini file of your own with such sections"),
        ("out", "where a single .tflite file's result and compiled model are written"),
    ):
        parser.add_argument(f"--{name}", type=str | None, help=what)


def _report() -> Parser:
    parser = _parser(
        "one page of a run, finished or not, or of several compared with the first",
        "hintlite report runs/mine\n  hintlite report runs/a runs/b --out compared",
        "report RUN... [--out FOLDER]",
    )
    parser.add_argument("runs", metavar="RUN", type=str, nargs="+", help="run folders")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=str | None,
        help="where to write report.html and report.json; by default the first run",
    )
    return parser


def _inspect() -> Parser:
    parser = _parser(
        "what a .tflite file holds",
        "hintlite inspect model.tflite --json",
        "inspect MODEL [--json]",
    )
    parser.add_argument("model", metavar="MODEL", type=str, help="any .tflite file")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    return parser


def _predict() -> Parser:
    parser = _parser(
        "the deployed file's answer for pictures or arrays",
        "hintlite predict runs/mine cat.png dog.jpg\n"
        "  hintlite predict runs/mine/bundle/device/student_int8.tflite sample.npy",
        "predict MODEL IMAGE... [--json]",
    )
    parser.add_argument(
        "model", metavar="MODEL", type=str, help="a run, a bundle, or a .tflite file in a bundle"
    )
    parser.add_argument(
        "images", metavar="IMAGE", type=str, nargs="+", help="picture, or .npy array of raw values"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser


def _doctor() -> Parser:
    parser = _parser(
        "what is installed and usable, and how to get the rest",
        "hintlite doctor",
        "doctor [--json]",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser


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


def _names_config(argv: list[str]) -> bool:
    return any(word == "--config" or word.startswith("--config=") for word in argv)


def _forget_default_shape(given: Any, default: dict[str, Any]) -> None:
    """Lets a preset or another family replace the default network, not add to it."""
    if given.preset is None and given.family == default["family"]:
        return
    for field, plain in asdict(NetworkConfig()).items():
        if field not in ("preset", "family") and given[field] == default[field]:
            given[field] = plain


def _refuse_idle(options: dict[str, Any]) -> None:
    """Refuses options that would do nothing."""
    if options.get("check") and options.get("mcu"):
        raise WrongUseError("--check changes nothing, --mcu writes sources: give one of them")
    if options.get("name", DEFAULT_NAME) != DEFAULT_NAME and options.get("mcu") in (None, *ETHOS_U):
        raise WrongUseError("--name is the prefix of the C interface: it goes with --mcu c")
    for name in ("system_config", "memory_mode", "vela_config"):
        if options.get(name) and options["target"] not in ETHOS_U:
            raise WrongUseError(f"--{name} is Vela's: it goes with --target ethos-u...")
    if options.get("out") and not str(options["run"]).endswith(".tflite"):
        raise WrongUseError("--out is for a single .tflite file: a run keeps its results in itself")


def _check_arms(config: RunConfig) -> None:
    from pipeline.methods import method_names

    for arm in config.arms:
        method_names(arm)


def _improve(message: str, parser: ArgumentParser) -> str:
    """Adds the nearest right names to a message about a wrong one."""
    unknown = re.findall(r"(--[\w.]+)", message) if "nrecognized" in message else []
    wrong_key = re.search(r"does not accept option '([\w.]+)'", message)
    if wrong_key:
        unknown.append("--" + wrong_key.group(1))
    choice = re.search(r"invalid choice: '?([^' ]+)'? \(choose from (.*)\)", message)
    if choice:
        names = [name.strip(" '") for name in choice.group(2).split(",")]
        near = difflib.get_close_matches(choice.group(1), names, n=1)
        return message + (f"\ndid you mean: {near[0]}" if near else "")
    literal = re.search(r'Parser key "([\w.]+)".*?Literal\[(.*?)\]', message, re.DOTALL)
    given = re.search(r"(?:Given|Got) value: (\S+)\s*$", message)
    if literal and given:
        return _no_such(literal[1], given[1], re.findall(r"'([^']*)'", literal[2]))
    known = [option for action in parser._actions for option in action.option_strings]
    lines = [message.strip()]
    for word in dict.fromkeys(unknown):
        near = difflib.get_close_matches(word, known, n=2, cutoff=0.6)
        if near:
            lines.append(f"did you mean: {' or '.join(near)}")
    return "\n".join(lines)


def _no_such(key: str, given: str, names: list[str]) -> str:
    """A value that is none of a few names, with the nearest."""
    near = difflib.get_close_matches(given, names, n=1)
    hint = f"\ndid you mean: {near[0]}" if near else ""
    return f"--{key} must be one of {', '.join(names)}; got {given}{hint}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
