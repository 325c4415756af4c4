"""Samples that are read when they are asked for: the same values, and never all of them at once."""

import io

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data import rows as module
from hintlite.pipeline.data.batches import evaluation_batches, training_batches
from hintlite.pipeline.data.copies import are_copies, remarks, write_digests
from hintlite.pipeline.data.images import check_samples
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.rows import LazyRows, chunks, lazy, predicted, write_npy
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (200, 8, 8, 3), dtype=np.uint8)
KINDS = {
    "uint8": BYTES,
    "int16": BYTES.astype(np.int16) - 100,
    "float32": (BYTES / 255).astype(np.float32),
    "float64": BYTES / 255,
}
Y = np.repeat([0, 1, 2, 3], 50)


@pytest.fixture(params=list(KINDS))
def both(request, tmp_path, monkeypatch):
    """The same samples in memory and in a file, read a few at a time."""
    monkeypatch.setattr(module, "CHUNK_BYTES", 5000)
    np.save(tmp_path / "x.npy", KINDS[request.param])
    return KINDS[request.param], np.load(tmp_path / "x.npy", mmap_mode="r")


@pytest.fixture
def never_whole(monkeypatch):
    def refuse(self, dtype=None, copy=None):
        raise AssertionError("all samples were read at once")

    monkeypatch.setattr(LazyRows, "__array__", refuse)


@pytest.mark.parametrize("normalization", ["standard", "unit", "raw"])
def test_a_file_gives_what_memory_gives(both, never_whole, normalization):
    config = DataConfig(normalization=normalization)
    memory, disk = (load_training(config, from_arrays(x, Y)) for x in both)
    assert isinstance(disk.images, LazyRows)
    assert isinstance(memory.images, np.ndarray)
    assert disk.fingerprint == memory.fingerprint
    assert disk.normalization == memory.normalization
    assert (disk.notes, disk.values, disk.raw_dtype) == (
        memory.notes,
        memory.values,
        memory.raw_dtype,
    )
    rows = memory.validation
    assert np.array_equal(disk.normalized(rows), memory.normalized(rows))
    assert disk.fed(rows).dtype == np.float32
    assert np.array_equal(disk.fed(rows)[3:9], memory.normalized(rows)[3:9])


def test_batches_of_a_file_are_those_of_memory(both, never_whole):
    memory, disk = (load_training(DataConfig(), from_arrays(x, Y)) for x in both)

    def batches(data):
        made = training_batches(
            data,
            data.train,
            batch_size=32,
            seed=3,
            augmentation=AugmentConfig(flip=True, shift=1),
            epochs=2,
        )
        yield from made.as_numpy_iterator()
        yield from evaluation_batches(
            data.images, data.labels, data.validation, 16, data.normalization
        ).as_numpy_iterator()

    for (x, y), (found, labels) in zip(batches(memory), batches(disk), strict=True):
        assert np.array_equal(x["image"], found["image"])
        assert np.array_equal(y, labels)


@pytest.mark.parametrize("row", [0, 77, 199])
def test_a_broken_row_is_named_wherever_it_is(monkeypatch, row):
    monkeypatch.setattr(module, "CHUNK_BYTES", 5000)
    broken = np.array(KINDS["float64"])
    broken[row, 1, 1, 1] = np.nan
    with pytest.raises(DataError, match=rf"row {row} of the samples holds NaN .*\(1 such rows\)"):
        check_samples(lazy(broken, np.arange(200)), "here")


def test_values_outside_of_the_range_are_named(both):
    config = DataConfig(value_range=(0.5, 300.0))
    messages = []
    for x in both:
        with pytest.raises(DataError) as raised:
            load_training(config, from_arrays(x, Y))
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    assert "outside of the range 0.5 to 300" in messages[0]


def test_copies_are_counted_a_few_samples_at_a_time(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "CHUNK_BYTES", 5000)
    x = np.array(BYTES)
    x[[150, 160, 170]] = x[[1, 2, 2]]  # 170 and 160 are copies of 2
    said = remarks(lazy(x, np.arange(200)), Y, np.arange(150), np.arange(150, 200))
    assert said[0].startswith("copies: 3 of the 50 validation samples")
    assert said[1].startswith("copies: 2 images come with several labels")
    write_digests(x[:100], tmp_path / "digests.npy")
    assert np.flatnonzero(are_copies(x, tmp_path / "digests.npy")).tolist() == [
        *range(100),
        *(150, 160, 170),
    ]


def test_what_is_written_is_what_numpy_writes(both):
    ours, theirs = io.BytesIO(), io.BytesIO()
    rows = np.arange(0, 200, 3)
    write_npy(ours, lazy(both[1], rows))
    np.save(theirs, both[0][rows])
    assert ours.getvalue() == theirs.getvalue()


def test_a_network_is_asked_in_whole_batches(monkeypatch):
    monkeypatch.setattr(module, "PREDICTED_BYTES", 1)
    seen = []
    x = RNG.normal(size=(1100, 2)).astype(np.float32)
    found = predicted(lambda part: seen.append(len(part)) or part * 2, x)
    assert seen == [512, 512, 76]
    assert np.array_equal(found, x * 2)


def test_chunks_follow_one_another(both):
    parts = list(chunks(lazy(both[1], np.arange(200))))
    assert len(parts) > 5
    assert np.array_equal(np.concatenate(parts), both[0])
