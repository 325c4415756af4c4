"""The commands on a finished run, through the real command line."""

import importlib.util
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.run.folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of the finished run, to be changed."""
    shutil.copytree(finished_run[1], tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def without_determinism():
    """The finished run is deterministic; the tests after these are not to inherit that."""
    yield
    from tensorflow.python.framework import config

    config.disable_op_determinism()


def test_the_table_has_every_model_float_and_int8(finished_run):
    printed = (finished_run[0].parent / "stdout.txt").read_text()
    for model in ("teacher", "student, hints + KD"):
        for precision in ("float32", "int8"):
            assert re.search(
                rf"{re.escape(model)} +{precision} +[\d,]+ +[\d,]+ +[\d,]+ +\d", printed
            )
    assert "bundle/device/student_int8.tflite" in printed
    assert "times fewer parameters" in printed
    progress = (finished_run[0].parent / "stderr.txt").read_text()
    assert "teacher: task phase" in progress
    assert "oneDNN" not in progress + printed  # TensorFlow's own lines are in the log
    assert "oneDNN" in (finished_run[1] / "log.txt").read_text()


def test_every_figure_of_the_table_comes_from_the_predictions(finished_run):
    run = finished_run[1]
    metrics = json.loads((run / "evaluate" / "metrics.json").read_text())
    with np.load(run / "evaluate" / "predictions.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert set(metrics) == {name for name in arrays if ":" in name}
    for name, figure in metrics.items():
        correct = (arrays[name].argmax(1) == arrays["labels"]).sum()
        n, p, z = figure["total"], correct / figure["total"], 1.959964
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert figure["correct"] == correct
        assert figure["low"] == pytest.approx(middle - half, abs=1e-6)
        assert figure["high"] == pytest.approx(middle + half, abs=1e-6)


def test_the_parts_are_disjoint_and_calibration_is_training_data(finished_run):
    with np.load(finished_run[1] / "data" / "splits.npz", allow_pickle=False) as file:
        train, validation, test, calibration = (
            set(file[name].tolist()) for name in ("train", "validation", "test", "calibration")
        )
    parts = (train, validation, test)
    assert all(parts)
    assert len(train | validation | test) == sum(len(part) for part in parts)
    assert calibration
    assert calibration <= train


def test_only_the_evaluate_stage_can_open_the_test_data():
    opened = re.compile(r"data\.held_out|data import held_out|read_test|load_test")
    places = {
        path.relative_to(ROOT).as_posix()
        for folder in ("models", "pipeline", "deploy", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if opened.search(path.read_text()) and "pipeline/data/" not in path.as_posix()
    }
    # A program's samples are kept, test part and all, for the process and the folder of its run.
    assert places == {"pipeline/app/run/stages/evaluate.py", "pipeline/app/python/handed_over.py"}


def test_no_other_stage_opens_the_test_data(run, monkeypatch, capfd):
    def refuse(*arguments, **named):
        raise AssertionError("the test data was opened")

    monkeypatch.setattr("hintlite.pipeline.data.held_out.load_test", refuse)
    for stage in ("quantize", "bundle"):
        shutil.rmtree(run / stage)
        assert main([stage, str(run)]) == 0
    assert main(["evaluate", str(run)]) == 0  # up to date: nothing is opened
    shutil.rmtree(run / "evaluate")
    assert main(["evaluate", str(run)]) == 1
    assert "the test data was opened" in capfd.readouterr().err


def test_a_complete_stage_is_not_done_again(run, capfd):
    before = (run / "distill" / "hint+kd" / "stage.json").stat().st_mtime_ns
    assert main(["distill", str(run)]) == 0
    assert "distill/hint+kd: up to date" in capfd.readouterr().err
    assert (run / "distill" / "hint+kd" / "stage.json").stat().st_mtime_ns == before


def test_a_changed_setting_redoes_what_depends_on_it_and_nothing_else(run, capfd):
    records = {path: path.read_bytes() for path in run.rglob("stage.json")}
    assert main(["quantize", str(run), "--data.calibration_samples", "40"]) == 0
    redone = {path.relative_to(run).parent.as_posix() for path in records if changed(path, records)}
    assert redone == {"data", "samples", "quantize/teacher", "quantize/hint+kd"}
    settings = (run / "settings.yaml").read_text()
    assert "calibration_samples: 40" in settings
    assert main(["bundle", str(run), "--hint.epochs", "1"]) == 2
    assert "`hintlite distill" in capfd.readouterr().err
    assert (run / "settings.yaml").read_text() == settings  # a refused setting is not kept


def changed(path, records):
    return path.read_bytes() != records[path]


def test_a_stage_does_not_start_without_the_ones_before_it(tmp_path, capfd, run):
    assert main(["quantize", str(tmp_path / "nothing")]) == 2
    assert "is not a run folder" in capfd.readouterr().err
    shutil.rmtree(run / "teacher")
    assert main(["quantize", str(run)]) == 2
    assert "hintlite teacher" in capfd.readouterr().err


@pytest.mark.whole
def test_tensorboard_logs_are_written_on_request(run, capfd, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    words = ["distill", str(run), "--tensorboard", "--training.epochs", "1"]
    assert main(words) == 2
    assert "-m pip install 'tensorboard" in capfd.readouterr().err
    monkeypatch.undo()
    assert main(words) == 0
    assert list((run / "tensorboard" / "student-hint+kd").rglob("events.out.tfevents.*"))


def test_report_shows_what_there_is_of_one_run_or_several(run, capfd, tmp_path):
    assert (run / "report.html").is_file()  # `run` ends with it
    shutil.rmtree(run / "benchmark")
    assert main(["report", str(run), str(run), "--out", str(tmp_path / "page")]) == 0
    assert "hints + KD" in (tmp_path / "page" / "report.html").read_text()
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_bundle_check_names_the_file_that_was_changed(run, capfd):
    assert main(["bundle", str(run), "--check"]) == 0
    labels = run / "bundle" / "device" / "labels.txt"
    labels.write_text(labels.read_text().replace("0", "O"))
    assert main(["bundle", str(run), "--check"]) == 1
    assert "labels.txt" in capfd.readouterr().err


def test_bundle_writes_the_student_as_c_that_compiles(run):
    assert main(["bundle", str(run), "--mcu", "c", "--name", "tiny_digits"]) == 0
    folder = run / "mcu" / "c" / "tiny_digits"
    assert "TINY_DIGITS_ARENA_BYTES" in (folder / "tiny_digits.h").read_text()
    if shutil.which("gcc") is None:
        assert "CI" not in os.environ
        pytest.skip("no C compiler: apt-get install gcc")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-c"]
    sources = sorted(path.name for path in folder.glob("*.c"))
    subprocess.run(["gcc", *flags, *sources], cwd=folder, check=True)


def test_an_emulated_cortex_m_gives_the_bundles_own_outputs(run, capfd):
    if shutil.which("qemu-system-arm") is None or shutil.which("arm-none-eabi-gcc") is None:
        assert "CI" not in os.environ
        pytest.skip("apt-get install qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi")
    assert main(["benchmark", str(run), "--target", "cortex-m4"]) == 0
    printed = capfd.readouterr().out
    result = json.loads((run / "targets" / "cortex-m4" / "result.json").read_text())
    assert result["kind"] == "simulated"
    assert result["latency_us"] is None
    assert result["verdict"]["state"] == "valid"
    count = result["raw"]["instructions_per_inference"]
    assert f"{count:,} instructions an inference" in printed
    layers = sum(layer["instructions"] for layer in result["raw"]["layers"])
    assert layers == pytest.approx(count, rel=0.1)  # the call itself is no layer
    assert result["raw"]["tflm_arena_bytes_x86_64"] > result["raw"]["arena_bytes"]


def test_a_run_becomes_a_tflm_project_and_is_run_in_tflm(run, capfd):
    if importlib.util.find_spec("tflite_micro") is None:
        assert "CI" not in os.environ
        pytest.skip("pip install tflite-micro")
    assert main(["bundle", str(run), "--mcu", "tflm", "--name", "tiny_digits", "--strip"]) == 0
    folder = run / "mcu" / "tflm" / "tiny_digits"
    assert "namespace tiny_digits {" in (folder / "model_settings.h").read_text()
    assert "tiny_digits_labels[]" in (folder / "labels.h").read_text()
    assert "The bundle's first sample" in (folder / "test_sample.h").read_text()
    assert main(["benchmark", str(run), "--target", "tflm"]) == 0
    assert "arena on a 32-bit target, estimated" in capfd.readouterr().out
    result = json.loads((run / "targets" / "tflm" / "result.json").read_text())
    assert result["kind"] == "simulated"
    assert result["accuracy"]["total"] == 8
    assert result["raw"]["unexplained_bytes"] == {"persistent": 0, "non_persistent": 0}


def test_predict_answers_for_pictures_and_arrays(run, tmp_path, capfd):
    from PIL import Image

    with np.load(run / "bundle" / "device" / "samples.npz", allow_pickle=False) as samples:
        raw = samples["inputs"][0]
    np.save(tmp_path / "sample.npy", raw)
    # Digits count 0 to 16; a picture of the same digit counts 0 to 255.
    picture = np.rint(raw[..., 0] * (255 / 16)).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "sample.png")
    images = [str(tmp_path / "sample.npy"), str(tmp_path / "sample.png")]
    assert main(["predict", str(run), *images, "--json"]) == 0
    first, second = json.loads(capfd.readouterr().out)
    assert first["label"] == second["label"]
    assert first["probability"] == pytest.approx(second["probability"], abs=1e-3)
    model = run / "bundle" / "device" / "student_int8.tflite"
    assert main(["predict", str(model), images[0], "--json"]) == 0
    assert json.loads(capfd.readouterr().out)[0]["label"] == first["label"]


@pytest.mark.parametrize(
    ("place", "image", "said"),
    [
        ("run/quantize/hint+kd/student_int8.tflite", "x.png", "no manifest.json"),
        ("run", "missing.png", "missing.png"),
        ("nowhere", "x.png", "is not a run folder and holds no bundle"),
    ],
)
def test_predict_explains_what_is_missing(run, place, image, said, capfd):
    assert main(["predict", str(run.parent / place), str(run.parent / image)]) == 2
    error = capfd.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_inspect_shows_any_model_and_refuses_other_files(run, capfd):
    model = run / "quantize" / "hint+kd" / "student_int8.tflite"
    assert main(["inspect", str(model)]) == 0
    printed = capfd.readouterr().out
    assert "CONV_2D" in printed
    assert "full INT8" in printed
    assert main(["inspect", str(model), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["is_full_int8"] is True
    (run / "x.tflite").write_text("not a model")
    assert main(["inspect", str(run / "x.tflite")]) == 2
    assert "x.tflite" in capfd.readouterr().err
    assert main(["inspect", str(run / "missing.tflite")]) == 2


def test_doctor_finds_everything_here_and_says_what_is_not(capfd, monkeypatch):
    assert main(["doctor", "--json"]) == 0
    findings = json.loads(capfd.readouterr().out)
    assert {"Python", "tensorflow", "keras", "import hintlite"} <= {f["what"] for f in findings}
    from packaging.requirements import Requirement

    from hintlite.pipeline.app.look import doctor

    missing = doctor.package(Requirement("no-such-package>=1"))
    assert (missing.state, "pip install 'no-such-package>=1'" in missing.cure) == ("problem", True)
    absent = doctor._program("no-such-program", "android", "no-such-package")
    assert (absent.state, absent.cure) == ("optional", "apt-get install no-such-package")
    old = doctor.package(Requirement("numpy<1"))
    assert old.state == "problem"


def test_doctor_warns_of_a_foreign_package_with_our_name(tmp_path, monkeypatch):
    from hintlite.pipeline.app.look import doctor

    assert doctor.shadow("models", ROOT).state == "ok"
    found = doctor.shadow("models", tmp_path)  # seen from elsewhere, ours is the foreign one
    assert found.state == "problem"
    assert "hides" in found.detail


def command(*words):
    return [sys.executable, "-m", "hintlite", *words]


@pytest.mark.processes
def test_work_on_the_files_of_a_finished_run_does_not_wait_for_tensorflow(run):
    for stage in ("evaluate", "bundle", "benchmark"):
        shutil.rmtree(run / stage)
    words = (
        ["evaluate"],
        ["bundle", "--mcu", "c"],
        ["bundle", "--mcu", "tflm", "--for_device"],
        ["benchmark"],
        ["quantize", "--explain", "--samples", "8"],
        ["run"],
        ["report"],
        ["fit", "--board", "nano33ble"],
    )
    program = (
        "import sys\n"
        "from hintlite.pipeline.app.cli.main import main\n"
        f"done = [main([name, {str(run)!r}, *more]) for name, *more in {words!r}]\n"
        "print(done, {'tensorflow', 'keras'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.splitlines()[-1] == f"{[0] * len(words)} set()", done.stderr


@pytest.mark.processes
def test_a_full_disk_leaves_nothing_half_written(finished_run, tmp_path):
    """A limit on file size makes the kernel refuse the write, as a full disk does."""
    settings, _ = finished_run

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = command("run", str(tmp_path / "run"), "--config", str(settings), "--verbose")
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, preexec_fn=limit, timeout=300
    )
    assert done.returncode == 1
    assert "no room left to write" in done.stderr
    assert "oneDNN" in done.stderr  # --verbose leaves TensorFlow's own lines on the terminal
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "data" / "stage.json").is_file()
    assert not (tmp_path / "run" / "teacher" / "0").exists()


@pytest.mark.processes
def test_ctrl_c_ends_with_130_and_the_lock_is_free(finished_run, tmp_path):
    settings, run = finished_run[0], tmp_path / "run"
    words = command("run", str(run), "--config", str(settings), "--training.epochs", "500")
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not (run / "distill" / "hint+kd.partial" / "history.csv").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 130, error
    assert "the same command goes on from here" in error
    assert not (run / "distill" / "hint+kd").exists()
    with RunFolder(run).lock():
        assert (run / ".lock").read_text() == str(os.getpid())
