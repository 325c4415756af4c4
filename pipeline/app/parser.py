"""The command line's grammar: subcommands, settings as flags, near names for typos."""

from __future__ import annotations

import argparse
import difflib
import itertools
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NoReturn

import yaml
from jsonargparse import ArgumentParser
from jsonargparse.typing import PositiveInt

from pipeline.app.compare import percent
from pipeline.app.device_options import check_options
from pipeline.app.explain_options import add_explain, check_explain
from pipeline.app.fit_options import check_fit, fit_parser
from pipeline.app.qat_options import check_qat, qat_parser
from pipeline.app.target_name import target_name
from pipeline.app.wrong_use import WrongUseError
from pipeline.config import ETHOS_U, TARGETS, NetworkConfig, RunConfig

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

STAGES = {
    "run": "everything, from the data to the table; goes on where it was stopped",
    "teacher": "train the teacher of a run",
    "distill": "train the students of a run, one an arm",
    "quantize": "convert the teacher and the students to INT8 and verify them",
    "evaluate": "measure accuracy on the test data, once for each final model",
    "bundle": "pack the chosen student for a device, or check such a bundle",
    "benchmark": "measure on this host or on devices over SSH or adb, count on an emulated "
    "Cortex-M, or estimate for an Ethos-U",
}

STAGE_EXAMPLES = {
    "run": "hintlite run runs/fashion --data.source fashion_mnist --training.epochs 16",
    "teacher": "hintlite teacher runs/mine --teacher_training.epochs 30",
    "distill": "hintlite distill runs/mine --kd.temperature 4",
    "quantize": "hintlite quantize runs/mine --data.calibration_samples 512\n"
    "  hintlite quantize runs/mine --method qat --qat.epochs 4\n"
    "  hintlite quantize runs/mine --method mixed --max-drop 0.3\n"
    "  hintlite quantize runs/mine --quantize.ranges mse --quantize.equalize true\n"
    "  hintlite quantize runs/mine --explain\n"
    "  hintlite quantize float.tflite int8.tflite --explain --samples samples.npz",
    "evaluate": "hintlite evaluate runs/mine",
    "bundle": "hintlite bundle runs/mine\n  hintlite bundle runs/mine --mcu c --name digits\n"
    "  hintlite bundle runs/mine --mcu tflm --name digits --strip\n"
    "  hintlite bundle any_int8.tflite --mcu tflm --out sources\n"
    "  hintlite bundle runs/mine --phone\n"
    "  hintlite bundle runs/mine --for-device\n"
    "  hintlite bundle runs/mine/bundle/device --check",
    "benchmark": "hintlite benchmark runs/mine --benchmark.threads 2\n"
    "  hintlite benchmark runs/mine --target pi@raspberrypi.local --install\n"
    "  hintlite benchmark runs/mine --targets devices.yaml\n"
    "  hintlite benchmark runs/mine --target cortex-m4\n"
    "  hintlite benchmark any_int8.tflite --target tflm\n"
    "  hintlite benchmark runs/mine --target android --benchmark_model ./benchmark_model\n"
    "  hintlite benchmark model.tflite --target ethos-u55-128 --memory_mode Sram_Only "
    "--system_config Ethos_U55_Deep_Embedded",
}


# Shorter words for settings that a stage is mostly about.
SHORT = {"quantize": {"--method": "--quantize.method", "--max-drop": "--quantize.max_drop"}}
KEEP = ("models", "all", "nothing")  # of a study's finished run
DEFAULT_NAME = "network"  # of the C interface
SWITCHES = (
    *("--verbose", "--check", "--tensorboard", "--phone", "--strip", "--for-device"),
    *("--install", "--keep", "--explain"),
)


DEVICE_OPTIONS = (
    ("targets", str, "a YAML file of devices, which are measured side by side"),
    ("port", int, "of the device's SSH server"),
    ("identity", str, "file of the private key for the device"),
    ("ssh_config", str, "file to read instead of ~/.ssh/config"),
    ("python", str, "the Python to use on the device, by default python3"),
    ("remote_folder", str, "where the fresh folder is made there, by default $TMPDIR or /tmp"),
    ("timeout_s", float, "seconds after which the measurement is given up, by default 600"),
    ("install", bool, "where the device has no runtime, put one into a folder of its own"),
    ("keep", bool, "leave on the device what was copied"),
)


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
    _refuse_idle(own)
    return Command(name, own, config, notes)


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
    parsers = {name: _stage_parser(name, full=name == command) for name in STAGES}
    parsers |= {
        "study": _study(),
        "tune": _tune(),
        "report": _report(),
        "inspect": _inspect(),
        "fit": fit_parser(_parser),
        "qat": qat_parser(_parser),
        "predict": _predict(),
        "cache": _cache(),
        "compare": _compare(),
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
    run = {"run": "[RUN]", "bundle": "RUN|MODEL", "benchmark": "RUN|MODEL"}.get(name, "RUN")
    short = "".join(f" [{word} VALUE]" for word in SHORT.get(name, ()))
    usage = f"{name} {run}{short} [--config FILE] [--verbose] [--SETTING VALUE ...]"
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
    if name == "quantize":
        add_explain(parser)
    if name == "bundle":
        parser.add_argument(
            "--check",
            action="store_true",
            help="verify a bundle, or that of a run, and change nothing",
        )
        parser.add_argument(
            "--mcu",
            type=Literal["c", "tflm", *ETHOS_U] | None,
            help="also write the student to RUN/mcu: as plain C without interpreter (c), as files "
            "for a TensorFlow Lite Micro project (tflm), or as a bundle with the model that Vela "
            "has compiled for an NPU (ethos-u...)",
        )
        parser.add_argument(
            "--name",
            type=str,
            default=DEFAULT_NAME,
            help="prefix of the C interface, or the C++ namespace, of --mcu",
        )
        parser.add_argument(
            "--strip",
            action="store_true",
            help="with --mcu tflm: take out of the model what the target does not read",
        )
        parser.add_argument(
            "--out",
            metavar="FOLDER",
            type=str | None,
            help="with --mcu and a .tflite file instead of a run: where the sources go",
        )
        parser.add_argument(
            "--phone",
            action="store_true",
            help="also write float16, dynamic-range and INT8 files with phone.json to RUN/phone",
        )
        parser.add_argument(
            "--for-device",
            action="store_true",
            help="also write one zip, to be copied to a device and run there by hand",
        )
    if name == "benchmark":
        parser.add_argument(
            "--target",
            type=target_name,
            default=TARGETS[0],
            help="this host, an Android phone through adb, an emulated Cortex-M that runs the "
            "student as plain C, TensorFlow Lite Micro's interpreter (tflm), an Ethos-U as Vela "
            f"estimates it ({', '.join(TARGETS)}); or a device over SSH: user@host, a name with a "
            "dot, or ssh:ALIAS for an alias of ~/.ssh/config",
        )
        parser.add_argument(
            "--serial", type=str | None, help="of the phone, as `adb devices` lists it"
        )
        parser.add_argument(
            "--benchmark_model",
            metavar="PATH",
            type=str | None,
            help="TFLite's program for --target android: a file here, or its place on the phone "
            "(by default /data/local/tmp/benchmark_model)",
        )
        _add_vela(parser)
        _add_device_options(parser)
    if full:
        parser.add_class_arguments(RunConfig)
    return parser


def _study() -> Parser:
    parser = _parser(
        "methods with their settings over several seeds, compared with error bars",
        "hintlite study configs/study_digits.yaml --jobs 2\n"
        "  hintlite study study.yaml --report\n"
        "  hintlite study study.yaml --folder /shared/study --ray head:6379",
        "study STUDY [--folder FOLDER] [--jobs N] [--ray ADDRESS] [--report] ...",
    )
    parser.add_argument("study", metavar="STUDY", type=str, help="the study's YAML file")
    parser.add_argument(
        "--folder",
        metavar="FOLDER",
        type=str | None,
        help="where it works and reports; by default runs/<name of the file>",
    )
    parser.add_argument(
        "--results",
        metavar="FOLDER",
        type=str | None,
        help="where each finished run leaves its JSON, which studies can share; by default "
        "FOLDER/runs",
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=PositiveInt | None,
        help="runs at a time, by default 1; on a cluster as many as it has cores",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        type=str | None,
        help="run on a Ray cluster that shares the folder: HOST:PORT, auto or local",
    )
    parser.add_argument(
        "--keep",
        type=Literal[KEEP],
        default=KEEP[0],
        help="what stays of a finished run: the student (.keras, INT8) and its history, the whole "
        "run folder, or the JSON alone",
    )
    parser.add_argument(
        "--report", action="store_true", help="only report, from the runs that are there"
    )
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


def _add_device_options(parser: Parser) -> None:
    for name, kind, text in DEVICE_OPTIONS:
        if kind is bool:
            parser.add_argument(f"--{name}", action="store_true", help=text)
        else:
            parser.add_argument(f"--{name}", type=kind | None, help=text)


def _tune() -> Parser:
    parser = _parser(
        "search settings for one method, on validation data alone",
        "hintlite tune configs/tune_digits.yaml --jobs 2\n"
        "  hintlite tune tune.yaml --report\n"
        "  hintlite run runs/best --config runs/tune/best.yaml",
        "tune TUNE [--folder FOLDER] [--jobs N] [--report]",
    )
    parser.add_argument("tune", metavar="TUNE", type=str, help="the tuning's YAML file")
    parser.add_argument(
        "--folder",
        metavar="FOLDER",
        type=str | None,
        help="where it works and reports; by default runs/<name of the file>",
    )
    parser.add_argument(
        "--jobs", metavar="N", type=PositiveInt, default=1, help="trials at a time, by default 1"
    )
    parser.add_argument(
        "--report", action="store_true", help="only report, from the trials that are there"
    )
    return parser


def _report() -> Parser:
    parser = _parser(
        "one page of a run, finished or not, or of several compared with the first",
        "hintlite report runs/mine\n  hintlite report runs/a runs/b --out compared\n"
        "  hintlite report runs/mine --measured phone.log --pictures docs/pictures",
        "report RUN... [--out FOLDER] [--measured FILE...] [--pictures FOLDER]",
    )
    parser.add_argument("runs", metavar="RUN", type=str, nargs="+", help="run folders")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=str | None,
        help="where to write report.html and report.json; by default the first run",
    )
    parser.add_argument(
        "--measured",
        metavar="FILE",
        type=str,
        nargs="+",
        help="results and logs from other devices, shown too: JSON of bench_tflite.py or of a "
        "target, log of benchmark_model",
    )
    parser.add_argument(
        "--pictures",
        metavar="FOLDER",
        type=str | None,
        help="also write accuracy against bytes, latency and MACs as SVG files of their own",
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


def _cache() -> Parser:
    parser = _parser(
        "what the teachers' cached outputs take on the disk",
        "hintlite cache runs\n  hintlite cache runs --clear",
        "cache [FOLDER] [--clear] [--json]",
    )
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        type=str,
        nargs="?",
        default="runs",
        help="the folder of the runs that share it, by default runs; or the cache itself",
    )
    parser.add_argument(
        "--clear", action="store_true", help="remove it; later trainings compute it again"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser


def _compare() -> Parser:
    parser = _parser(
        "what changed between two results; exit code 1 past a bound, 2 if they cannot be compared",
        "hintlite compare before.json after.json --max-slowdown 5% --max-drop 0.2\n"
        "  hintlite compare runs/a runs/b",
        "compare A B [--max-slowdown 5%%] [--max-drop 0.2] [--json]",
    )
    what = "JSON of bench_tflite.py or of a target, log of benchmark_model, or run folder"
    parser.add_argument("first", metavar="A", type=str, help=what)
    parser.add_argument("second", metavar="B", type=str, help="the same, newer")
    parser.add_argument(
        "--max-slowdown",
        metavar="PERCENT",
        type=percent,
        help="how much slower B may be, in percent of A's median latency",
    )
    parser.add_argument(
        "--max-drop",
        metavar="POINTS",
        type=percent,
        help="how much B's accuracy may lie below A's, in percentage points",
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


def _refuse_idle(options: dict[str, Any]) -> None:
    """Refuses options that would do nothing."""
    check_explain(options)
    if options.get("check") and options.get("mcu"):
        raise WrongUseError("--check changes nothing, --mcu writes sources: give one of them")
    if options.get("check") and options.get("phone"):
        raise WrongUseError("--check changes nothing, --phone writes files: give one of them")
    if options.get("check") and options.get("for_device"):
        raise WrongUseError("--check changes nothing, --for-device writes a zip: give one of them")
    if "targets" in options and (wrong := _wrong_device(options)):
        raise WrongUseError(wrong)
    for name in ("serial", "benchmark_model"):
        if options.get(name) is not None and options["target"] != "android":
            raise WrongUseError(f"--{name} is for a phone: it goes with --target android")
    if options.get("name", DEFAULT_NAME) != DEFAULT_NAME and options.get("mcu") in (None, *ETHOS_U):
        raise WrongUseError("--name is the prefix of the interface: it goes with --mcu c or tflm")
    if options.get("strip") and options.get("mcu") != "tflm":
        raise WrongUseError("--strip changes the model of a TFLM project: it goes with --mcu tflm")
    for name in ("system_config", "memory_mode", "vela_config"):
        if options.get(name) and options["target"] not in ETHOS_U:
            raise WrongUseError(f"--{name} is Vela's: it goes with --target ethos-u...")
    if options.get("out") and not str(options["run"]).endswith(".tflite"):
        raise WrongUseError("--out is for a single .tflite file: a run keeps its results in itself")


def _wrong_device(options: dict[str, Any]) -> str | None:
    from benchmarks.targets.base import BenchmarkError

    try:
        return check_options(options)
    except BenchmarkError as error:
        return str(error)


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
