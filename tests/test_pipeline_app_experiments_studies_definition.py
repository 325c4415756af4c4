"""A study's file and the runs that follow from it."""

from dataclasses import asdict

import numpy as np
import pytest
import yaml

from hintlite.errors import SettingsError
from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.experiments.definitions import merged, nested
from hintlite.pipeline.app.experiments.studies.definition import read_study
from hintlite.pipeline.app.experiments.studies.plan import make_plan
from hintlite.pipeline.app.settings.text import config_from
from hintlite.pipeline.settings.run import RunConfig


@pytest.fixture
def samples(tmp_path):
    """A small .npz file of three classes."""
    rng = np.random.default_rng(0)
    path = tmp_path / "samples.npz"
    np.savez(path, x=rng.integers(0, 255, (60, 8, 8, 1), np.uint8), y=np.arange(60) % 3)
    return path


@pytest.fixture
def plan_of(tmp_path, samples):
    """The plan of a study with these fields."""

    def planned(path=samples, **fields):
        fields.setdefault("arms", ["scratch", "kd"])
        data = {"source": "npz", "path": str(path), "calibration_samples": 6}
        fields["base"] = merged({"data": data}, fields.get("base", {}))
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(fields, sort_keys=False))
        return make_plan(read_study(tmp_path / "study.yaml"))

    return planned


def test_dots_in_names_and_settings_within_settings_are_the_same():
    assert nested({"kd.temperature": 4, "kd": {"weight_end": 2}, "seed": 1}) == {
        "kd": {"temperature": 4, "weight_end": 2},
        "seed": 1,
    }
    base = {"student": {"widths": [3, 4], "depths": [1, 1]}, "hint": {"pairs": {"a": "b"}}}
    changes = {"student": {"depths": [2, 2]}, "hint": {"pairs": {"c": "d"}}}
    assert merged(base, changes) == {
        "student": {"widths": [3, 4], "depths": [2, 2]},
        "hint": {"pairs": {"c": "d"}},
    }
    preset = {"student": {"preset": "fitnet1"}}
    assert merged(base, preset)["student"] == {"preset": "fitnet1"}
    assert base["hint"] == {"pairs": {"a": "b"}}  # neither is changed


def test_settings_from_plain_data_are_those_of_a_file():
    config = config_from({"student": {"preset": "fitnet1"}, "kd": {"temperature": 2}})
    assert config.student == NetworkConfig(preset="fitnet1")
    assert config.kd.temperature == 2
    assert config_from(asdict(config)) == config
    assert config_from({}) == RunConfig()


def test_runs_come_seed_by_seed_and_share_a_teacher(plan_of):
    arms = {
        "scratch": None,
        "kd": {"seeds": [0]},
        "soft": {"arm": "kd", "settings": {"kd.temperature": 9}},
    }
    plan = plan_of(arms=arms, seeds=[0, 1], teacher_seeds=[5])
    assert [(run.arm, run.seed) for run in plan.runs] == [
        ("scratch", 0),
        ("kd", 0),
        ("soft", 0),
        ("scratch", 1),
        ("soft", 1),
    ]
    assert len({run.id for run in plan.runs}) == 5
    assert len(plan.teachers) == 1
    soft = plan.runs[2].config
    assert (soft.arms, soft.kd.temperature, soft.seed, soft.teacher_seed) == (("kd",), 9, 0, 5)


def test_each_teacher_seed_has_its_teacher_and_all_the_students(plan_of):
    plan = plan_of(teacher_seeds=[1, 2], seeds=[0])
    assert len(plan.teachers) == 2
    assert [(run.teacher_seed, run.arm) for run in plan.runs] == [
        (1, "scratch"),
        (1, "kd"),
        (2, "scratch"),
        (2, "kd"),
    ]


def test_an_id_stands_for_all_that_decides_the_outcome_and_nothing_else(plan_of, samples, tmp_path):
    def ids(**fields):
        return [run.id for run in plan_of(seeds=[0], **fields).runs]

    first = ids()
    for deciding in (
        {"base": {"training": {"epochs": 3}}},
        {"base": {"teacher_training": {"epochs": 3}}},
        {"base": {"data": {"calibration_samples": 9}}},
        {"base": {"student": {"dropout": 0.1}}},
        {"teacher_seeds": [3]},
    ):
        assert not set(first) & set(ids(**deciding)), deciding
    # The temperature is no setting of scratch, the benchmark none of a study.
    assert [a == b for a, b in zip(first, ids(base={"kd": {"temperature": 9}}), strict=True)] == [
        True,
        False,
    ]
    assert first == ids(base={"benchmark": {"threads": 2}, "quantize": {"min_agreement": 0.5}})
    # The same samples elsewhere are the same; other samples at the same place are not.
    moved = samples.rename(tmp_path / "moved.npz")
    assert first == ids(path=moved)
    np.savez(moved, x=np.arange(3840, dtype=np.uint8).reshape(60, 8, 8, 1), y=np.arange(60) % 3)
    assert not set(first) & set(ids(path=moved))


def test_a_base_can_be_a_runs_settings_file(tmp_path):
    (tmp_path / "run.yaml").write_text("seed: 9\ndata: {source: digits}\nkd: {temperature: 7}\n")
    (tmp_path / "s.yaml").write_text("base: run.yaml\narms: [kd]\nseeds: [1]\n")
    (run,) = make_plan(read_study(tmp_path / "s.yaml")).runs
    assert (run.config.kd.temperature, run.config.seed, run.config.teacher_seed) == (7, 1, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arms: [kd]\nseed: 3", "there is no 'seed'; known: base, arms, seeds"),
        ("seeds: [1]", "expected `arms`"),
        ("arms: {}", "arms is empty"),
        ("arms: [kd]\nseeds: [1, 1]", "expected different whole numbers"),
        ("arms: [kd]\nseeds: [-1]", "expected different whole numbers"),
        ("arms: [kd]\nseeds: 3", "expected different whole numbers"),
        ("arms: {kd: {setings: {}}}", "there is no 'setings'"),
        ("arms: {kd: {settings: {seed: 3}}}", "seed is not an arm's"),
        ("arms: {kd: {settings: {kd.temperature: 0}}}", "kd.temperature must be above 0"),
        ("arms: {kd: {settings: {kd.temprature: 4}}}", "arm 'kd': "),
        ("arms: [hnit]", "no method 'hnit'"),
        ("arms: [kd]", "no data are named: write data: {source: folder, path: photos}"),
        ("base: {data.augmentation.flip: true}\narms: [kd]", "no data are named"),
        (
            "base: {data.source: digits}\narms: {a: {arm: kd}, b: {arm: kd}}",
            "'a' and 'b' have the same method and settings",
        ),
        ("arms: [kd]\ncompare_with: [scratch]", "'scratch', which is none of its arms kd"),
        ("base: missing.yaml\narms: [kd]", "missing.yaml cannot be read"),
        ("arms: [kd", "cannot be read"),
        ("- kd", "expected names with values"),
    ],
)
def test_a_wrong_study_is_explained(tmp_path, text, said, capfd):
    (tmp_path / "s.yaml").write_text(text)
    assert main(["study", str(tmp_path / "s.yaml"), "--folder", str(tmp_path / "f")]) == 2
    error = capfd.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (tmp_path / "f").exists()


def test_a_missing_study_is_explained(tmp_path):
    with pytest.raises(SettingsError, match=r"nothing.yaml cannot be read: No such file"):
        read_study(tmp_path / "nothing.yaml")
