"""The options of `hintlite benchmark`, and their check before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hintlite.benchmarks.targets.names import ETHOS_U, TARGETS
from hintlite.errors import HintliteError
from hintlite.pipeline.app.cli.parser import Parser
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.run.devices.options import add_devices, check_options
from hintlite.pipeline.app.run.devices.target_name import target_name

PHONE = ("serial", "benchmark_model")
VELA = {
    "system_config": "clock and memories: a [System_Config.NAME] of Vela's configuration",
    "memory_mode": "what lies in which memory: a [Memory_Mode.NAME] of it",
    "vela_config": "an .ini file of your own with such sections",
}


def add_benchmark(parser: Parser) -> None:
    """Adds them to the parser of `benchmark`."""
    parser.add_argument(
        "--target",
        type=target_name,
        default=TARGETS[0],
        help="this host, an Android phone through adb, an emulated Cortex-M that runs the "
        "student as plain C, TensorFlow Lite Micro's interpreter (tflm), an Ethos-U as Vela "
        f"estimates it ({', '.join(TARGETS)}); or a device over SSH: user@host, a name with a "
        "dot, or ssh:ALIAS for an alias of ~/.ssh/config",
    )
    parser.word("--serial", None, "of the phone, as `adb devices` lists it")
    parser.word(
        "--benchmark_model",
        "PATH",
        "TFLite's program for --target android: a file here, or its place on the phone "
        "(by default /data/local/tmp/benchmark_model)",
    )
    for name, what in VELA.items():
        parser.word(f"--{name}", None, what)
    parser.word(
        "--out", None, "where a single .tflite file's result and compiled model are written"
    )
    add_devices(parser)
    parser.json("text, of a single .tflite file or a bundle; kept nowhere without --out")


def check_benchmark(options: Mapping[str, Any]) -> None:
    """Refuses options that would do nothing, and devices that cannot be.

    Raises:
        WrongUseError: there is such an option.
    """
    if wrong := _wrong_device(options):
        raise WrongUseError(wrong)
    for name in PHONE:
        if options[name] is not None and options["target"] != "android":
            raise WrongUseError(f"--{name} is for a phone: it goes with --target android")
    for name in VELA:
        if options[name] and options["target"] not in ETHOS_U:
            raise WrongUseError(f"--{name} is Vela's: it goes with --target ethos-u...")


def _wrong_device(options: Mapping[str, Any]) -> str | None:
    try:
        return check_options(options)
    except HintliteError as error:
        return str(error)
