"""`hintlite quantize --method qat` on a run, and `hintlite qat` on a model of one's own."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from in_process import hintlite
from qat_networks import tiny

from hintlite.deploy.tflite.inspect import inspect
from hintlite.errors import SettingsError
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.run.qat.job import conversion_failures
from hintlite.pipeline.app.run.qat.stage import has_soft_targets
from hintlite.pipeline.qat.job import Outcome
from hintlite.pipeline.qat.launch import NEEDED
from hintlite.pipeline.settings.quantize import QATConfig
from hintlite.pipeline.settings.run import RunConfig

MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

if MISSING and not os.environ.get("CI"):
    needs = " ".join(f"'{NEEDED[name]}'" for name in MISSING)
    pytest.skip(f"not installed: pip install {needs}", allow_module_level=True)

QUICK = ["--qat.epochs", "1", "--qat.min_conversion_agreement", "0.9"]
EASY = ["--accept_chance", "--min_agreement", "0", "--max-drop", "100"]
EASY += ["--min_conversion_agreement", "0.9"]


@pytest.fixture(scope="module")
def tuned_run(finished_run, tmp_path_factory):
    """A copy of the finished run, quantized anew by fine-tuning, up to its table."""
    run = tmp_path_factory.mktemp("qat") / "run"
    shutil.copytree(finished_run[1], run)
    done = hintlite("quantize", run, "--method", "qat", *QUICK)
    assert done.returncode == 0, done.stderr
    table = hintlite("run", run)
    assert table.returncode == 0, table.stderr
    return run, done.stderr, table


@pytest.mark.processes
def test_a_run_has_the_file_its_control_and_the_calibrated_one(tuned_run):
    run, said, _ = tuned_run
    place = run / "quantize" / "hint+kd"
    files = {path.name for path in place.iterdir()}
    assert files == {
        *("student_float32.tflite", "student_int8.tflite", "student_int8_ptq.tflite"),
        *("student_float32_control.tflite", "student_qat.keras", "verify.json", "stage.json"),
        "scores.json",
    }
    for name in ("student_int8.tflite", "student_int8_ptq.tflite"):
        assert inspect(place / name).not_int8_reasons == ()
    assert (place / "student_int8.tflite").read_bytes() != (
        place / "student_int8_ptq.tflite"
    ).read_bytes()
    assert "float trained on as long" in said
    assert "choose alike" in said


@pytest.mark.processes
def test_verify_json_has_every_accuracy_and_both_comparisons(tuned_run):
    report = json.loads((tuned_run[0] / "quantize/hint+kd/verify.json").read_text())
    qat = report["qat"]
    assert report["ok"]
    assert set(qat["validation_accuracy"]) == {"float32", "float32_control", "int8_ptq", "int8"}
    assert qat["validation_accuracy"]["int8"] == report["figures"]["int8_accuracy"]
    assert qat["soft_targets"] is True  # the arm has kd
    assert 0 < qat["max_difference_steps"] <= qat["max_difference_steps_allowed"]
    assert qat["agreement"] >= 0.9
    assert qat["rebuilt_difference"] <= 1e-5
    assert len(qat["history"]) == len(qat["control"]["history"]) == 2


@pytest.mark.processes
def test_the_table_has_the_control_beside_the_fine_tuned_student(tuned_run):
    run, _, table = tuned_run
    lines = [line for line in table.stdout.splitlines() if line.startswith("student, hints + KD ")]
    assert [line.split()[4] for line in lines] == ["float32", "float32_control", "int8_ptq", "int8"]
    assert "trained on as long without quantization" in table.stdout
    metrics = json.loads((run / "evaluate" / "metrics.json").read_text())
    assert "teacher:int8_ptq" not in metrics  # teachers are calibrated
    with np.load(run / "evaluate" / "predictions.npz", allow_pickle=False) as file:
        arrays = dict(file)
    for name in ("float32", "float32_control", "int8_ptq", "int8"):
        right = (arrays[f"hint+kd:{name}"].argmax(axis=1) == arrays["labels"]).sum()
        assert metrics[f"hint+kd:{name}"]["correct"] == right
    assert "INT8, calibrated" in (run / "report.html").read_text()


@pytest.mark.processes
def test_a_later_command_knows_the_method_and_does_nothing_again(tuned_run):
    run, _, table = tuned_run
    assert "quantize/hint+kd: up to date" in table.stderr
    assert "method: qat" in (run / "settings.yaml").read_text()


def test_calibration_alone_is_what_it_was_before_there_was_a_choice(finished_run):
    record = json.loads((finished_run[1] / "quantize/hint+kd/stage.json").read_text())
    assert "method" not in record["settings"]["quantize"]
    assert "qat" not in record["settings"]


@pytest.mark.slow(
    modules=["hintlite.pipeline.app.qat", "hintlite.pipeline.app.run.qat", "hintlite.pipeline.qat"]
)
def test_a_bound_on_the_conversion_fails_the_stage(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run[1], run)
    bound = ["--qat.max_difference_steps", "0.0001", "--qat.control", "false"]
    done = hintlite("quantize", run, "--method", "qat", *QUICK, *bound)
    assert done.returncode == 1
    assert "steps from the fake-quantized network's, expected at most 0.0001" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("agreement", "steps", "words"),
    [
        (0.99, 8.0, []),
        (0.99, 8.1, ["8.1 steps from the fake-quantized network's, expected at most 8"]),
        (0.97, 1.0, ["97.00% of the samples, expected at least 98.00%"]),
        (float("nan"), float("nan"), ["nan steps", "nan% of the samples"]),
    ],
)
def test_each_broken_bound_of_the_conversion_is_a_sentence(agreement, steps, words):
    outcome = Outcome(1, 0.9, 0.3, 0.9, agreement, steps, 0.0)
    failures = conversion_failures(outcome, QATConfig())
    assert len(failures) == len(words)
    assert all(word in failure for word, failure in zip(words, failures, strict=True))


@pytest.mark.parametrize(
    ("wanted", "arm", "expected"),
    [
        ("as_arm", "hint+kd", True),
        ("as_arm", "scratch", False),
        ("always", "scratch", True),
        ("never", "kd", False),
    ],
)
def test_soft_targets_are_kept_where_the_arm_had_them(wanted, arm, expected):
    class Settings:
        config = RunConfig(qat=QATConfig(soft_targets=wanted))

    assert has_soft_targets(Settings, arm) is expected


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 0}, {"learning_rate": 0.0}, {"soft_targets": "yes"}, {"freeze_norm_after": -1}],
)
def test_settings_that_cannot_work_are_refused(settings):
    (name,) = settings
    with pytest.raises(SettingsError, match=f"qat.{name}"):
        QATConfig(**settings)


def test_an_unknown_method_is_refused_with_the_known_ones(capsys):
    assert main(["run", "--quantize.method", "qta"]) == 2
    assert "quantize.method must be one of ptq, qat" in capsys.readouterr().err


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "mine.keras"
    tiny().save(path)
    return path


def tune(model, out, *more):
    words = ["qat", model, "--data", "digits", "--limit", "300", "--calibration_samples", "50"]
    return [*words, "--learning_rate", "0.005", "--out", out, *EASY, *more]


@pytest.fixture(scope="module")
def tuned_model(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned") / "out"
    words = ("--epochs", "3", "--control", "--deterministic", "--json")
    done = hintlite(*tune(model, out, *words))
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


@pytest.mark.slow(
    modules=["hintlite.pipeline.app.qat", "hintlite.pipeline.app.run.qat", "hintlite.pipeline.qat"]
)
def test_a_model_of_ones_own_becomes_a_full_int8_file_and_a_record(tuned_model):
    out, printed = tuned_model
    record = json.loads((out / "model" / "qat.json").read_text())
    assert record == printed
    assert set(record["files"]) == {"float32", "float32_control", "int8_ptq", "int8"}
    for precision, name in record["files"].items():
        assert (out / "model" / name).stat().st_size == record["bytes"][precision]
    assert inspect(out / "model" / "mine_int8.tflite").not_int8_reasons == ()
    accuracy = record["qat"]["validation_accuracy"]
    assert accuracy["int8"] > accuracy["float32"] + 0.2  # the model was not trained before
    keras.saving.load_model(out / "model" / "fine_tuned.keras", safe_mode=True)
    names = {path.name for path in (out / "model").iterdir()}
    assert names == {*record["files"].values(), "fine_tuned.keras", "qat.json", "stage.json"}


@pytest.mark.slow(
    modules=["hintlite.pipeline.app.qat", "hintlite.pipeline.app.run.qat", "hintlite.pipeline.qat"]
)
def test_a_killed_command_leaves_no_process_and_goes_on_to_the_same_file(
    model, tuned_model, tmp_path
):
    words = tune(model, tmp_path / "out", "--epochs", "3", "--control", "--deterministic")
    command = [sys.executable, "-m", "hintlite", *map(str, words)]
    job = tmp_path / "out" / "model.partial" / "work" / "qat"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        _wait((job / "checkpoint.npz").exists, process)
        process.send_signal(signal.SIGKILL)
    _wait(lambda: not _processes(job))
    assert not (tmp_path / "out" / "model").exists()
    done = hintlite(*words)
    assert done.returncode == 0, done.stderr
    for name in ("mine_int8.tflite", "mine_float32_control.tflite"):
        ours, whole = (out / "model" / name for out in (tmp_path / "out", tuned_model[0]))
        assert ours.read_bytes() == whole.read_bytes()


def _wait(true, process=None):
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        assert process is None or process.poll() is None
        time.sleep(0.02)


def _processes(folder):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path] if str(folder).encode() in path.read_bytes().split(b"\0") else []
        except OSError:
            continue
    return found


def test_a_layer_that_cannot_be_carried_over_ends_in_a_sentence(tmp_path, capsys):
    image = keras.Input((8, 8, 1))
    x = keras.layers.LayerNormalization(name="norm")(keras.layers.Conv2D(2, 3)(image))
    path = tmp_path / "odd.keras"
    keras.Model(image, keras.layers.Dense(10)(keras.layers.Flatten()(x))).save(path)
    assert main(list(map(str, tune(path, tmp_path / "out")))) == 1
    error = capsys.readouterr().err
    assert "layer 'norm' (LayerNormalization)" in error
    assert "use BatchNormalization" in error


def test_a_model_for_other_data_is_refused(model, tmp_path, capsys):
    path = tmp_path / "three.npz"
    x = np.random.default_rng(0).integers(0, 256, (90, 8, 8, 1), np.uint8)
    np.savez(path, x=x, y=np.arange(90) % 3)
    words = ["qat", str(model), "--data", str(path), "--out", str(tmp_path / "out")]
    assert main([*words, "--calibration_samples", "9"]) == 2
    assert "3 classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["no.keras", "--data", "digits"], "expected a .keras file"),
        (["MODEL", "--data", "digits", "--epochs", "0", "--control"], "--epochs 0 trains nothing"),
        (["MODEL", "--data", "nowhere"], "an .npz file"),
        (["MODEL", "--data", "digits", "--normalization", "caffe"], "one of unit, standard"),
        (["MODEL", "--data", "digits", "--epochs", "-1"], "qat.epochs must be 1 or more"),
        (["MODEL", "--data", "digits", "--teacher", "no.keras"], "--teacher no.keras"),
        (["MODEL"], "required: --data DATA"),
    ],
)
def test_wrong_use_is_told_before_anything_is_loaded(model, words, expected, capsys):
    words = [str(model) if word == "MODEL" else word for word in words]
    assert main(["qat", *words]) == 2
    assert expected in capsys.readouterr().err


def test_the_help_shows_examples(capsys):
    assert main(["qat", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "hintlite qat mine.keras --data photos/" in printed
    assert "--max_drop" in printed
