"""`hintlite study` as it is used: interrupted, killed, gone on with here and elsewhere."""

import os
import shutil
import signal
import subprocess

import pytest
from in_process import hintlite
from study_command import EPOCHS, finish, records, start, wait_for_training, write_study

from hintlite.pipeline.app.experiments.studies.records import RecordError, read_records
from hintlite.pipeline.app.run.folder import RunFolder

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def survivor(tmp_path_factory):
    """A study whose teacher's training met Ctrl-C and one of whose students met SIGKILL."""
    place = tmp_path_factory.mktemp("study")
    study, folder = write_study(place, ["scratch", "kd"], seeds=[0]), place / "study"
    facts = {"study": study, "folder": folder}

    process = start(study, folder, "--jobs", "2")
    _, facts["taught"] = wait_for_training(process, folder / "teachers", "teacher")
    process.send_signal(signal.SIGINT)
    facts["interrupted"] = process.communicate(timeout=300)[1], process.returncode

    process = start(study, folder, "--jobs", "2")
    facts["killed"], progress = wait_for_training(process, folder / "work", "distill")
    os.kill(progress.worker, signal.SIGKILL)
    facts["one lost"] = process.communicate(timeout=500)[1], process.returncode
    facts["left"] = {path: path.read_bytes() for path in (folder / "runs").glob("*.json")}

    facts["completed"] = finish(study, folder)
    return facts


def test_ctrl_c_stops_every_process_and_says_so(survivor):
    error, code = survivor["interrupted"]
    assert code == 130, error
    assert "the same command goes on from here" in error
    with pytest.raises(ProcessLookupError):
        os.kill(survivor["taught"].worker, 0)


def test_a_run_that_dies_is_reported_and_does_not_stop_the_others(survivor):
    error, code = survivor["one lost"]
    assert code == 1
    assert "1 of the runs failed; the same command tries them again" in error
    assert "seed 0: its process was ended by SIGKILL" in error
    assert "Traceback" not in error
    students = [path for path in survivor["left"] if not path.name.startswith("teacher")]
    assert len(students) == 1
    assert survivor["killed"].name != students[0].stem


def test_the_same_command_does_what_is_missing_and_nothing_twice(survivor):
    code, out, error = survivor["completed"]
    assert code == 0, error
    assert "2 runs: 1 finished before, 1 to do, and 0 teacher(s) to train" in error
    for path, content in survivor["left"].items():
        assert path.read_bytes() == content
    found = {record["id"]: record for record in records(survivor["folder"]).values()}
    assert sorted(record["arm"] for record in found.values()) == ["kd", "scratch"]
    killed = found[survivor["killed"].name]
    assert killed["tries"] == 2
    assert killed["history"][f"distill/{killed['arm']}"]["task"]["epochs"] == EPOCHS
    (teacher,) = records(survivor["folder"], "teacher").values()
    assert teacher["tries"] == 2
    assert {record["teacher"]["weights_sha256"] for record in found.values()} == {
        teacher["weights_sha256"]
    }
    assert f"report: {survivor['folder'] / 'report.html'}" in out


def test_a_record_says_what_came_out_and_how(survivor):
    for record in records(survivor["folder"]).values():
        for precision in ("float32", "int8"):
            tested = record["test"][precision]
            assert tested["accuracy"] == tested["correct"] / tested["total"]
            assert 0 <= record["validation"][precision] <= 1
        assert record["settings"]["arms"] == [record["arm"]]
        # The runs shared a cache in the study's folder; records are for other machines too.
        assert record["settings"]["cache"]["folder"] is None
        assert record["wall_s"]["distill"] > 0
        assert record["cpu_s"]["distill"] > 0
        assert record["machine"]["cores"] == os.cpu_count()
        assert record["versions"]["keras"].startswith("3.")
        assert record["teacher"]["test"]["int8"]["total"] == tested["total"]


def test_of_a_finished_run_the_student_stays_and_the_rest_goes(survivor):
    folder = survivor["folder"]
    assert not list((folder / "work").iterdir())
    assert (folder / ".teacher_cache").is_dir()  # one for all runs
    for path in records(folder):
        kept = {each.name for each in (folder / "models" / path.stem).iterdir()}
        assert kept == {"student.keras", "student_int8.tflite", "history.csv"}
    assert (next((folder / "teachers").iterdir()) / "teacher" / "0" / "network.keras").is_file()


def test_the_report_of_few_seeds_has_no_interval_and_says_so(survivor):
    text = (survivor["folder"] / "report.md").read_text()
    assert "Fewer than 3 seeds, so no interval and no test: scratch, kd." in text
    assert "too few pairs" in text
    assert "</html>" in (survivor["folder"] / "report.html").read_text()


def test_another_machine_goes_on_from_the_records_alone(survivor, tmp_path):
    # Killed and gone on with there, undisturbed here: the same but for rounding, which no library
    # promises. The samples lie at another place here.
    there, study = survivor["folder"], write_study(tmp_path, ["scratch", "kd"], seeds=[0])
    shutil.copytree(there / "runs", tmp_path / "runs")
    (tmp_path / "runs" / f"{survivor['killed'].name}.json").unlink()
    before = {path: path.read_bytes() for path in (tmp_path / "runs").iterdir()}
    # Another number of threads would change the last digits of the teacher's weights.
    code, _, error = finish(study, tmp_path, "--keep", "nothing", "--jobs", "2")
    assert code == 0, error
    assert "1 finished before, 1 to do, and 1 teacher(s) to train" in error
    ours, theirs = (
        records(folder)[folder / "runs" / f"{survivor['killed'].name}.json"]
        for folder in (tmp_path, there)
    )
    assert ours["tries"] == 1
    for same in ("parameters", "bytes", "identity"):
        assert ours[same] == theirs[same], same
    (arm,) = ours["history"]
    best, other = (run["history"][arm]["task"]["best"] for run in (ours, theirs))
    assert best["epoch"] == other["epoch"] == EPOCHS
    assert best["val_loss"] == pytest.approx(other["val_loss"], rel=1e-3)
    assert ours["teacher"]["key"] == theirs["teacher"]["key"]
    untouched = [path for path in before if not path.name.startswith("teacher")]
    assert all(path.read_bytes() == before[path] for path in untouched)
    assert not (tmp_path / "models").exists()
    # All is there now: nothing is begun.
    done = hintlite("study", study, "--folder", tmp_path)
    assert (done.returncode, "2 finished before, 0 to do" in done.stderr) == (0, True)


def test_only_the_report_is_made_from_what_is_there(survivor, tmp_path):
    words = ("study", survivor["study"], "--report", "--folder")
    done = hintlite(*words, tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert "unfinished: 0 of 2 runs are there" in done.stdout
    done = hintlite(*words, tmp_path / "other", "--results", survivor["folder"] / "runs")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "other" / "report.json").read_bytes() == (
        survivor["folder"] / "report.json"
    ).read_bytes()
    assert not (tmp_path / "other" / "runs").exists()


def test_a_record_that_was_changed_or_renamed_is_refused(survivor, tmp_path):
    path = next(iter(records(survivor["folder"])))
    for name, content, said in (
        ("0123456789abcdef.json", path.read_text(), "renamed or changed"),
        (path.name, path.read_text().replace('"epochs": 12', '"epochs": 13'), "renamed or changed"),
        (path.name, path.read_text()[:-40], "cannot be read"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(RecordError, match=said):
            read_records(tmp_path)
        (tmp_path / name).unlink()
    (tmp_path / "package.json").write_text('{"schema": "something else"}')
    assert read_records(tmp_path).students == {}


def test_a_run_that_another_command_is_doing_is_left_to_it(survivor, tmp_path):
    """The second of two commands waits for the first's run, and then does not repeat it."""
    shutil.copytree(survivor["folder"], tmp_path / "study", symlinks=True)
    name = f"{survivor['killed'].name}.json"
    record = (tmp_path / "study" / "runs" / name).read_bytes()
    (tmp_path / "study" / "runs" / name).unlink()
    with RunFolder(tmp_path / "study" / "work" / survivor["killed"].name).lock():
        process = start(survivor["study"], tmp_path / "study")
        while "0 teacher(s) to train" not in process.stderr.readline():
            assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        (tmp_path / "study" / "runs" / name).write_bytes(record)
    _, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    assert (tmp_path / "study" / "runs" / name).read_bytes() == record
