"""Files and folders appear whole, whoever else writes them and whenever a process is killed."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hintlite import files
from hintlite.files import folder_aside, replace_folder, sweep, write_whole, writing

LONG = 200_000  # characters: long enough for two writers to meet
WRITER = """
import sys
from pathlib import Path
from hintlite.files import replace_folder, write_whole
letter, place = sys.argv[1], Path(sys.argv[2])
for _ in range(40):
    if place.suffix:
        write_whole(place, letter * int(sys.argv[3]))
    else:
        replace_folder(place, {"a": letter.encode() * 1000, "b": letter.encode() * 1000})
"""


def writers(place):
    """Two processes that write the same thing again and again."""
    return [
        subprocess.Popen(
            [sys.executable, "-P", "-c", WRITER, letter, str(place), str(LONG)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for letter in "xy"
    ]


def finish(processes):
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_writers_of_one_file_do_not_knock_each_other_out(tmp_path):
    path = tmp_path / "report.html"
    processes = writers(path)
    seen = set()
    while any(process.poll() is None for process in processes):
        with contextlib.suppress(FileNotFoundError):
            seen.add(path.read_text())
        time.sleep(0.001)
    finish(processes)
    assert seen | {path.read_text()} <= {"x" * LONG, "y" * LONG}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_being_written_does_not_spoil_another_s(tmp_path):
    """The same without luck: one begins, another one does all of it, the first one ends."""
    path = tmp_path / "tune.yaml"
    with files.aside(path) as place:
        place.write_text("first, and long")
        write_whole(path, "second")
        assert path.read_text() == "second"
    assert path.read_text() == "first, and long"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "study.yaml"
    write_whole(path, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert files_in(tmp_path) == {"study.yaml": b"old"}


def half(write):
    write(b"half")
    raise KeyError


def test_a_file_that_is_not_written_to_its_end_does_not_appear(tmp_path):
    path = tmp_path / "new" / "checkpoint.npz"
    with pytest.raises(KeyError), writing(path) as file:
        half(file.write)
    assert files_in(path.parent) == {}
    with writing(path) as file:
        file.write(b"all")
    assert files_in(path.parent) == {"checkpoint.npz": b"all"}


def test_the_place_of_a_file_ends_as_its_name_does(tmp_path):
    with files.aside(tmp_path / "network.keras") as place:
        assert place.suffix == ".keras"  # by which Keras knows what to write
        place.write_bytes(b"zip")
    assert files_in(tmp_path) == {"network.keras": b"zip"}


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "sources"
    with pytest.raises(KeyError), folder_aside(target) as place:
        half((place / "half.c").write_bytes)
    assert list(tmp_path.iterdir()) == []
    target.mkdir()  # an empty one may be there
    with folder_aside(target) as place:
        (place / "all.c").write_text("all")
    assert files_in(target) == {"all.c": b"all"}
    assert list(tmp_path.iterdir()) == [target]


def full(descriptor):
    raise OSError(28, "No space left on device")


def test_what_a_killed_writer_left_is_swept(tmp_path):
    (tmp_path / "below").mkdir()
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from hintlite import files\n"
        "with files.aside(Path(sys.argv[1])) as place:\n"
        "    place.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    words = [sys.executable, "-P", "-c", code, str(tmp_path / "below" / "summary.json")]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    write_whole(tmp_path / "below" / "kept.json", "{}")
    (tmp_path / "mine.tmp").write_text("mine")
    assert len(list((tmp_path / "below").iterdir())) == 2
    sweep(tmp_path)
    assert files_in(tmp_path / "below") == {"kept.json": b"{}"}
    assert (tmp_path / "mine.tmp").exists()


def test_two_writers_of_one_folder_take_turns(tmp_path):
    target = tmp_path / "device"
    finish(writers(target))
    assert files_in(target) in [{"a": c * 1000, "b": c * 1000} for c in (b"x", b"y")]
    assert list(tmp_path.iterdir()) == [target]


@pytest.fixture
def killed(tmp_path):
    """A folder as a kill between the two renames leaves it."""
    target = tmp_path / "device"
    replace_folder(target, {"model": b"old"})
    os.rename(target, tmp_path / ".device.old-0123abcd")
    (tmp_path / ".device.new-0123abcd").mkdir()
    (tmp_path / ".device.new-0123abcd" / "model").write_bytes(b"ne")
    return target


def test_after_a_kill_between_the_renames_the_old_folder_comes_back(killed, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            replace_folder(killed, {"model": b"new"})
    assert files_in(killed) == {"model": b"old"}
    assert list(killed.parent.iterdir()) == [killed]
    replace_folder(killed, {"model": b"new"})
    assert files_in(killed) == {"model": b"new"}


def test_leftovers_of_a_folder_are_swept_and_no_others(killed):
    replace_folder(killed.with_name("device2"), {"model": b"other"})
    assert not killed.exists()  # of another target: left alone
    others = [".device.old-mine", ".device.old-0123abcd.txt", ".devices.old-0123abcd"]
    for name in others:
        (killed.parent / name).mkdir()
    replace_folder(killed, {"model": b"new"})
    assert {path.name for path in killed.parent.iterdir()} == {"device", "device2", *others}


def test_of_two_old_folders_none_is_chosen_and_none_is_lost(killed):
    second = killed.with_name(".device.old-99999999")
    second.mkdir()
    replace_folder(killed, {"model": b"new"})
    assert files_in(killed) == {"model": b"new"}
    left = {path.name for path in killed.parent.iterdir()}
    assert {".device.old-0123abcd", second.name} <= left


def test_all_is_on_the_disk_before_the_old_folder_goes(tmp_path, monkeypatch):
    """Files, then their folder, then the renames, then the folder around them."""
    target, order = tmp_path / "device", []
    replace_folder(target, {"model": b"old"})
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor):
        order.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name.partition("-")[0])
        real_sync(descriptor)

    def replace(source, place):
        order.append("rename")
        real_replace(source, place)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    replace_folder(target, {"model": b"1", "labels": b"2"})
    around = tmp_path.name.partition("-")[0]
    assert order == ["model", "labels", ".device.new", "rename", "rename", around]


def test_a_second_writer_waits_for_the_first(tmp_path):
    target, done = tmp_path / "device", threading.Event()

    def write():
        replace_folder(target, {"model": b"new"})
        done.set()

    with files._alone_in(tmp_path):
        other = threading.Thread(target=write)
        other.start()
        assert not done.wait(0.2)
    other.join(20)
    assert files_in(target) == {"model": b"new"}
