"""What is kept of a fine-tuning: files, control, refusal. Training and judging are stood in for."""

from types import SimpleNamespace

import pytest

from hintlite.pipeline.app.run.context import StageError
from hintlite.pipeline.app.run.qat import outcome as qat_outcome
from hintlite.pipeline.qat.job import Job
from hintlite.pipeline.settings.quantize import QATConfig, QuantizeConfig

JOB = Job(True, epochs=1, learning_rate=1e-4, batch_size=8, freeze_norm_after=1, seed=0)


@pytest.fixture
def jobs(monkeypatch):
    """The jobs that were asked for; each gives a file of its own, and nothing is wrong with it."""
    asked = []

    def fine_tune_job(terminal, shared, name, job, title):
        asked.append((name, job.quantized, title))
        return SimpleNamespace(content=f"{name} file".encode())

    monkeypatch.setattr(qat_outcome, "fine_tune_job", fine_tune_job)
    monkeypatch.setattr(qat_outcome, "acceptance_report", lambda *parts: {"failures": []})
    return asked


def task(control):
    files = {"float32": b"float", "int8": b"calibrated", "float16": b"half"}
    return qat_outcome.Task(
        before=SimpleNamespace(files=files),
        data=None,
        job=JOB,
        bounds=QuantizeConfig(),
        config=QATConfig(control=control),
        name="'hint+kd'",
        cure="qat.epochs",
        suffix=", hint+kd",
    )


def test_the_calibrated_file_stays_beside_the_fine_tuned_one_and_its_control(jobs, tmp_path):
    kept = qat_outcome.fine_tune(None, tmp_path, task(control=True))
    assert kept.files == {
        "float32": b"float",
        "float16": b"half",
        "int8_ptq": b"calibrated",
        "int8": b"qat file",
        "float32_control": b"control file",
    }
    assert jobs == [
        ("qat", True, "INT8 in the loop, hint+kd"),
        ("control", False, "float, trained on, hint+kd"),
    ]


def test_without_a_control_nothing_is_trained_in_float(jobs, tmp_path):
    kept = qat_outcome.fine_tune(None, tmp_path, task(control=False))
    assert "float32_control" not in kept.files
    assert [name for name, *_ in jobs] == ["qat"]


def test_a_broken_bound_is_told_with_the_name_and_the_cure(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(
        qat_outcome, "acceptance_report", lambda *parts: {"failures": ["Nine steps apart."]}
    )
    with pytest.raises(StageError, match=r"'hint\+kd' is not good enough.*\n  Nine steps apart.\n"):
        qat_outcome.fine_tune(None, tmp_path, task(control=True))


def test_files_are_written_under_the_callers_names(jobs, tmp_path):
    kept = qat_outcome.fine_tune(None, tmp_path, task(control=False))
    network = SimpleNamespace(save=lambda path: path.write_text("network"))
    kept.tuned.network = lambda: network
    kept.write(tmp_path, lambda precision: f"my_{precision}.tflite", "my.keras")
    assert (tmp_path / "my_int8.tflite").read_bytes() == b"qat file"
    assert (tmp_path / "my_int8_ptq.tflite").read_bytes() == b"calibrated"
    assert (tmp_path / "my.keras").read_text() == "network"
    assert {path.suffix for path in tmp_path.iterdir()} == {".tflite", ".keras"}
    assert not (tmp_path / "writing.keras").exists()
