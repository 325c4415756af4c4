"""The options of `hintlite qat`, and their check before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hintlite.errors import SettingsError
from hintlite.models.keras_formats import other_format
from hintlite.pipeline.app.cli.parser import Parser, make_parser
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.look.compare import percent
from hintlite.pipeline.app.run.budget import BUDGET, require_budget
from hintlite.pipeline.app.settings.named_data import FORMS, SETS, named_data
from hintlite.pipeline.settings.data import NORMALIZATIONS, DataConfig
from hintlite.pipeline.settings.quantize import QATConfig, QuantizeConfig

_QAT, _QUANTIZE, _DATA = QATConfig(), QuantizeConfig(), DataConfig()
# name, default, what; the type is the default's.
NUMBERS: tuple[tuple[str, int | float, str], ...] = (
    ("epochs", _QAT.epochs, "passes over the training part; 0 only calibrates and converts"),
    ("learning_rate", _QAT.learning_rate, "at the start; decays to 0 on a cosine"),
    ("batch_size", 128, "samples in a step"),
    ("freeze_norm_after", _QAT.freeze_norm_after, "epochs before batch normalization is frozen"),
    ("temperature", 3.0, "tau, which softens both distributions, with --teacher"),
    ("soft_weight", 1.0, "lambda, the weight of the soft targets, with --teacher"),
    ("shift", 0, "move training images by up to this many pixels"),
    ("calibration_samples", _DATA.calibration_samples, "training samples that set first ranges"),
    ("seed", 0, "of order and augmentation"),
    BUDGET,
    ("max_difference_steps", _QAT.max_difference_steps, "bound: file against fake quantization"),
    ("min_conversion_agreement", _QAT.min_conversion_agreement, "bound: share of equal choices"),
    ("min_agreement", _QUANTIZE.min_agreement, "bound: share of equal choices, float and INT8"),
)


def qat_parser() -> Parser:
    """Of `hintlite qat`."""
    parser = make_parser(
        "fine-tune any functional Keras 3 model with quantization in the loop; gives a full-INT8 "
        ".tflite file",
        "hintlite qat mine.keras --data photos/ --flip\n"
        "  hintlite qat mobilenet.keras --data samples.npz --normalization signed --epochs 2\n"
        "  hintlite qat small.keras --data fashion_mnist --teacher large.keras --control\n"
        "  hintlite qat mine.keras --data samples.npz --normalization raw --out runs/mine_qat",
        "qat MODEL --data DATA [--out FOLDER] [--teacher TEACHER] [--control] [OPTIONS]",
    )
    parser.add_argument(
        "model", metavar="MODEL", type=str, help="a .keras file: a functional image classifier"
    )
    parser.add_argument(
        "--data",
        metavar="DATA",
        type=str,
        required=True,
        help=f"{FORMS} with x and y, or {', '.join(SETS)}; images of a folder are resized to the "
        "model's input",
    )
    parser.word("--out", "FOLDER", "where it works and writes; by default MODEL's name with _qat")
    parser.word(
        "--teacher", "FILE", "a .keras file whose soft targets are learned beside the labels"
    )
    parser.switch("--control", "also train the float model as long, to compare")
    parser.add_argument(
        "--normalization",
        metavar="KIND",
        type=str,
        default="unit",
        help="what the model is fed: unit (0 to 1), standard (mean 0, deviation 1), signed "
        "(-1 to 1) or raw (values as they are)",
    )
    parser.switch("--flip", "mirror half of the training images")
    parser.add_argument("--limit", metavar="N", type=int | None, help="use this many samples")
    parser.add_argument(
        "--max_drop",
        metavar="POINTS",
        type=percent,
        default=_QUANTIZE.max_accuracy_drop,
        help="bound: how many points of accuracy INT8 may lose against float, by default "
        f"{_QUANTIZE.max_accuracy_drop:g}",
    )
    parser.numbers(NUMBERS)
    parser.accept_chance()
    parser.add_argument(
        "--imports",
        metavar="MODULES",
        type=tuple[str, ...],
        default=(),
        help="modules of your own that register the classes of custom layers in the .keras files, "
        "as in mylayers,other.layers; Python finds them (installed, or on PYTHONPATH)",
    )
    parser.switch("--deterministic", "bit-equal repeats, somewhat slower")
    parser.switch("--verbose", "show what libraries print, too")
    parser.json("text")
    return parser


def check_qat(options: Mapping[str, Any]) -> None:
    """Refuses what cannot work, before anything is read.

    Raises:
        WrongUseError: no such file or data, an unknown word, a number that cannot be.
    """
    for name, what in (("model", "MODEL"), ("teacher", "--teacher")):
        path = options[name]
        if path is None:
            continue
        if not Path(path).exists():
            raise WrongUseError(f"{what} {path}: there is no such file; expected a .keras file")
        other = other_format(Path(path))
        if other is not None:
            raise WrongUseError(other)
    named_data(options["data"])
    if options["normalization"] not in NORMALIZATIONS:
        raise WrongUseError(
            f"--normalization must be one of {', '.join(NORMALIZATIONS)}; got "
            f"{options['normalization']}"
        )
    require_budget(options)
    if options["soft_weight"] < 0 or options["temperature"] <= 0 or options["batch_size"] < 1:
        raise WrongUseError(
            "--soft_weight must not be negative, --temperature must be above 0, --batch_size 1 or "
            "more"
        )
    if not options["epochs"] and (options["teacher"] or options["control"]):
        raise WrongUseError("--epochs 0 trains nothing: leave out --teacher and --control")
    try:
        qat_config(options), quantize_config(options), data_config(options)
    except SettingsError as error:
        raise WrongUseError(str(error)) from error


def qat_config(options: Mapping[str, Any]) -> QATConfig:
    """The settings of the fine-tuning among the options."""
    names = (
        *("epochs", "learning_rate", "freeze_norm_after", "control"),
        *("max_difference_steps", "min_conversion_agreement"),
    )
    settings = {name: options[name] for name in names}
    if settings["epochs"] == 0:  # calibration alone
        settings["epochs"] = 1
    return QATConfig(**settings)


def quantize_config(options: Mapping[str, Any]) -> QuantizeConfig:
    """The bounds of the INT8 file among the options."""
    return QuantizeConfig(
        min_agreement=options["min_agreement"], max_accuracy_drop=options["max_drop"]
    )


def data_config(options: Mapping[str, Any]) -> DataConfig:
    """The samples that --data names."""
    from hintlite.pipeline.settings.data import AugmentConfig

    augmentation = AugmentConfig(flip=options["flip"], shift=options["shift"])
    source, path = named_data(options["data"])
    return DataConfig(
        source=source,
        path=path,
        limit=options["limit"],
        calibration_samples=options["calibration_samples"],
        normalization=options["normalization"],
        augmentation=augmentation,
    )
