"""A real study of a student with a dead layer: an outcome, and no failure."""

import keras
import pytest
from in_process import hintlite
from keras import layers
from study_command import finish, records, write_study

from hintlite.pipeline.app.experiments.studies.records import read_record

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Its exit code, its output and its folder."""
    place = tmp_path_factory.mktemp("dead")
    inputs = keras.Input((8, 8, 1))
    # No gradient reaches a ReLU that is 0 for every image: training cannot bring it back.
    far = keras.initializers.Constant(-1e4)
    dead = layers.Conv2D(3, 3, bias_initializer=far, activation="relu", name="stage1")(inputs)
    logits = layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(dead))
    keras.Model(inputs, logits).save(place / "dead.keras")
    student = {"family": "keras_file", "path": str(place / "dead.keras")}
    arms = {"dead": {"arm": "scratch", "settings": {"student": student}}}
    code, out, error = finish(write_study(place, arms, seeds=[0]), place / "study")
    return code, out + error, place / "study"


def test_it_is_recorded_by_its_float_file_alone(study):
    code, said, folder = study
    assert code == 0, said
    assert "int8 without a file" in said
    ((path, record),) = records(folder).items()
    assert read_record(path) == record
    assert "0 on every calibration sample" in record["unquantized"]
    assert record["test"]["int8"] is None
    # Constant logits choose one class of three, of which the test part has as many of each.
    assert record["test"]["float32"]["accuracy"] == pytest.approx(1 / 3, abs=0.06)
    assert record["validation"]["float32"] == pytest.approx(1 / 3, abs=0.06)
    assert record["bytes"]["float32"] > 0
    assert record["macs"] > 0
    assert record["test_sha256"]


def test_the_report_says_so_and_the_run_is_not_repeated(study):
    folder = study[2]
    text = (folder / "report.md").read_text()
    assert "No INT8 file, since a layer gives 0 for every sample: dead seed 0." in text
    assert not list((folder / "work").glob("*"))
    done = hintlite("study", folder / "study.yaml", "--folder", folder)
    assert done.returncode == 0, done.stderr
    assert "1 finished before, 0 to do" in done.stderr
