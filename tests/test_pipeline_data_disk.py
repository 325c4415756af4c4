"""Sources larger than memory: what a file gives is what memory gives, whatever happens between."""

import os
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hintlite.errors import DataError
from hintlite.pipeline.cache import write
from hintlite.pipeline.cache.folder import CacheError, CacheFolder
from hintlite.pipeline.data import npz_file
from hintlite.pipeline.data.disk import Disk
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.rows import LazyRows
from hintlite.pipeline.data.sources import folder as folder_source
from hintlite.pipeline.settings.data import DataConfig

RNG = np.random.default_rng(1)
X = RNG.integers(0, 256, (120, 9, 8, 3), dtype=np.uint8)
Y = np.repeat([0, 1, 2], 40)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """Everything goes into a file, a few samples at a time."""
    monkeypatch.setattr(npz_file, "CHUNK_BYTES", 2000)
    monkeypatch.setattr(folder_source, "AT_ONCE", 7)
    return Disk(CacheFolder(tmp_path / "cache"), least_bytes=1)


def npz(path, save=np.savez_compressed, x=X, **others):
    save(path, x=x, y=Y, **others)
    return DataConfig(source="npz", path=str(path))


def pictures(root, x=X):
    for row, (image, label) in enumerate(zip(x, Y, strict=True)):
        place = root / f"class{label}" / f"{row:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    return DataConfig(source="folder", path=str(root))


def files(disk):
    return sorted(path.name for path in disk.folder.path.glob("samples-*"))


def assert_alike(config, disk):
    """Training and test parts are those of memory; both are read from files."""
    memory, mapped = load_training(config), load_training(config, disk=disk)
    assert isinstance(mapped.images, LazyRows)
    assert mapped.fingerprint == memory.fingerprint
    assert mapped.notes == memory.notes
    assert mapped.raw_dtype == memory.raw_dtype
    assert np.array_equal(mapped.images[:], memory.images)
    test, same = load_test(config, memory), load_test(config, mapped, disk=disk)
    assert isinstance(same.images, LazyRows)
    assert np.array_equal(same.images[:], test.images)
    assert np.array_equal(same.labels, test.labels)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_an_npz(tmp_path, disk, save, dtype):
    shift = 300 if dtype == "int16" else 0
    config = npz(tmp_path / "mine.npz", save, X.astype(dtype) - np.array(shift, dtype))
    assert_alike(config, disk)
    (stored,) = [np.load(disk.folder.path / name, mmap_mode="r") for name in files(disk)]
    assert stored.dtype == dtype  # its own type


def test_an_npz_with_parts_of_its_own(tmp_path, disk):
    parts = {"x_val": X[::5], "y_val": Y[::5], "x_test": X[::4], "y_test": Y[::4]}
    assert_alike(npz(tmp_path / "mine.npz", **parts), disk)


def test_grey_pictures_without_channels_and_arrays_in_fortrans_order(tmp_path, disk):
    assert_alike(npz(tmp_path / "grey.npz", x=np.ascontiguousarray(X[..., 0])), disk)
    for save in (np.savez, np.savez_compressed):
        assert_alike(npz(tmp_path / f"{save.__name__}.npz", save, x=np.asfortranarray(X)), disk)
    names = sorted(path.name for path in disk.folder.path.iterdir())
    assert names == [".lock", *files(disk)]  # nothing that was unpacked


def test_a_folder_of_pictures(tmp_path, disk):
    config = pictures(tmp_path / "photos")
    assert_alike(config, disk)
    assert len(files(disk)) == 2  # the test part is decoded when it is evaluated, not before


def test_samples_of_little_size_stay_in_memory(tmp_path):
    disk = Disk(CacheFolder(tmp_path / "cache"))
    data = load_training(npz(tmp_path / "mine.npz"), disk=disk)
    assert isinstance(data.images, np.ndarray)
    assert not disk.folder.path.exists()


def test_a_changed_source_is_read_anew(tmp_path, disk):
    config = npz(tmp_path / "mine.npz")
    load_training(config, disk=disk)
    before = files(disk)
    load_training(config, disk=disk)
    assert files(disk) == before
    npz(tmp_path / "mine.npz", x=255 - X)
    assert np.array_equal(load_training(config, disk=disk).images[:], load_training(config).images)
    assert len(files(disk)) == 2


def test_a_budget_that_is_too_small_is_told_before_anything_is_written(tmp_path):
    disk = Disk(CacheFolder(tmp_path / "cache", budget_gb=1e-5), least_bytes=1)
    with pytest.raises(CacheError, match=r"the samples take 25.9 kB.*--cache.budget_gb 0.1"):
        load_training(npz(tmp_path / "mine.npz"), disk=disk)
    assert files(disk) == []


def test_a_disk_that_is_full_is_told_before_anything_is_written(tmp_path, disk, monkeypatch):
    free = namedtuple("Usage", "total used free")(10, 10, 100)
    monkeypatch.setattr("hintlite.pipeline.cache.folder.shutil.disk_usage", lambda path: free)
    with pytest.raises(CacheError, match=r"has 0.1 kB left: free some space"):
        load_training(npz(tmp_path / "mine.npz"), disk=disk)
    assert files(disk) == []


def test_a_damaged_array_is_named_and_nothing_is_kept(tmp_path, disk):
    config = npz(tmp_path / "mine.npz", np.savez)
    content = bytearray(Path(config.path).read_bytes())
    place = content.index(X[60].tobytes())
    content[place] ^= 255
    Path(config.path).write_bytes(content)
    with pytest.raises(DataError, match=r"array x cannot be read .*CRC"):
        load_training(config, disk=disk)
    assert files(disk) == []


def test_a_row_that_is_no_number_is_named(tmp_path, disk):
    x = (X / 255).astype(np.float32)
    x[77, 2, 2, 1] = np.nan
    with pytest.raises(DataError, match="row 77 of the samples holds NaN"):
        load_training(npz(tmp_path / "mine.npz", x=x), disk=disk)


def test_all_broken_pictures_are_named_and_nothing_is_kept(tmp_path, disk, monkeypatch):
    config = pictures(tmp_path / "photos")
    rows = load_training(config).source_rows
    read, broken = folder_source.read_image, [f"{row:03}.png" for row in rows[[3, 50, -1]]]

    def fails(path, *size):
        if path.name in broken:
            raise DataError(f"{path}: cannot be read as an image")
        return read(path, *size)

    monkeypatch.setattr(folder_source, "read_image", fails)
    messages = []
    for each in (None, disk):
        with pytest.raises(DataError) as raised:
            load_training(config, disk=each)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    assert all(name in messages[0] for name in broken)
    assert files(disk) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from hintlite.pipeline.cache import write
from hintlite.pipeline.cache.folder import CacheFolder
from hintlite.pipeline.data import npz_file
from hintlite.pipeline.data.disk import Disk
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.settings.data import DataConfig
npz_file.CHUNK_BYTES, write.SYNCED_BYTES = 2000, 1
streamed = npz_file._rows
def killed(path, name, first):
    for place, chunk in enumerate(streamed(path, name, first)):
        if place == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        yield chunk
npz_file._rows = killed
disk = Disk(CacheFolder(Path(sys.argv[2])), 1)
load_training(DataConfig(source="npz", path=sys.argv[1]), disk=disk)
"""


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_killed_conversion_goes_on_where_it_was(tmp_path, disk, monkeypatch, save):
    config = npz(tmp_path / "mine.npz", save)
    words = [sys.executable, "-c", KILLED, config.path, str(disk.folder.path)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert [Path(name).suffix for name in files(disk)] == [".partial"]
    begun = []
    rows = npz_file._rows
    monkeypatch.setattr(
        npz_file, "_rows", lambda path, name, first: begun.append(first) or rows(path, name, first)
    )
    assert_alike(config, disk)
    assert begun == [45]  # five chunks of nine samples were there
    assert [Path(name).suffix for name in files(disk)] == [".npy"]


def test_an_interrupted_conversion_keeps_what_is_written(tmp_path, disk, monkeypatch):
    config, rows = npz(tmp_path / "mine.npz"), npz_file._rows
    interrupt(config, disk, monkeypatch)
    begun = []
    monkeypatch.setattr(
        npz_file, "_rows", lambda path, name, first: begun.append(first) or rows(path, name, first)
    )
    assert_alike(config, disk)
    assert begun == [36]


def interrupt(config, disk, monkeypatch):
    """Stops a conversion after four chunks, which are kept."""
    rows = npz_file._rows

    def interrupted(path, name, first):
        yield from list(rows(path, name, first))[:4]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(write, "SYNCED_BYTES", 1)
        patch.setattr(npz_file, "_rows", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_training(config, disk=disk)


def test_what_another_run_has_begun_stays_while_there_is_room(tmp_path, disk, monkeypatch):
    interrupt(npz(tmp_path / "one.npz"), disk, monkeypatch)
    (begun,) = files(disk)
    load_training(npz(tmp_path / "other.npz"), disk=disk)
    assert begun in files(disk)
    assert len(files(disk)) == 2

    size = X.nbytes + 512
    full = Disk(CacheFolder(disk.folder.path, budget_gb=2.5 * size / 1e9), least_bytes=1)
    load_training(npz(tmp_path / "third.npz"), disk=full)  # two and a begun one are too many
    assert begun not in files(disk)
    assert len(files(disk)) == 2


def test_a_partial_file_of_another_length_is_begun_anew(tmp_path, disk):
    config = npz(tmp_path / "mine.npz")
    load_training(config, disk=disk)
    (name,) = files(disk)
    place = disk.folder.path / name
    os.truncate(place, 4000)
    place.rename(place.with_suffix(".partial"))
    assert_alike(config, disk)


def spoken(count=48, seconds=0.05, rate=16000):
    """Words as a microphone gives them, int16 [n, time, 1], and features of them, some below 0."""
    rng = np.random.default_rng(13)
    time, label = np.arange(int(seconds * rate)) / rate, np.arange(count) % 4
    tones = np.sin(2 * np.pi * (400 + 900 * label[:, None]) * time)
    waves = (tones * rng.uniform(0.2, 0.9, (count, 1)) * 32767).astype(np.int16)[..., None]
    frames = waves[:, : 49 * 16].reshape(count, 49, 16).astype(np.float32)
    features = np.log(np.abs(np.fft.rfft(frames))[..., :8] + 1e-3) - 5
    return waves, np.concatenate([features, -features[..., :2]], axis=-1), label


def test_sound_as_int16_keeps_every_value(tmp_path, disk):
    waves, _, label = spoken()
    np.savez(tmp_path / "raw16k.npz", x=waves, y=label)
    config = DataConfig(source="npz", path=str(tmp_path / "raw16k.npz"), calibration_samples=8)
    assert_alike(config, disk)
    data = load_training(config, disk=disk)
    assert data.images.dtype == np.float32
    assert np.array_equal(data.images[:], waves[data.source_rows])
    (stored,) = [np.load(disk.folder.path / name, mmap_mode="r") for name in files(disk)]
    assert stored.dtype == np.int16
    fed = data.normalized(data.train)
    assert abs(float(fed.mean())) < 1e-3
    assert abs(float(fed.std()) - 1) < 1e-3


@pytest.mark.parametrize("kind", ["images", "series"])
def test_features_with_negative_values_are_fed_by_channel(tmp_path, disk, kind):
    _, features, label = spoken()
    np.savez(tmp_path / "mfcc.npz", x=features, y=label, class_names=np.array(list("abcd")))
    config = DataConfig(
        source="npz",
        path=str(tmp_path / "mfcc.npz"),
        calibration_samples=8,
        kind=kind,
        normalization="standard",
    )
    assert_alike(config, disk)
    data = load_training(config, disk=disk)
    shape, axes = ((49, 10, 1), (0, 1, 2)) if kind == "images" else ((49, 10), (0, 1))
    assert data.input_shape == shape
    fed = data.normalized(data.train).astype(np.float64)
    assert np.abs(fed.mean(axis=axes)).max() < 1e-4
    assert np.abs(fed.std(axis=axes) - 1).max() < 1e-4
