"""The folder of cached arrays: whole files, the limit, kills, processes side by side."""

import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from hintlite.pipeline.cache.folder import CacheError, CacheFolder, Entry, gigabytes

HASH = "0123456789abcdef" * 2
ENTRY = Entry(f"stage2-plain-{HASH}", (6, 2, 3))
OTHER = Entry(f"logits-plain-{HASH}", (6, 5))
VALUES = np.arange(36, dtype=np.float16).reshape(6, 2, 3) / 7
SIZE = 36 * 2  # bytes of ENTRY's values
HEADER = 128  # of an .npy file


def halves():
    yield VALUES[:4]
    yield VALUES[4:]


def names(folder):
    return sorted(path.name for path in folder.path.iterdir() if path.name != ".lock")


def test_what_was_made_is_read_back_by_numpy_too(tmp_path):
    folder = CacheFolder(tmp_path / "new" / "folder")
    assert folder.open(ENTRY) is None
    folder.make(ENTRY, halves)
    array = folder.open(ENTRY)
    assert np.array_equal(array, VALUES)
    assert not array.flags.writeable
    plain = np.load(folder.path / f"{ENTRY.name}.npy", allow_pickle=False)
    assert plain.dtype == np.float16
    assert np.array_equal(plain, VALUES)
    assert names(folder) == [f"{ENTRY.name}.npy"]


def test_a_file_that_is_there_is_not_made_again(tmp_path):
    folder = CacheFolder(tmp_path)
    folder.make(ENTRY, halves)
    folder.make(ENTRY, lambda: pytest.fail("computed twice"))
    assert names(folder) == [f"{ENTRY.name}.npy"]


@pytest.mark.parametrize("left", [0, 60, HEADER, HEADER + SIZE - 1])
def test_a_file_that_was_cut_short_is_noticed_and_made_again(tmp_path, left):
    folder = CacheFolder(tmp_path)
    folder.make(ENTRY, halves)
    os.truncate(tmp_path / f"{ENTRY.name}.npy", left)
    assert folder.open(ENTRY) is None
    folder.make(ENTRY, halves)
    assert np.array_equal(folder.open(ENTRY), VALUES)


@pytest.mark.parametrize("content", [VALUES[:5], VALUES.astype(np.float32), VALUES[:, :, :2]])
def test_a_file_of_another_shape_or_type_is_no_cache(tmp_path, content):
    np.save(tmp_path / f"{ENTRY.name}.npy", content)
    assert CacheFolder(tmp_path).open(ENTRY) is None


def test_a_budget_that_is_too_small_is_said_before_anything_is_written(tmp_path):
    large = Entry(f"stage2-plain-{HASH}", (60_000, 14, 14, 64))  # 1.505 GB
    mirrored = Entry(f"stage2-mirrored-{HASH}", (60_000, 14, 14, 64))
    folder = CacheFolder(tmp_path, budget_gb=2.5)
    with pytest.raises(CacheError) as caught:
        folder.make(large, lambda: pytest.fail("was computed"), [mirrored])
    text = str(caught.value)
    assert "take 3.01 GB" in text
    assert "allows 2.5 GB" in text
    assert "--cache.budget_gb 3.1" in text
    assert "--clear" in text
    assert "--cache.enabled false" in text
    assert names(folder) == []


def test_the_budget_counts_what_is_there_and_what_will_be_asked_for(tmp_path):
    CacheFolder(tmp_path, (SIZE + 60) / 1e9).make(ENTRY, halves, [OTHER])
    with pytest.raises(CacheError, match=r"take 0\.1 kB, .* holds 0\.2 kB"):
        CacheFolder(tmp_path, (HEADER + SIZE + 59) / 1e9).make(OTHER, list)
    with pytest.raises(CacheError, match=r"take 0\.1 kB"):
        CacheFolder(tmp_path / "other", (SIZE + 59) / 1e9).make(ENTRY, halves, [OTHER])
    CacheFolder(tmp_path, (HEADER + SIZE + 60) / 1e9).make(OTHER, lambda: [np.zeros((6, 5))])


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(100, 29, 71)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(CacheError, match=r"has 0\.1 kB left: free some space"):
        CacheFolder(tmp_path).make(ENTRY, lambda: pytest.fail("was computed"))
    assert names(CacheFolder(tmp_path)) == []


def test_an_error_while_computing_leaves_nothing(tmp_path):
    def broken():
        yield VALUES[:4]
        raise KeyboardInterrupt

    folder = CacheFolder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        folder.make(ENTRY, broken)
    assert names(folder) == []
    with pytest.raises(CacheError, match="48 bytes were computed, expected 72"):
        folder.make(ENTRY, lambda: [VALUES[:4]])
    assert names(folder) == []


WORKER = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
from hintlite.pipeline.cache.folder import CacheFolder, Entry
folder, name, log, moment = sys.argv[1:]
def chunks():
    with open(log, "a") as file:
        file.write(str(os.getpid()) + "\\n")
    for i in range(6):
        if moment == "killed" and i == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
        yield np.full((1, 2, 3), i, np.float16)
CacheFolder(Path(folder)).make(Entry(name, (6, 2, 3)), chunks)
"""


def start(folder, log, moment):
    home = Path(__file__).parents[1]
    command = [sys.executable, "-c", WORKER, str(folder), ENTRY.name, str(log), moment]
    return subprocess.Popen(command, env={"PYTHONPATH": str(home)})


def test_processes_side_by_side_compute_it_once(tmp_path):
    log = tmp_path / "log"
    workers = [start(tmp_path / "cache", log, "") for _ in range(4)]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    assert len(log.read_text().splitlines()) == 1
    folder = CacheFolder(tmp_path / "cache")
    assert folder.open(ENTRY)[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert names(folder) == [f"{ENTRY.name}.npy"]


def test_what_a_killed_process_leaves_is_never_taken_for_a_cache(tmp_path):
    log = tmp_path / "log"
    folder = CacheFolder(tmp_path / "cache")
    assert start(folder.path, log, "killed").wait(60) == -signal.SIGKILL
    assert names(folder) == [f"{ENTRY.name}.partial"]
    assert folder.open(ENTRY) is None
    folder.make(OTHER, lambda: [np.zeros((6, 5))])  # sweeps it away
    assert names(folder) == [f"{OTHER.name}.npy"]
    start(folder.path, log, "killed").wait(60)
    assert start(folder.path, log, "").wait(60) == 0
    assert len(log.read_text().splitlines()) == 3
    assert folder.open(ENTRY)[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_clearing_spares_what_is_not_ours_and_what_is_open(tmp_path):
    folder = CacheFolder(tmp_path)
    folder.make(ENTRY, halves)
    array = folder.open(ENTRY)
    np.save(tmp_path / "holiday-photos.npy", VALUES)
    (tmp_path / f"x-{HASH}.partial").write_bytes(b"half")
    assert [held.size_bytes for held in folder.held()] == [HEADER + SIZE, 4]
    assert folder.clear() == HEADER + SIZE + 4
    assert names(folder) == ["holiday-photos.npy"]
    assert np.array_equal(array, VALUES)
    assert CacheFolder(tmp_path / "nowhere").clear() == 0


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(CacheError, match="is a file: name a folder"):
        CacheFolder(tmp_path / "taken").make(ENTRY, halves)


def test_sizes_are_decimal():
    said = [gigabytes(size) for size in (3_010_560_000, 2_400_000, 500)]
    assert said == ["3.01 GB", "2.40 MB", "0.5 kB"]
