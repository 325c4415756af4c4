"""The options of `hintlite quantize --explain`, and their check before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hintlite.pipeline.app.cli.parser import Parser
from hintlite.pipeline.app.errors import WrongUseError

SUFFIX = ".tflite"


def add_explain(parser: Parser) -> None:
    """Adds them to the parser of `quantize`."""
    parser.add_argument(
        "int8",
        metavar="INT8",
        type=str | None,
        nargs="?",
        help="with --explain and a float .tflite file instead of a run: the INT8 file",
    )
    parser.switch(
        "--explain",
        "also tell where the INT8 files' error comes from: RUN/explain, and a section of the "
        "report",
    )
    parser.word(
        "--samples",
        "N|FILE",
        "with --explain: how many validation samples, by default at most 1000; with two "
        ".tflite files an .npz with x (float32 inputs) and, if known, y (labels)",
    )
    parser.word(
        "--out",
        "FOLDER",
        "with --explain and two .tflite files: where the explanation goes, by default beside "
        "the INT8 file",
    )


def check_explain(options: Mapping[str, Any]) -> None:
    """Refuses options that would do nothing, and a number of samples that is none.

    Raises:
        WrongUseError: there is such an option.
    """
    if not options["explain"]:
        for name in ("int8", "samples", "out"):
            if options[name] is not None:
                what = "a second file" if name == "int8" else f"--{name}"
                raise WrongUseError(f"{what} is for an explanation: it goes with --explain")
        return
    if str(options["run"]).endswith(SUFFIX):
        if options["int8"] is None or options["samples"] is None:
            raise WrongUseError(
                "a float file is compared with an INT8 file on samples: hintlite quantize "
                "FLOAT.tflite INT8.tflite --explain --samples SAMPLES.npz"
            )
    elif options["int8"] is not None:
        raise WrongUseError("give a run, or two .tflite files: first the float, then the INT8 one")
    else:
        sample_count(options["samples"])


def sample_count(text: str | None) -> int | None:
    """How many samples a run's explanation takes; None by default.

    Raises:
        WrongUseError: no whole number above 0.
    """
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise WrongUseError(f"--samples counts validation samples, 1 or more; got {text}")
    return int(text)
