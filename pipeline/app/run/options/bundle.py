"""The options of `hintlite bundle`, and their check before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from hintlite.benchmarks.targets.names import ETHOS_U
from hintlite.pipeline.app.cli.parser import Parser
from hintlite.pipeline.app.errors import WrongUseError

DEFAULT_NAME = "network"  # of the C interface
WRITING = {"mcu": "sources", "phone": "files", "for_device": "a zip"}  # what --check would not


def add_bundle(parser: Parser) -> None:
    """Adds them to the parser of `bundle`."""
    parser.switch("--check", "verify a bundle, or that of a run, and change nothing")
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
    parser.switch("--strip", "with --mcu tflm: take out of the model what the target does not read")
    parser.word(
        "--out", "FOLDER", "with --mcu and a .tflite file instead of a run: where the sources go"
    )
    parser.switch(
        "--phone", "also write float16, dynamic-range and INT8 files with phone.json to RUN/phone"
    )
    parser.switch(
        "--for_device", "also write one zip, to be copied to a device and run there by hand"
    )


def check_bundle(options: Mapping[str, Any]) -> None:
    """Refuses options that would do nothing.

    Raises:
        WrongUseError: there is such an option.
    """
    for name, what in WRITING.items():
        if options["check"] and options[name]:
            raise WrongUseError(
                f"--check changes nothing, --{name} writes {what}: give one of them"
            )
    if options["name"] != DEFAULT_NAME and options["mcu"] in (None, *ETHOS_U):
        raise WrongUseError("--name is the prefix of the interface: it goes with --mcu c or tflm")
    if options["strip"] and options["mcu"] != "tflm":
        raise WrongUseError("--strip changes the model of a TFLM project: it goes with --mcu tflm")
