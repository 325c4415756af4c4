"""Every public function answers an argument that cannot be in a sentence that names it."""

import inspect

import numpy as np
import own_models
import pytest

import hintlite
from hintlite.pipeline.app.python.arguments import in_python

TRAIN, VALIDATION = own_models.samples(48, seed=1), own_models.samples(18, seed=2)
NAMES = ["upper", "middle", "lower"]
HINTS = {"thin1": "block1"}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """What a caller has: arguments by name that are right for each function."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "file").write_text("a file of the caller's")
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").write_text("keep")
    student = own_models.student()
    files = hintlite.quantize(student, TRAIN[0], VALIDATION, labels=NAMES, strict=False)
    distill = {"teacher": own_models.trained_teacher(), "student": student, "train": TRAIN}
    phases = hintlite.methods.KD().phases(*_networks(distill["teacher"], student))
    return {
        "folder": folder,
        "benchmark": {"model": files, "window_s": 0.01},
        "bundle": {"files": files, "folder": folder / "bundle"},
        "distill": {**distill, "validation": VALIDATION, "method": "kd", "epochs": 1},
        "evaluate": {"model": student, "test": VALIDATION},
        "explain": {"files": files, "samples": VALIDATION},
        "export_c": {"files": files, "folder": folder / "c"},
        "fits_board": {"model": files},
        "inspect": {"model": files},
        "load_run": {},
        "quantize": {"student": student, "calibration": TRAIN[0], "validation": VALIDATION},
        "quantize_aware": {"model": student},
        "run": {"folder": folder / "run"},
        "with_taps": {"model": student, "taps": {"mid": "thin1"}},
        "Distiller": {"student": student, "phase": phases["task"]},
        "Feeding": {},
    }


def _networks(*models):
    return [hintlite.with_taps(model, {}) for model in models]


WRONG = [
    ("benchmark", {"model": 3}, "model: expected what hintlite.quantize returns.*got a int"),
    ("benchmark", {"model": "none.tflite"}, "there is no file none.tflite"),
    ("benchmark", {"threads": 0}, "threads must be 1 or more"),
    ("benchmark", {"window_s": "long"}, "window_s must be a number"),
    ("bundle", {"files": b"TFL3"}, "files: expected what hintlite.quantize returns, got a bytes"),
    ("bundle", {"files": None}, "files: .*got None"),
    ("bundle", {"folder": 3}, "folder: expected the path of a folder, got a int"),
    ("bundle", {"folder": "FOLDER/file"}, "file is a file"),
    ("bundle", {"folder": "FOLDER/full"}, "not empty.*new folder"),
    ("bundle", {"labels": ["a", "b"]}, r"labels: 2 names \(a, b\).*tells 3 classes apart"),
    ("bundle", {"labels": "abc"}, "labels: expected a list of the 3 classes' names.*'abc'"),
    ("bundle", {"labels": 3}, "labels: expected a list of the 3"),
    ("bundle", {"labels": [["a"], ["b"], ["c"]]}, "labels: expected a list"),
    ("bundle", {"feeding": {"std": 255}}, "feeding: expected a hintlite.Feeding, got a dict"),
    ("bundle", {"feeding": hintlite.Feeding(mean=(1, 2))}, "feeding: 2 numbers for .* 1 channels"),
    ("distill", {"teacher": "teacher.keras"}, "teacher: expected a keras.Model, got a str"),
    ("distill", {"student": None}, "student: expected a keras.Model, got None"),
    ("distill", {"train": ([*TRAIN[0].tolist()[:1], [[0]]], [0, 1])}, "train: .*unequal sizes"),
    ("distill", {"validation": None}, "validation: expected .*got None"),
    ("distill", {"method": "hints+kd"}, "method 'hints.kd': there is no method 'hints'; did .*'hi"),
    ("distill", {"method": "hint+joint_hint"}, "method 'hint.joint_hint': .*one at a time"),
    ("distill", {"method": ["hint", "kd"]}, "method: got a list"),
    ("distill", {"hints": [("thin1", "block1")]}, "hints: expected names to values.*list of 1"),
    ("distill", {"hints": {"thin1": 3}, "method": "hint"}, "hints: expected names of layers"),
    ("distill", {"hints": HINTS}, "hints: the method does not read thin1; .*'hint.kd'"),
    ("distill", {"hints": HINTS, "folder": "FOLDER/r"}, "hints: the method does not read thin1"),
    ("distill", {"method": "hint", "folder": "FOLDER/r"}, r"hints=\{.*thin1 \[6, 6, 3\].*block1"),
    (
        "distill",
        {"hints": HINTS, "method": hintlite.methods.Hint(pairs={"thin2": "block2"})},
        "hints: .*thin1.* but .*thin2.* leave one of them out",
    ),
    ("distill", {"epochs": "3"}, "epochs: expected a whole number, got a str"),
    ("distill", {"epochs": 0}, "epochs must be 1 or more"),
    ("distill", {"batch_size": 1.5}, "batch_size: expected a whole number"),
    ("distill", {"learning_rate": "fast"}, "learning_rate: expected a number"),
    ("distill", {"optimizer": "adamm"}, "optimizer: got 'adamm'"),
    ("distill", {"loss": "hinges"}, "loss: got 'hinges'"),
    ("distill", {"metrics": "accuracy"}, "metrics: expected a list or tuple"),
    ("distill", {"metrics": ["acuracy"]}, "metrics: got 'acuracy'"),
    ("distill", {"callbacks": print}, "callbacks: expected a list or tuple"),
    ("distill", {"class_weight": [1, 2]}, "class_weight: expected names to values"),
    ("distill", {"seed": None}, "seed: expected a whole number, got None"),
    ("distill", {"folder": 3}, "folder: expected the path"),
    ("distill", {"folder": "FOLDER/file"}, "file is a file"),
    ("distill", {"folder": "FOLDER/r", "settings": 3}, "settings: expected names"),
    ("distill", {"folder": "FOLDER/r", "class_names": "abc"}, "class_names: expected a list"),
    ("evaluate", {"model": 3}, "model: expected .*got a int"),
    ("evaluate", {"test": TRAIN[0]}, "test: expected"),
    ("explain", {"files": "out"}, "files: expected what hintlite.quantize returns, got a str"),
    ("explain", {"samples": None}, "samples: expected"),
    ("export_c", {"files": 3}, "model: expected what hintlite.quantize returns"),
    ("export_c", {"folder": "FOLDER/full"}, "full is not empty.* new or empty"),
    ("export_c", {"folder": "FOLDER/file"}, "file is a file"),
    ("export_c", {"folder": None}, "folder: expected the path of a folder, got None"),
    ("export_c", {"name": 3}, "name: expected a text"),
    ("export_c", {"name": "My-Net"}, "choose another"),
    ("export_c", {"labels": ["a"]}, "labels: 1 name "),
    ("export_c", {"files": b"TFL3", "labels": NAMES}, "labels: these go with"),
    ("fits_board", {"board": "nano"}, r"no board 'nano'(?!.*--)"),
    ("fits_board", {"board": 3}, "board: expected the name of a board"),
    ("fits_board", {"ram": 1.5}, "ram: expected a whole number, or text"),
    ("fits_board", {"model": None, "ram": 1}, "model: expected"),
    ("fits_board", {}, r"nothing to fit into: give board(?!.*--)"),
    ("inspect", {"model": b"nonsense"}, "TFL3"),
    ("inspect", {"model": []}, "model: expected"),
    ("load_run", {"folder": 3}, "folder: expected the path"),
    ("load_run", {"folder": "FOLDER/full"}, "not a run's folder"),
    ("quantize", {"student": b"TFL3"}, "student: expected a keras.Model, got a bytes"),
    ("quantize", {"calibration": None}, "calibration: "),
    ("quantize", {"calibration": "photos/"}, "calibration: "),
    ("quantize", {"labels": NAMES[:2]}, "labels: 2 names"),
    ("quantize", {"min_agreement": "all"}, "min_agreement: expected a share"),
    ("quantize", {"min_agreement": 95}, "min_agreement must lie between 0 and 1"),
    ("quantize_aware", {"model": b"TFL3"}, "model: expected a keras.Model, got a bytes"),
    ("quantize_aware", {"bits": 3}, "expected 8 or 4, got 3"),
    ("quantize_aware", {"bits": True}, "bits: expected 8 or 4"),
    ("quantize_aware", {"bits": {"thin": 4}}, "no layer 'thin' with a kernel.* nearest are"),
    ("quantize_aware", {"input_range": (1, 2)}, "input_range: got .*with 0 within"),
    ("quantize_aware", {"input_range": 1}, "input_range: expected"),
    ("quantize_aware", {"calibration": TRAIN[1]}, "calibration: samples have the shape"),
    ("run", {"folder": None}, "folder: expected the path"),
    ("run", {"config": "mine.yaml"}, "config: expected settings, .*got a str"),
    ("run", {"config": {"arm": ["kd"]}}, "arm"),
    ("run", {"source": TRAIN}, "source: expected what from_arrays.*got a tuple of 2"),
    ("with_taps", {"model": 3}, "model: expected a keras.Model"),
    ("with_taps", {"taps": ["thin1"]}, "taps: expected"),
    ("with_taps", {"taps": {"mid": "thn1"}}, "taps.mid: .*nearest.*'thin1'"),
    ("Distiller", {"student": 3}, "expected a network and one of the phases"),
    ("Distiller", {"phase": "task"}, "expected a network and one of the phases"),
    ("Feeding", {"std": 0}, "std must be above 0"),
    ("Feeding", {"mean": "x"}, "feeding: mean is a number"),
    ("Feeding", {"raw": "int8"}, "raw is 'uint8' or 'float32'"),
]


@pytest.mark.parametrize(("name", "change", "message"), WRONG)
def test_an_argument_that_cannot_be_is_told(given, name, change, message):
    folder = given["folder"]
    before = sorted(path.name for path in folder.rglob("*"))
    placed = {
        key: folder / value[7:] if str(value).startswith("FOLDER/") else value
        for key, value in change.items()
    }
    with pytest.raises(hintlite.HintliteError, match=message):
        getattr(hintlite, name)(**given[name] | placed)
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_every_function_has_its_wrong_arguments():
    functions = set(hintlite.__all__) - {"Files", "HintliteError", "methods"}
    assert {name for name, _, _ in WRONG} == functions
    for name in functions:
        taken = inspect.signature(getattr(hintlite, name)).parameters
        assert {key for row in WRONG if row[0] == name for key in row[1]} <= set(taken)


def test_what_is_no_method_is_not_summed():
    with pytest.raises(hintlite.HintliteError, match=r"not with a str; .*'hint\+kd'"):
        hintlite.methods.KD() + "hint"


def test_names_of_classes_may_be_numbers_and_arrays(given, tmp_path):
    for place, names in (("a", range(3)), ("b", np.array(NAMES)), ("c", tuple(NAMES))):
        folder = hintlite.bundle(**given["bundle"] | {"folder": tmp_path / place, "labels": names})
        assert (folder / "labels.txt").read_text().split() == [str(name) for name in names]


def test_a_setting_that_a_method_does_not_have_is_answered_with_the_nearest():
    with pytest.raises(
        hintlite.HintliteError, match="KD has no setting 'temprature'; did you mean"
    ):
        hintlite.methods.KD(temprature=4)
    with pytest.raises(hintlite.HintliteError, match="Scratch has no setting 'epochs'"):
        hintlite.methods.Scratch(epochs=4)
    assert hintlite.methods.KD(temperature=4).temperature == 4


def test_flags_are_arguments_in_messages_from_python_but_not_in_commands():
    said = "`hintlite report x --out y` shows it; --accept_chance true goes on, as does --ram"
    expected = "`hintlite report x --out y` shows it; accept_chance=True goes on, as does ram"
    assert in_python(said) == expected
