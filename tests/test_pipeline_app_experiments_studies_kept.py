"""The kept records of docs/results/runs belong to the studies of configs/results."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from hintlite.pipeline.app.experiments.studies.definition import read_study
from hintlite.pipeline.app.experiments.studies.plan import make_plan
from hintlite.pipeline.app.experiments.studies.records import read_records
from hintlite.pipeline.app.settings.text import read_settings
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.settings.data import DataConfig

ROOT = Path(__file__).parents[1]
CURE = (
    "\nno study of configs asks for these records any more, so the studies would be run "
    "anew: the keys of their settings have changed. A setting that is new takes `added(default)` "
    "of hintlite/keyed.py; a stage's version is raised only where its output changes. Where the "
    "records really are those of other settings, run the study anew and delete them"
)


@pytest.fixture(scope="module")
def kept():
    return read_records(ROOT / "docs" / "results" / "runs")


@pytest.fixture(scope="module")
def plans(kept):
    """Of every study; the samples themselves are not needed, their hash stands in the records."""
    found = {
        record["settings"]["data"]["limit"]: record["fingerprint"]
        for record in kept.students.values()
    }
    files = sorted((ROOT / "configs" / "results").glob("*.yaml"))
    studies = [path for path in files if {"arms", "seeds"} <= set(read_settings(path))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "hintlite.pipeline.app.experiments.studies.plan.load_training",
            lambda config, disk: SimpleNamespace(fingerprint=found[config.limit]),
        )
        return [make_plan(read_study(path)) for path in studies]


def test_a_study_asks_for_every_record_that_is_kept(plans, kept):
    asked = {run.id for plan in plans for run in plan.runs}
    orphans = sorted(set(kept.students) - asked)
    assert not orphans, f"{orphans}{CURE}"
    taught = {key for plan in plans for key in plan.teachers}
    orphans = sorted({record["key"] for record in kept.teachers} - taught)
    assert not orphans, f"teachers {orphans}{CURE}"


def test_the_records_that_were_made_are_all_there(plans, kept):
    assert kept.students
    asked = {run.id for plan in plans for run in plan.runs}
    assert not sorted(asked - set(kept.students)), "runs without a record: `make results`"


def test_the_study_of_the_digits_asks_for_its_records():
    asked = {run.id for run in make_plan(read_study(ROOT / "configs" / "study_digits.yaml")).runs}
    found = read_records(ROOT / "docs" / "results" / "study_digits" / "runs")
    assert sorted(found.students) == sorted(asked), CURE


def test_samples_have_the_hash_that_records_name():
    digits = "cbc7cbbe7351056a0f66a84eb5716351c74eb76098469d085d53262cbf6ff51d"
    assert load_training(DataConfig()).fingerprint == digits
