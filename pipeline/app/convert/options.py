"""The options of `hintlite convert`, and their check before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from hintlite.deploy.convert.form import Form, PrecisionName
from hintlite.errors import SettingsError
from hintlite.models.saved_formats import FORMATS
from hintlite.pipeline.app.cli.parser import Parser, make_parser
from hintlite.pipeline.app.convert.limits import Limits
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.run.budget import BUDGET, require_budget
from hintlite.pipeline.app.settings.named_data import SETS
from hintlite.pipeline.settings.data import NORMALIZATIONS, check_given

_LIMITS = Limits()
ANSWERS = ("classes", "values")
# name, default, what; the type is the default's.
NUMBERS: tuple[tuple[str, int | float, str], ...] = (
    ("calibration_samples", 256, "samples that set the ranges"),
    ("validation_samples", 500, "other samples, at most, that judge the file"),
    ("seed", 0, "of the division into both"),
    BUDGET,
    ("min_agreement", _LIMITS.min_agreement, "bound: share of equal choices, model and file"),
    ("max_drop", _LIMITS.max_drop, "bound: points of accuracy that the file may lose"),
    ("max_error", _LIMITS.max_error, "bound, where nothing is chosen: RMS error over deviation"),
    ("max_clipped", _LIMITS.max_clipped, "bound: share of values beyond the file's input range"),
)


def convert_parser() -> Parser:
    """Of `hintlite convert`."""
    parser = make_parser(
        "make a .tflite file of a trained model: calibrate, convert, verify, bundle; nothing is "
        "trained, labels are not needed",
        "hintlite convert mine.keras --data photos/\n"
        "  hintlite convert large.keras --data samples.npz --io uint8\n"
        "  hintlite convert small.keras --data samples.npz --normalization raw\n"
        "  hintlite convert mine.keras --data samples.npz --dense per_tensor --out runs/sensors\n"
        "  hintlite convert model.tflite --data samples.npz --precision int16x8",
        "convert MODEL --data DATA [--out FOLDER] [OPTIONS]",
    )
    parser.add_argument("model", metavar="MODEL", type=str, help=FORMATS)
    parser.add_argument(
        "--data",
        metavar="DATA",
        type=str,
        required=True,
        help="an .npz file with x (or one array an input, by its name) and perhaps y, an .npy "
        "file, a folder of pictures, with or without a folder for each class, or "
        f"{', '.join(SETS)}",
    )
    parser.word("--out", "FOLDER", "where it writes; by default MODEL's name with _converted")
    parser.add_argument(
        "--precision",
        metavar="WORD",
        type=str,
        default="int8",
        help=f"{', '.join(get_args(PrecisionName))}; int8 by default",
    )
    parser.word(
        "--io",
        "TYPE",
        "type of inputs and outputs: int8, uint8 (cameras, Edge TPU), int16 (of int16x8) or "
        "float32; that of the activations by default",
    )
    parser.add_argument(
        "--dense",
        metavar="WORD",
        type=str,
        default="per_channel",
        help="scales of dense layers: per_channel, or per_tensor, which TensorFlow Lite Micro "
        "before October 2024 wants",
    )
    parser.word(
        "--normalization",
        "KIND",
        f"what the model was fed: {', '.join(NORMALIZATIONS)}; by default raw where the model "
        "scales its input itself or the values are no bytes, else unit",
    )
    for name, what in (("mean", "is subtracted from"), ("std", "then divides")):
        parser.add_argument(
            f"--{name}",
            metavar="NUMBERS",
            type=listed_numbers,
            default=(),
            help=f"what {what} the raw values, in the place of --normalization, where the model "
            "was fed so: one number a channel or one for all, as in 123.675,116.28,103.53",
        )
    parser.word(
        "--answer",
        "WORD",
        "what the model answers: classes (the largest output is chosen) or values (numbers, as of "
        "a regression or a mask); by default as the labels tell, and without labels classes where "
        "it has one output [classes]",
    )
    parser.add_argument(
        "--imports",
        "--import",
        metavar="MODULES",
        type=tuple[str, ...],
        default=(),
        help="modules of your own that register the classes of custom layers, as in "
        "mylayers,other.layers; Python finds them (installed, or on PYTHONPATH)",
    )
    parser.add_argument("--limit", metavar="N", type=int | None, help="use this many samples")
    parser.numbers(NUMBERS)
    parser.accept_chance()
    parser.switch("--verbose", "show what libraries print, too")
    parser.json("text")
    return parser


def listed_numbers(text: str | tuple[float, ...]) -> tuple[float, ...]:
    """Numbers between commas; the parser asks twice.

    Raises:
        SettingsError: something else.
    """
    if isinstance(text, tuple):
        return text
    try:
        return tuple(float(part) for part in text.strip("[]() ").split(","))
    except ValueError as error:
        raise SettingsError(f"expected numbers such as 123.7,116.3,103.5; got {text!r}") from error


def check_convert(options: Mapping[str, Any]) -> None:
    """Refuses what cannot work, before anything is read.

    Raises:
        WrongUseError: no such file or data, an unknown word, a number that cannot be.
    """
    if not Path(options["model"]).exists():
        raise WrongUseError(f"MODEL {options['model']}: there is no such file; expected {FORMATS}")
    if options["data"] not in SETS and not Path(options["data"]).expanduser().exists():
        raise WrongUseError(
            f"--data {options['data']}: there is no such file or folder, and no data set of that "
            f"name ({', '.join(SETS)})"
        )
    kind = options["normalization"]
    if kind is not None and kind not in NORMALIZATIONS:
        raise WrongUseError(
            f"--normalization must be one of {', '.join(NORMALIZATIONS)}; got {kind}"
        )
    if options["mean"] and kind is not None:
        raise WrongUseError("--mean and --std stand in the place of --normalization: give one")
    if options["answer"] not in (None, *ANSWERS):
        raise WrongUseError(
            f"--answer must be one of {', '.join(ANSWERS)}; got {options['answer']}"
        )
    for name in ("calibration_samples", "validation_samples", "limit"):
        if options[name] is not None and options[name] < 1:
            raise WrongUseError(f"--{name} must be 1 or more; got {options[name]}")
    require_budget(options)
    try:
        check_given(options["mean"], options["std"], "--mean", "--std")
        form_of(options)
    except SettingsError as error:
        raise WrongUseError(str(error)) from error


def form_of(options: Mapping[str, Any]) -> Form:
    """The form that the options ask for."""
    return Form(options["precision"], options["io"], options["dense"])


def limits_of(options: Mapping[str, Any]) -> Limits:
    """The bounds among the options."""
    names = ("min_agreement", "max_drop", "max_error", "max_clipped")
    return Limits(**{name: options[name] for name in names})
