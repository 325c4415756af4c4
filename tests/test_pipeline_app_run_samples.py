"""A finished run stands alone: moved, without its data and its teacher's file."""

import json
import shutil

import keras
import numpy as np
import pytest

from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.run.folder import RunError, RunFolder, Stage
from hintlite.pipeline.app.run.samples import RunSamples
from hintlite.pipeline.data.kept import keep
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.data.training_data import KeptData
from hintlite.pipeline.settings.data import DataConfig

FROM_PYTHON = DataConfig(source="python")

SETTINGS = """
arms: [kd]
accept_chance: true
data: {source: npz, path: things.npz, calibration_samples: 12}
teacher: {family: keras_file, path: teacher.keras}
student: {widths: [3, 4], depths: [1, 1], times_fewer: null}
training: {epochs: 1, batch_size: 32}
quantize: {min_agreement: 0.0, max_accuracy_drop: 100}
benchmark: {window_s: 0.02, warmup_s: 0.02, min_runs: 5}
"""


def things(count=90):
    """Pictures whose brightness tells their class, and labels."""
    labels = np.arange(count) % 3
    noise = np.random.default_rng(0).integers(0, 60, (count, 8, 8, 1))
    return (noise + labels.reshape(-1, 1, 1, 1) * 50).astype(np.uint8), labels


def teacher_file(path):
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu", padding="same", name="first")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(image, keras.layers.Dense(3)(x)).save(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run made from relative paths; then its data and its teacher's file are gone."""
    place = tmp_path_factory.mktemp("made")
    images, labels = things()
    np.savez(place / "things.npz", x=images, y=labels, class_names=["dark", "gray", "bright"])
    teacher_file(place / "teacher.keras")
    (place / "mine.yaml").write_text(SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(["run", "mine", "--config", "mine.yaml"]) == 0
    (place / "things.npz").unlink()
    (place / "teacher.keras").unlink()
    return place / "mine"


@pytest.fixture
def moved(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "moved")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "moved"


@pytest.mark.whole
def test_a_finished_run_is_up_to_date_without_its_data(moved, capfd):
    for command in ("run", "teacher", "distill", "quantize", "evaluate", "bundle"):
        assert main([command, str(moved)]) == 0, capfd.readouterr().err
    said = capfd.readouterr().err
    for stage in ("data", "samples", "teacher/0", "distill/kd", "quantize/kd", "evaluate"):
        assert f"{stage}: up to date" in said


@pytest.mark.whole
@pytest.mark.parametrize(
    "words",
    [
        ["bundle", "RUN", "--mcu", "c"],
        ["bundle", "RUN", "--for-device"],
        ["bundle", "RUN", "--phone"],
        ["bundle", "RUN", "--bundle_samples", "2"],
        ["bundle", "RUN", "--check"],
        ["benchmark", "RUN", "--benchmark.min_runs", "6"],
        ["quantize", "RUN", "--explain"],
        ["report", "RUN"],
        ["fit", "RUN", "--ram", "64k"],
        ["compare", "RUN", "RUN"],
    ],
)
def test_commands_work_without_the_data(moved, words, capfd):
    words = [str(moved) if word == "RUN" else word for word in words]
    assert main(words) == 0, capfd.readouterr().err


@pytest.mark.whole
def test_an_evaluation_that_must_be_done_again_says_what_is_missing(moved, made, capfd):
    shutil.rmtree(moved / "evaluate")
    assert main(["evaluate", str(moved)]) == 2
    said = capfd.readouterr().err
    assert f"the evaluation needs the samples, but {made.parent / 'things.npz'} is not" in said
    assert "--data.path" in said


def test_a_training_says_what_is_missing_and_keeps_nothing_of_the_flags(moved, made, capfd):
    before = (moved / "settings.yaml").read_text()
    assert main(["distill", str(moved), "--training.epochs", "2"]) == 2
    said = capfd.readouterr().err
    assert str(made.parent / "things.npz") in said
    assert "Traceback" not in said
    assert (moved / "settings.yaml").read_text() == before


def test_a_misspelt_place_is_not_taken_for_the_one_that_was_moved(moved, capfd):
    assert main(["run", str(moved), "--data.path", "thingz.npz"]) == 2
    assert "thingz.npz" in capfd.readouterr().err
    assert main(["run", str(moved), "--teacher.path", "teach.keras"]) == 2
    assert "teach.keras: there is no such file, and" in capfd.readouterr().err


def test_data_and_teacher_may_lie_elsewhere(moved, tmp_path, capfd):
    images, labels = things()
    np.savez(tmp_path / "new.npz", x=images, y=labels, class_names=["dark", "gray", "bright"])
    assert main(["distill", str(moved), "--data.path", str(tmp_path / "new.npz")]) == 0
    assert "distill/kd: up to date" in capfd.readouterr().err
    np.savez(tmp_path / "new.npz", x=images, y=(labels + 1) % 3)
    assert main(["distill", str(moved)]) == 2  # the samples are others: the teacher comes first
    assert "'teacher/0'" in capfd.readouterr().err


def kept(folder, data, whole):
    """A run folder as the stages of the data leave it."""
    for name, work in {"data": _describe(data), "samples": lambda f: keep(data, f, whole)}.items():
        settings = {"data": RunSamples(FROM_PYTHON, folder).settings(), "fingerprint": "f"}
        folder.complete(Stage(name, 1, settings, (), (), work))
    return RunSamples(FROM_PYTHON, folder)


def _describe(data):
    def work(folder):
        facts = {"class_names": data.class_names, "fingerprint": "f"}
        facts["normalization"] = data.normalization.to_dict()
        (folder / "data.json").write_text(json.dumps(facts))
        data.split_indices().save(folder / "splits.npz")

    return work


def loaded():
    images, labels = things()
    return load_training(DataConfig(calibration_samples=12), from_arrays(images, labels))


def test_validation_and_calibration_samples_are_kept_as_they_were(tmp_path):
    data = loaded()
    found = kept(RunFolder(tmp_path), data, whole=False).kept
    assert type(found) is KeptData
    for part in ("validation", "calibration"):
        rows, were = getattr(found, part), getattr(data, part)
        assert np.array_equal(found.images[rows], data.images[were])
        assert np.array_equal(found.labels[rows], data.labels[were])
        assert np.array_equal(found.source_rows[rows], data.source_rows[were])
    assert len(found.images) == len(data.validation) + 12
    assert found.raw_max == 255.0


def test_of_a_large_validation_part_samples_of_all_classes_are_kept(tmp_path, monkeypatch):
    data = loaded()
    monkeypatch.setattr("hintlite.pipeline.data.kept.MOST_BYTES", 64 * (12 + 4))
    found = kept(RunFolder(tmp_path), data, whole=False).kept
    assert len(found.validation) == 4
    assert len(found.calibration) == 12
    assert set(found.source_rows[found.validation]) <= set(data.source_rows[data.validation])


def test_samples_from_python_are_trained_on_again_where_all_are_kept(tmp_path):
    data = loaded()
    again = kept(RunFolder(tmp_path / "small"), data, whole=True).data
    assert np.array_equal(again.images[again.train], data.images[data.train])
    with pytest.raises(RunError, match="came from Python and are not kept"):
        _ = kept(RunFolder(tmp_path / "large"), data, whole=False).data
