"""The options of `hintlite run` and of the single stages of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hintlite.deploy.bundle.deployed import bundle_in, is_bundle
from hintlite.pipeline.app.cli.parser import Parser, make_parser
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.run.options.benchmark import add_benchmark, check_benchmark
from hintlite.pipeline.app.run.options.bundle import add_bundle, check_bundle
from hintlite.pipeline.app.run.options.explain import add_explain, check_explain
from hintlite.pipeline.app.settings.named_data import FORMS, SETS
from hintlite.pipeline.settings.run import RunConfig

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
    "run": "hintlite run runs/fashion --data fashion_mnist --training.epochs 16\n"
    "  hintlite run runs/mine --data photos/ --arms scratch,hint+kd",
    "teacher": "hintlite teacher runs/mine --teacher_training.epochs 30",
    "distill": "hintlite distill runs/mine --kd.temperature 4",
    "quantize": "hintlite quantize runs/mine --data.calibration_samples 512\n"
    "  hintlite quantize runs/mine --method qat --qat.epochs 4\n"
    "  hintlite quantize runs/mine --method mixed --max_drop 0.3\n"
    "  hintlite quantize runs/mine --quantize.ranges mse --quantize.equalize true\n"
    "  hintlite quantize runs/mine --explain\n"
    "  hintlite quantize float.tflite int8.tflite --explain --samples samples.npz",
    "evaluate": "hintlite evaluate runs/mine",
    "bundle": "hintlite bundle runs/mine\n  hintlite bundle runs/mine --mcu c --name digits\n"
    "  hintlite bundle runs/mine --mcu tflm --name digits --strip\n"
    "  hintlite bundle any_int8.tflite --mcu tflm --out sources\n"
    "  hintlite bundle runs/mine --phone\n"
    "  hintlite bundle runs/mine --for_device\n"
    "  hintlite bundle runs/mine/bundle/device --check",
    "benchmark": "hintlite benchmark runs/mine --benchmark.threads 2\n"
    "  hintlite benchmark runs/mine --target pi@raspberrypi.local --install\n"
    "  hintlite benchmark runs/mine --targets devices.yaml\n"
    "  hintlite benchmark runs/mine --target cortex-m4\n"
    "  hintlite benchmark any_int8.tflite --target tflm\n"
    "  hintlite benchmark any_int8.tflite --target cortex-m4 --json\n"
    "  hintlite benchmark runs/mine --target android --benchmark_model ./benchmark_model\n"
    "  hintlite benchmark model.tflite --target ethos-u55-128 --memory_mode Sram_Only "
    "--system_config Ethos_U55_Deep_Embedded",
}


# Shorter words for settings that a stage is mostly about.
SHORT = {"quantize": {"--method": "--quantize.method", "--max_drop": "--quantize.max_drop"}}
# The settings that --help shows; --help=all shows every one.
MAIN = (
    *("--seed", "--arms", "--deploy", "--data", "--data.limit", "--data.normalization"),
    *("--data.augmentation.flip", "--data.augmentation.shift", "--data.calibration_samples"),
    *("--teacher.path", "--teacher.taps", "--teacher.preset", "--teacher.widths"),
    *("--teacher_training.epochs", "--student.path", "--student.taps", "--student.preset"),
    *("--student.widths", "--student.depths"),
    *("--student.times_fewer", "--training.epochs", "--training.batch_size"),
    *("--training.learning_rate", "--hint.pairs", "--hint.epochs", "--kd.temperature"),
    *("--quantize.method", "--quantize.max_accuracy_drop", "--cache.budget_gb"),
)
# A stage's own options, and their check.
OWN: dict[str, tuple[Callable[[Parser], None], Callable[[Mapping[str, Any]], None]]] = {
    "quantize": (add_explain, check_explain),
    "bundle": (add_bundle, check_bundle),
    "benchmark": (add_benchmark, check_benchmark),
}


def stage_parser(name: str, full: bool) -> Parser:
    """The parser of one of STAGES.

    Args:
        name: of the subcommand.
        full: with a run's settings, which take time to read.
    """
    run = {"run": "[RUN]", "bundle": "RUN|MODEL", "benchmark": "RUN|MODEL"}.get(name, "RUN")
    short = "".join(f" [{word} VALUE]" for word in SHORT.get(name, ()))
    usage = f"{name} {run}{short} [--config FILE] [--verbose] [--SETTING VALUE ...]"
    usage += "\n       --help=all shows every setting"
    parser = make_parser(STAGES[name], STAGE_EXAMPLES[name], usage)
    parser.add_argument(
        "run",
        metavar="RUN",
        type=str,
        nargs="?" if name == "run" else None,
        help="the run's folder" + (", by default runs/<the data's name>" if name == "run" else ""),
    )
    parser.add_argument("--config", action="config", help="settings as YAML")
    parser.switch("--verbose", "show TensorFlow's own log lines")
    if name in ("run", "teacher", "distill"):
        parser.switch("--tensorboard", "write TensorBoard logs of the trainings to RUN/tensorboard")
    if name in OWN:
        OWN[name][0](parser)
    if full:
        own = parser.flags
        parser.add_class_arguments(RunConfig)
        parser.set_defaults({"data.source": None})  # digits are trained on where they are named
        parser.main = frozenset({*own, *MAIN})
        _describe_data(parser)
    return parser


def refuse_model(words: Sequence[str]) -> None:
    """Refuses a model where a stage wants a run's folder, before its options are read.

    Args:
        words: the stage, and what stands behind it.

    Raises:
        WrongUseError: the first of them is a Keras model; the text says what takes it.
    """
    stage, place = (*words, "", "")[:2]
    path = Path(place)
    is_model = path.suffix in (".keras", ".h5", ".hdf5") or (path / "saved_model.pb").is_file()
    if stage in STAGES and is_model and path.exists():
        raise WrongUseError(
            f"{place} is a model, and {stage} works on the folder of a run. For an INT8 file of a "
            f"model of your own: `hintlite convert {place} --data DATA` (by calibration; `qat` "
            "fine-tunes it). As the teacher of a run: `hintlite run runs/mine "
            f"--teacher.path {place}`"
        )


def _describe_data(parser: Parser) -> None:
    (action,) = (each for each in parser._actions if "--data" in each.option_strings)
    action.metavar = "DATA"
    action.help = f"{FORMS} with x and y, or one of {', '.join(SETS)}"


def check_stage(name: str, options: Mapping[str, Any]) -> None:
    """Refuses options that would do nothing.

    Args:
        name: of the stage.
        options: its own.

    Raises:
        WrongUseError: there is such an option.
    """
    if name in OWN:
        OWN[name][1](options)
    place = Path(str(options["run"]))
    for word in ("out", "json"):
        if options.get(word) and not (place.suffix == ".tflite" or is_bundle(bundle_in(place))):
            raise WrongUseError(
                f"--{word} is for a single .tflite file or a bundle: a run keeps its results in "
                "itself"
            )
