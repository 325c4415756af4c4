"""Stages appear whole or not at all, and are redone when what they depend on has changed."""

import json
import multiprocessing
import os
import subprocess
import sys

import pytest

from hintlite.files import write_whole
from hintlite.pipeline.app.run import folder as pipeline_folder
from hintlite.pipeline.app.run.folder import RECORD, RunError, RunFolder, Stage


def stage(name, work, inputs=(), settings=None, version=1, libraries=("numpy",), resumes=False):
    return Stage(name, version, settings or {}, inputs, libraries, work, resumes)


def writer(text, name="out.txt"):
    return lambda folder: (folder / name).write_text(text)


def test_a_stage_is_done_once(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.complete(stage("a", writer("1")))
    assert not folder.complete(stage("a", writer("2")))
    assert (tmp_path / "a" / "out.txt").read_text() == "1"
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["out.txt", RECORD]
    assert not folder.partial("a").exists()


@pytest.mark.parametrize(
    "changed", [{"settings": {"x": 2}}, {"version": 2}, {"libraries": ("numpy", "scipy")}]
)
def test_a_change_redoes_the_stage(tmp_path, changed):
    folder = RunFolder(tmp_path)
    folder.complete(stage("a", writer("1")))
    assert folder.complete(stage("a", writer("2"), **changed))
    assert (tmp_path / "a" / "out.txt").read_text() == "2"


def test_a_library_upgrade_redoes_the_stage(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.complete(stage("a", writer("1")))
    monkeypatch.setattr("hintlite.pipeline.app.run.folder.metadata.version", lambda name: "99.0")
    assert folder.complete(stage("a", writer("2")))


def test_other_output_of_an_input_redoes_what_reads_it_and_nothing_else(tmp_path):
    folder = RunFolder(tmp_path)
    reader, other = stage("b", writer("b"), inputs=("a",)), stage("c", writer("c"))
    for each in (stage("a", writer("1")), reader, other):
        folder.complete(each)
    folder.complete(stage("a", writer("2"), version=2))
    assert folder.complete(reader)
    assert not folder.complete(other)


def test_a_file_changed_by_hand_is_not_used(tmp_path):
    folder = RunFolder(tmp_path)
    folder.complete(stage("a", writer("1")))
    (tmp_path / "a" / "out.txt").write_text("tampered")
    assert folder.complete(stage("a", writer("1")))
    assert (tmp_path / "a" / "out.txt").read_text() == "1"


@pytest.mark.parametrize("resumes", [True, False])
def test_a_stage_that_fails_leaves_the_old_result_and_can_go_on(tmp_path, resumes):
    folder = RunFolder(tmp_path)
    folder.complete(stage("a", writer("1")))

    def fails(place):
        (place / "half.txt").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        folder.complete(stage("a", fails, version=2, resumes=resumes))
    assert (tmp_path / "a" / "out.txt").read_text() == "1"
    seen = []

    def goes_on(place):
        seen.append((place / "half.txt").exists())

    folder.complete(stage("a", goes_on, version=2, resumes=resumes))
    assert seen == [resumes]


def test_what_an_interrupted_try_with_other_settings_left_is_thrown_away(tmp_path):
    folder = RunFolder(tmp_path)

    def fails(place):
        (place / "half.txt").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        folder.complete(stage("a", fails, resumes=True))
    seen = []
    other = stage(
        "a", lambda place: seen.append((place / "half.txt").exists()), version=2, resumes=True
    )
    folder.complete(other)
    assert seen == [False]


@pytest.mark.parametrize("rename", [0, 1])
def test_a_kill_between_the_renames_loses_nothing(tmp_path, monkeypatch, rename):
    folder = RunFolder(tmp_path)
    folder.complete(stage("a", writer("1")))
    real, calls = os.rename, []

    def dies(*arguments):
        calls.append(arguments)
        if len(calls) == rename + 1:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr("hintlite.pipeline.app.run.folder.os.rename", dies)
    with pytest.raises(KeyboardInterrupt):
        folder.complete(stage("a", writer("2"), version=2))
    monkeypatch.undo()
    assert not folder.complete(stage("a", writer("never"), version=2))
    assert (tmp_path / "a" / "out.txt").read_text() == "2"
    assert not list(tmp_path.glob("*.old"))


def trains(passed):
    """A stage whose work leaves a checkpoint, and goes on from one; notes what it finds."""

    def work(place):
        passed.append((place / "checkpoint.npz").exists())
        (place / "checkpoint.npz").write_text("state")
        (place / "shared").mkdir(exist_ok=True)
        (place / "shared" / "samples.npz").write_text("samples")
        (place / "student.keras").write_text("weights")

    return Stage("a", 1, {}, (), (), work, resumes=True, scratch=("checkpoint.npz", "shared"))


def contents(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_serves_to_go_on_is_no_part_of_a_complete_stage(tmp_path):
    folder, passed = RunFolder(tmp_path), []
    assert folder.complete(trains(passed))
    assert contents(tmp_path / "a") == [RECORD, "student.keras"]
    assert set(folder.outputs("a")) == {"student.keras"}
    assert not folder.complete(trains(passed))
    assert passed == [False]


def test_a_full_disk_at_the_last_moment_leaves_something_to_go_on_from(tmp_path, monkeypatch):
    folder, passed = RunFolder(tmp_path), []
    real = write_whole

    def full(path, text):
        if path.name == RECORD:
            raise OSError(28, "No space left on device")
        real(path, text)

    with monkeypatch.context() as patch:
        patch.setattr("hintlite.pipeline.app.run.folder.write_whole", full)
        with pytest.raises(OSError, match="No space"):
            folder.complete(trains(passed))
    assert folder.complete(trains(passed))
    assert passed == [False, True]
    assert contents(tmp_path / "a") == [RECORD, "student.keras"]


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_a_kill_while_a_complete_stage_is_tidied_repeats_nothing(tmp_path, monkeypatch, removed):
    folder, passed, calls = RunFolder(tmp_path), [], []
    real = pipeline_folder._remove

    def dies(path):
        calls.append(path)
        if len(calls) == removed + 1:
            raise KeyboardInterrupt
        real(path)

    with monkeypatch.context() as patch:
        patch.setattr("hintlite.pipeline.app.run.folder._remove", dies)
        with pytest.raises(KeyboardInterrupt):
            folder.complete(trains(passed))
    assert not folder.complete(trains(passed))
    assert passed == [False]
    assert contents(tmp_path / "a") == [RECORD, "student.keras"]


def test_a_complete_folder_of_an_older_release_is_taken_as_it_is(tmp_path):
    """It removed checkpoint and key first; it was killed before the rename."""
    folder, passed = RunFolder(tmp_path), []
    folder.complete(trains(passed))
    os.rename(tmp_path / "a", tmp_path / "a.partial")
    assert not folder.complete(trains(passed))
    assert passed == [False]


def test_what_a_killed_writer_left_is_no_part_of_the_stage(tmp_path):
    folder = RunFolder(tmp_path)

    def dies(place):
        (place / ".summary.json.123-0123abcd.tmp").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.complete(stage("a", dies, resumes=True))
    folder.complete(stage("a", writer("1"), resumes=True))
    assert contents(tmp_path / "a") == ["out.txt", RECORD]


def test_the_record_says_what_the_stage_came_from(tmp_path):
    folder = RunFolder(tmp_path)
    folder.complete(stage("a", writer("1"), settings={"x": 1}))
    record = json.loads((tmp_path / "a" / RECORD).read_text())
    assert record["settings"] == {"x": 1}
    assert set(record["outputs"]) == {"out.txt"}
    assert set(record["libraries"]) == {"numpy"}


def test_an_incomplete_input_is_named(tmp_path):
    with pytest.raises(RunError, match="no complete stage 'a'"):
        RunFolder(tmp_path).complete(stage("b", writer("b"), inputs=("a",)))


def _hold(path, ready, leave):
    with RunFolder(path).lock():
        ready.set()
        leave.wait(30)


def test_two_processes_refuse_each_other_and_a_dead_one_holds_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, ready, leave))
    holder.start()
    assert ready.wait(60)
    refused = pytest.raises(RunError, match=f"in use by process {holder.pid}")
    with refused, RunFolder(tmp_path).lock():
        pass
    holder.kill()
    holder.join()
    with RunFolder(tmp_path).lock():
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(RunError, match="is a file"), RunFolder(tmp_path / "x").lock():
        pass


def test_the_command_line_answers_without_tensorflow():
    code = (
        "import sys; from hintlite.pipeline.app.cli.main import main;"
        "main(['--help']); main(['nonsense']); main(['run', '--training.epochs', '0']);"
        "print([m for m in ('tensorflow', 'keras', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
