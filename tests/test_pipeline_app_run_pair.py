"""What cannot be of both networks and all arms is told before anything is trained."""

import re

import keras
import numpy as np
import own_models
import pytest
from in_process import hintlite


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a teacher, a student and samples of the user's own."""
    folder = tmp_path_factory.mktemp("own")
    own_models.trained_teacher().save(folder / "teacher.keras")
    own_models.student().save(folder / "student.keras")
    inputs = keras.Input((6, 6, 1))
    flat = keras.layers.Flatten()(inputs)
    keras.Model(inputs, keras.layers.Dense(3)(flat)).save(folder / "flat.keras")
    x, y = own_models.samples(90, dtype=np.uint8)
    np.savez(folder / "data.npz", x=x, y=y)
    return folder


TEACHER, STUDENT = ["--teacher.path", "teacher.keras"], ["--student.path", "student.keras"]
TAPS = ["--teacher.taps.mid=block1", "--student.taps.mid=thin1"]
BLOCK1 = r"block1 \[6, 6, 6\]"


@pytest.mark.parametrize(
    ("arms", "words", "message"),
    [
        (
            "kd,hint+kd",
            [*TEACHER, *STUDENT],
            rf"arm 'hint\+kd'.*the teacher and the student name none\n.*--teacher\.taps\.NAME="
            rf"LAYER.*teacher\.keras, one of: .*{BLOCK1}.*\n--student\.taps.*thin1 \[6, 6, 3\]",
        ),
        ("kd,hint", [*TEACHER, *STUDENT, TAPS[1]], "but the teacher names none\n--teacher.*$"),
        ("kd,attention", [*TEACHER, *STUDENT, TAPS[0]], "but the student names none\n--student"),
        ("kd,fsp", [*TEACHER, *STUDENT, *TAPS], rf"needs two stages(?s:.*){BLOCK1}"),
        ("kd,hint", [*STUDENT, *TAPS[1:], "--teacher.path", "flat.keras"], "it shows none"),
        (
            "hint",
            [*TEACHER, *STUDENT, "--hint.pairs.thin1=x"],
            r"hint\.pairs\.thin1, the teacher: .*'x'",
        ),
        ("scratch,kd", TEACHER, r"student: times_fewer(?s:.*)10\.4 is the default: --student\.tim"),
        ("kd", [*TEACHER, "--student.times_fewer", "9"], r"student: times_fewer 9(?!(?s:.*)defau)"),
    ],
)
def test_nothing_is_trained_where_an_arm_cannot_be(
    place, tmp_path, monkeypatch, arms, words, message
):
    monkeypatch.chdir(place)
    done = hintlite("run", tmp_path / "run", "--data", "data.npz", "--arms", arms, *words)
    assert done.returncode == 2
    said = done.stderr[done.stderr.index("hintlite: ") :].strip()
    assert re.search(message, said), said
    assert "fault of hintlite" not in said
    assert not list((tmp_path / "run").glob("teacher/*"))
    assert not list((tmp_path / "run").glob("distill/*"))


def test_pairs_that_no_arm_reads_are_told(place, tmp_path, monkeypatch):
    monkeypatch.chdir(place)
    pairs = "--hint.pairs.thin1=block1"
    words = ["--data", "data.npz", "--arms", "kd", *TEACHER, *STUDENT, pairs]
    done = hintlite("teacher", _started(tmp_path / "run", words))
    assert done.returncode == 0, done.stderr
    assert "hint.pairs: thin1 is read by none of the arms kd" in done.stderr


def _started(run, words):
    """A run's folder with its settings and nothing else."""
    run.mkdir()
    done = hintlite("run", run, *words, "--print_config")
    (run / "settings.yaml").write_text(done.stdout)
    return run


def test_missing_files_and_layers_are_told_before_tensorflow_is_loaded(place, tmp_path):
    words = ["run", tmp_path / "run", "--data", place / "data.npz", "--arms", "hint+kd"]
    teacher = place / "teacher.keras"
    for given, said in (
        (["--teacher.path", "none.keras"], "none.keras: there is no such file; name another"),
        (
            ["--teacher.path", teacher, "--teacher.taps.mid=blok1"],
            "teacher.taps.mid: {} has no layer 'blok1'; did you mean block1",
        ),
        (
            ["--teacher.path", teacher, "--teacher.taps.mid=x/y"],
            "teacher.taps.mid: {} has no layer 'x'; it has conv2d",
        ),
        (
            ["--teacher.path", teacher, "--teacher.taps.mid=block1/y"],
            "teacher.taps.mid: {} has no layer 'block1/y'; it has no layers in it",
        ),
        (
            ["--teacher.path", teacher, "--hint.pairs.stage1=blok1"],
            "hint.pairs.stage1, the teacher: {} has no layer 'blok1'; did you mean block1",
        ),
    ):
        done = hintlite(*words, *given)
        assert done.returncode == 2
        assert said.format(teacher) in done.stderr
        assert "loading TensorFlow" not in done.stderr
        assert not (tmp_path / "run" / "settings.yaml").exists()
