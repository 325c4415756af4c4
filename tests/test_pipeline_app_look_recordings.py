"""`hintlite predict` on recordings: windows as those that the run was trained on, a line each."""

import json
import shutil

import keras
import numpy as np
import pytest

from hintlite.deploy.bundle.bundle import write_bundle
from hintlite.deploy.convert.convert import to_float32
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.settings.text import settings_text
from hintlite.pipeline.settings.data import DataConfig
from hintlite.pipeline.settings.run import RunConfig

LABELS = ["left", "right"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose file says which of two channels is the larger on average."""
    place = tmp_path_factory.mktemp("made") / "run"
    image = keras.Input((4, 2))
    average = keras.layers.GlobalAveragePooling1D()(image)
    outputs = keras.layers.Dense(2, use_bias=False)(average)
    model = keras.Model(image, outputs)
    model.layers[-1].set_weights([10 * np.eye(2)])
    write_bundle(
        place / "bundle" / "device",
        models={"student_float32.tflite": to_float32(model)},
        labels=LABELS,
        input_shape=(4, 2),
        normalization={
            "mean": [0.0] * 2,
            "std": [1.0] * 2,
            "raw_dtype": "float32",
            "raw_max": None,
        },
        samples_raw=np.zeros((2, 4, 2), np.float32),
        sample_labels=np.array([0, 1]),
        bench_script=b"",
        provenance={},
    )
    data = DataConfig(source="recordings", path="/gone", window=0.4, hop=0.2, rate_hz=10, label="x")
    (place / "settings.yaml").write_text(settings_text(RunConfig(data=data)))
    (place / "data").mkdir()
    notes = ["recordings: channels b, a at 10 Hz", "recordings: 2 cut into 3 windows"]
    (place / "data" / "data.json").write_text(json.dumps({"notes": notes}))
    return place


def write(path, columns):
    """Six steps of channel a, then four of channel b; b comes first to the model."""
    a, b = [1.0] * 6 + [0.0] * 4, [0.0] * 6 + [1.0] * 4
    known = {"a": a, "b": b, "x": ["?"] * 10, "t": range(10)}
    rows = zip(*(known[name] for name in columns), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]))
    return path


def test_windows_are_cut_as_the_settings_say_and_columns_found_by_name(run, tmp_path, capfd):
    path = write(tmp_path / "mine.csv", ["t", "a", "x", "b"])
    assert main(["predict", str(run), str(path), "--json"]) == 0
    answers = json.loads(capfd.readouterr().out)
    assert [answer["window"] for answer in answers] == [[0, 3], [2, 5], [4, 7], [6, 9]]
    assert [answers[place]["label"] for place in (0, 1, 3)] == ["right", "right", "left"]
    assert main(["predict", str(run), str(tmp_path)]) == 0
    said = capfd.readouterr().out
    assert "mine.csv, steps 0 to 3" in said
    assert "mine.csv, steps 6 to 9" in said


def test_what_cannot_be_cut_is_told(run, tmp_path, capfd):
    wrong = write(tmp_path / "wrong.csv", ["a", "x"])
    short = tmp_path / "short.csv"
    short.write_text("a,b\n1,2\n")
    missing = tmp_path / "none.csv"
    assert main(["predict", str(run), *map(str, (wrong, short, missing))]) == 2
    said = capfd.readouterr().err
    assert "wrong.csv: no column 'b', found a, x" in said
    assert "short.csv: 1 time steps, fewer than the 4 of a window" in said
    assert "none.csv: no such file" in said


def test_a_bundle_alone_does_not_know_how_to_cut(run, tmp_path, capfd):
    shutil.copytree(run / "bundle" / "device", tmp_path / "alone")
    path = write(tmp_path / "mine.csv", ["a", "b"])
    assert main(["predict", str(tmp_path / "alone"), str(path)]) == 2
    assert "name such a run, or give windows [4, 2] as .npy" in capfd.readouterr().err
