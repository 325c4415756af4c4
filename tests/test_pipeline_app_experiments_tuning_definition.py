"""A tuning's file: what it may search, and what it refuses in a sentence."""

import pytest
import yaml

from hintlite.errors import SettingsError
from hintlite.pipeline.app.experiments.tuning.definition import Pruning, read_tuning
from hintlite.pipeline.app.experiments.tuning.search import Choices, Range, setting_types

RATE = {"training.learning_rate": {"low": "1e-3", "high": 0.01, "log": True}}


@pytest.fixture
def read(tmp_path):
    """Reads a tuning of hint+kd with these fields."""

    def reading(**fields):
        path = tmp_path / "tiny.yaml"
        fields["base"] = {"data.source": "digits"} | fields.get("base", {})
        path.write_text(yaml.safe_dump({"arm": "hint+kd", "search": RATE} | fields))
        return read_tuning(path)

    return reading


def test_ranges_and_choices_of_every_kind_of_setting(read):
    tuning = read(
        search=RATE
        | {
            "hint.epochs": {"low": 1, "high": 6},
            "kd.label_weight": {"low": 0, "high": 2, "step": 0.5},
            "training.clip_norm": {"choices": [None, 1]},
            "student.depths": {"choices": [[4, 5, 4], [3, 4, 3]]},
        }
    )
    assert tuning.search["training.learning_rate"] == Range(0.001, 0.01, whole=False, log=True)
    assert tuning.search["hint.epochs"] == Range(1, 6, whole=True)
    assert tuning.search["kd.label_weight"] == Range(0.0, 2.0, whole=False, step=0.5)
    assert tuning.search["training.clip_norm"] == Choices(("null", "1.0"))
    assert tuning.search["student.depths"] == Choices(("[4, 5, 4]", "[3, 4, 3]"))
    assert (tuning.objective, tuning.seeds, tuning.trials) == ("float", (0,), 30)
    assert tuning.pruning == Pruning(trials=5, epochs=2)


def test_every_setting_of_a_run_is_known_with_its_type():
    types = setting_types()
    assert types["training.epochs"] is int
    assert types["hint.learning_rate"] is float
    assert types["data.augmentation.flip"] is bool
    assert "student.depths" in types


def test_values_make_settings_and_seeds_share_the_teacher(read):
    tuning = read(base={"seed": 7, "training": {"epochs": 3}}, seeds=[1, 2])
    config = tuning.config({"training.learning_rate": 0.005, "student.depths": [3, 4, 3]}, seed=2)
    assert (config.training.learning_rate, config.training.epochs) == (0.005, 3)
    assert config.student.depths == (3, 4, 3)
    assert (config.seed, config.teacher_seed, config.arms) == (2, 7, ("hint+kd",))


def test_all_trials_choose_their_epochs_by_what_the_base_names(read):
    weights = {"training.class_weights": {"choices": ["none", "balanced"]}}
    tuning = read(search=weights)
    assert tuning.chosen_by == "accuracy"
    config = tuning.config({"training.class_weights": "balanced"})
    assert config.training.chosen_by == "accuracy"
    assert tuning.config({"training.class_weights": "none"}).training.choose_by is None
    assert read(search=weights, base={"training": {"choose_by": "f1"}}).chosen_by == "f1"


@pytest.mark.parametrize("data", [{}, {"data": {"augmentation": {"flip": True}}}])
def test_a_tuning_without_data_is_refused(tmp_path, data):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({"arm": "kd", "search": RATE, "base": data}))
    with pytest.raises(SettingsError, match=r"no data are named: write data: {source: folder"):
        read_tuning(path)


def test_trials_are_not_pruned_where_schedules_differ_in_length(read):
    epochs = {"training.epochs": {"low": 3, "high": 9}}
    assert read(search=epochs).pruning is None
    assert read(pruning=False).pruning is None
    assert read(pruning={"trials": 2}).pruning == Pruning(trials=2, epochs=2)
    with pytest.raises(SettingsError, match="a long schedule is behind a short one"):
        read(search=epochs, pruning=True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"search": {"training.learnin_rate": {"low": 1, "high": 2}}},
            "there is no setting 'training.learnin_rate'; did you mean: training.learning_rate",
        ),
        ({"search": {"seed": {"low": 0, "high": 9}}}, "`seeds` of the tuning names the seeds"),
        (
            {"search": {"training.choose_by": {"choices": ["f1", "loss"]}}},
            "all trials are scored by one figure, that of the base",
        ),
        ({"search": {"data.limit": {"low": 9, "high": 99}}}, "cannot be compared"),
        ({"search": {"quantize.float16": {"choices": [True, False]}}}, "no influence"),
        ({"search": {"hint.epochs": {"low": 1, "high": 2.5}}}, "high: expected a whole number"),
        ({"search": {"hint.epochs": {"low": 4, "high": 4}}}, "low (4) must be below high (4)"),
        ({"search": {"hint.epochs": {"low": True, "high": 4}}}, "expected a whole number"),
        ({"search": {"hint.epochs": {"choices": [1, "two"]}}}, "expected a whole number"),
        ({"search": {"hint.regressor": {"low": 1, "high": 2}}}, "name the values under `choices`"),
        ({"search": {"training.jit_compile": {"choices": [True, 7]}}}, "7 is no value"),
        ({"search": {"student.depths": {"choices": [[1, 1], "x"]}}}, "'x' is no value"),
        ({"search": {"student.depths": {"low": 1, "high": 2}}}, "name the values under `choices`"),
        ({"search": {"student": {"choices": [{"widht": [3]}, {}]}}}, "is no value"),
        ({"search": {"kd.temperature": {"choices": [3]}}}, "two different values or more"),
        ({"search": {"kd.temperature": {"low": 0, "high": 3, "log": True}}}, "a low above 0"),
        ({"search": {"kd.temperature": {"low": 1}}}, "expected low and high, or choices"),
        ({"search": {"kd.temperature": {"low": 1, "hihg": 2}}}, "there is no 'hihg'"),
        ({"search": {"kd.temperature": [1, 2]}}, "expected names with values"),
        (
            {"search": {"kd": {"choices": [{}, {"temperature": 2}]}} | {"kd.temperature": RATE}},
            "kd.temperature is a part of kd",
        ),
        ({"search": {}}, "search is empty"),
        ({"arm": "hnit"}, "no method 'hnit'"),
        ({"base": {"training": {"epochs": 0}}}, "training.epochs must be 1 or more"),
        ({"trials": 0}, "trials: expected 1 or more"),
        ({"trails": 3}, "there is no 'trails'"),
        ({"timeout_minutes": -1}, "expected a number of minutes above 0"),
        ({"objective": "test"}, "expected float or int8"),
        ({"seeds": [1, 1]}, "expected different whole numbers"),
        ({"pruning": {"trials": 0}}, "pruning: trials: expected 1 or more"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(read, fields, said):
    with pytest.raises(SettingsError) as caught:
        read(**fields)
    assert said in str(caught.value)
