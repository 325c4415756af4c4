"""The options of `hintlite fit`, and their check before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hintlite.pipeline.app.cli.parser import Parser, make_parser
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.run.not_a_run import not_a_run

OPTIONS = {
    "flash": ("SIZE", "flash for code and constants, as 256k or 1M"),
    "ram": ("SIZE", "RAM for all data, as 64k"),
    "macs": ("COUNT", "most multiply-accumulates an inference, as 5M"),
    "board": ("NAME", "flash and RAM of a known board, as nano33ble"),
    "boards": ("FILE", "more boards, in the form of deploy/boards.yaml"),
    "runtime_flash": ("SIZE", "bytes of code to count beside the model; none by default"),
    "runtime_ram": ("SIZE", "bytes of stack and the like to count beside the arena; 2k by default"),
    "svg": ("FILE", "also write the memory over time as a picture"),
}


def fit_parser() -> Parser:
    """Of `hintlite fit`."""
    parser = make_parser(
        "whether a model fits a board (exit code 1 if not), what sets its RAM, and what would fit",
        "hintlite fit runs/mine --board nano33ble\n"
        "  hintlite fit runs/mine --flash 256k --ram 64k --macs 5M --svg memory.svg\n"
        "  hintlite fit mine.yaml --board microbit-v2        before anything is trained\n"
        "  hintlite fit model.tflite --ram 20k               any full-INT8 file",
        "fit MODEL [--board NAME] [--flash SIZE] [--ram SIZE] [--macs COUNT] [OPTIONS]",
    )
    parser.add_argument(
        "model", metavar="MODEL", type=str, help="a run, a settings file, or any .tflite file"
    )
    for name, (metavar, what) in OPTIONS.items():
        parser.word(f"--{name}", metavar, what)
    parser.switch("--confirm", "convert the first proposals, with random weights")
    parser.json("text")
    return parser


def check_fit(options: Mapping[str, Any]) -> None:
    """Refuses what cannot be answered, before anything is read.

    Raises:
        WrongUseError: no such model, no limit, an amount or board that cannot be.
    """
    from hintlite.deploy.bundle.deployed import bundle_in, is_bundle
    from hintlite.pipeline.app.fit.limits import LimitError, read_limits

    place = Path(options["model"])
    if not (place.is_file() or is_bundle(bundle_in(place)) or (place / "settings.yaml").is_file()):
        raise WrongUseError(f"{not_a_run(place)}, no bundle, no settings file and no .tflite file")
    if options["json"] and options["confirm"]:
        raise WrongUseError("--confirm prints text: leave --json or --confirm out")
    try:
        read_limits(options)
    except LimitError as error:
        raise WrongUseError(str(error)) from error
