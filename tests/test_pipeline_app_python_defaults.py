"""What is not given from Python is what a run's settings say where nothing is given there."""

import inspect

import pytest

import hintlite
from hintlite.benchmarks.targets.base import BenchmarkRequest
from hintlite.deploy.convert.verify import Bounds
from hintlite.pipeline.app.cli.grammar import parse
from hintlite.pipeline.app.convert.limits import Limits
from hintlite.pipeline.app.python import quantize
from hintlite.pipeline.app.python.in_folder import TEST_SHARE
from hintlite.pipeline.settings.run import RunConfig

RUN = RunConfig()
BOUNDS = {
    "min_agreement": RUN.quantize.min_agreement,
    "max_accuracy_drop": RUN.quantize.max_accuracy_drop / 100,
}
MEASURED = {
    name: getattr(RUN.benchmark, name) for name in ("threads", "window_s", "warmup_s", "min_runs")
}
SAME = {
    hintlite.distill: {
        "validation": RUN.data.validation_fraction,
        "epochs": RUN.training.epochs,
        "batch_size": RUN.training.batch_size,
        "learning_rate": RUN.training.learning_rate,
        "seed": RUN.seed,
        "accept_chance": RUN.accept_chance,
    },
    hintlite.quantize: BOUNDS,
    hintlite.benchmark: MEASURED,
    Bounds: BOUNDS | {"max_float_error": RUN.quantize.max_float_error},
    BenchmarkRequest: MEASURED,
}
OWN = {"strict", "verbose", "windows", "sweep", "timeout_s"}  # no settings of a run


@pytest.mark.parametrize("function", SAME)
def test_arguments_have_the_defaults_of_the_settings(function):
    arguments = inspect.signature(function).parameters.values()
    numbers = {
        each.name: each.default for each in arguments if isinstance(each.default, int | float)
    }
    assert {name: value for name, value in numbers.items() if name not in OWN} == SAME[function]


def test_shares_and_samples_are_those_of_a_run_too():
    assert RUN.data.test_fraction == TEST_SHARE
    assert RUN.bundle_samples == quantize.BUNDLED


def test_commands_on_a_single_model_keep_to_the_same_bounds(tmp_path):
    model = tmp_path / "mine.keras"
    model.touch()
    words = [str(model), "--data", "digits"]
    convert, qat = (parse([name, *words]).options for name in ("convert", "qat"))
    assert Limits().min_agreement == qat["min_agreement"] == RUN.quantize.min_agreement
    assert Limits().max_drop == qat["max_drop"] == RUN.quantize.max_accuracy_drop
    assert Limits().max_float_error == RUN.quantize.max_float_error
    assert convert["calibration_samples"] == qat["calibration_samples"]
    assert qat["calibration_samples"] == RUN.data.calibration_samples
    for name in ("epochs", "learning_rate", "freeze_norm_after", "max_difference_steps"):
        assert qat[name] == getattr(RUN.qat, name)
    assert (qat["temperature"], qat["batch_size"]) == (RUN.kd.temperature, RUN.training.batch_size)
