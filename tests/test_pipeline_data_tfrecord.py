"""TFRecords: the samples that went in, in memory and in a file, and what is refused."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hintlite.errors import DataError
from hintlite.pipeline.app.settings.named_data import named_data
from hintlite.pipeline.cache.folder import CacheFolder
from hintlite.pipeline.data.disk import Disk
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.rows import LazyRows
from hintlite.pipeline.data.sources import folder
from hintlite.pipeline.settings.data import DataConfig

RNG = np.random.default_rng(5)
X = RNG.integers(0, 256, (90, 9, 8, 3), dtype=np.uint8)
Y = np.repeat([0, 1, 2], 30)[RNG.permutation(90)]
RAW = {"image_height": 9, "image_width": 8}


def as_bytes(image):
    return image.tobytes()


def as_png(image):
    made = io.BytesIO()
    Image.fromarray(image).save(made, "PNG")
    return made.getvalue()


def feature(value):
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    if isinstance(value, float | list):
        value = value if isinstance(value, list) else [value]
        return tf.train.Feature(float_list=tf.train.FloatList(value=value))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))


def write(path, rows, store=as_bytes, image="image", label="label", labels=Y, compression=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for row in rows:
            features = {image: feature(store(X[row])), label: feature(labels[row])}
            made = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(made.SerializeToString())


def config(path, **changes):
    return DataConfig(source="tfrecord", path=str(path), **changes)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "AT_ONCE", 7)
    return Disk(CacheFolder(tmp_path / "cache"), least_bytes=1)


def assert_read(settings, disk):
    for each in (None, disk):
        data = load_training(settings, disk=each)
        assert isinstance(data.images, LazyRows) == (each is not None)
        assert np.array_equal(data.images[:], X[data.source_rows])
        test = load_test(settings, data, disk=each)
        assert np.array_equal(test.images[:], X[test.rows])
        assert sorted([*data.source_rows, *test.rows]) == list(range(90))


@pytest.mark.parametrize("store", [as_bytes, as_png])
def test_raw_bytes_and_picture_files_over_several_records(tmp_path, disk, store):
    for part in range(3):
        name = f"set-train.tfrecord-{part:05}-of-00003"
        write(tmp_path / "set" / name, range(30 * part, 30 * part + 30), store)
    assert_read(config(tmp_path / "set", **(RAW if store is as_bytes else {})), disk)


def test_one_file_with_other_names_of_features(tmp_path, disk):
    write(tmp_path / "mine.tfrecord", range(90), image="x", label="y")
    settings = config(
        tmp_path / "mine.tfrecord", image_feature="x", label_feature="y", color="rgb", **RAW
    )
    assert_read(settings, disk)


def as_floats(image):
    return (image.ravel() / 255).tolist()


def test_lists_of_floats_are_pictures_of_the_size_that_is_stated(tmp_path, disk):
    write(tmp_path / "mine.tfrecord", range(90), as_floats)
    settings, values = config(tmp_path / "mine.tfrecord", **RAW), (X / 255).astype(np.float32)
    for each in (None, disk):
        data = load_training(settings, disk=each)
        assert data.images.dtype == np.float32
        assert data.raw_max is None
        assert data.values.taken == (0, 1)
        assert np.array_equal(data.images[:], values[data.source_rows])
        test = load_test(settings, data, disk=each)
        assert np.array_equal(test.images[:], values[test.rows])
    with pytest.raises(DataError, match=r"216 floats .*raw floats need data.image_height"):
        load_training(config(tmp_path / "mine.tfrecord"))
    with pytest.raises(DataError, match="216 floats are no 9 x 9 pixels"):
        load_training(config(tmp_path / "mine.tfrecord", image_height=9, image_width=9))


def test_floats_that_are_no_numbers_and_mixed_forms_are_named(tmp_path, disk):
    path = tmp_path / "mine.tfrecord"
    write(path, range(90), as_floats)
    settings = config(path, **RAW)
    row = load_training(settings).source_rows[4]
    broken = X[row].tobytes()

    def store(image):
        return [float("nan")] * 216 if image.tobytes() == broken else as_floats(image)

    write(path, range(90), store)
    with pytest.raises(DataError, match=f"record {row}: holds NaN or infinity"):
        load_training(settings, disk=disk)
    write(path, range(90), lambda image: (as_bytes, as_floats)[image.tobytes() == broken](image))
    with pytest.raises(DataError, match=f"record {row}: .*float_list, other records hold bytes"):
        load_training(settings)


def test_text_labels_and_compressed_files(tmp_path, disk):
    names = [("cat", "dog", "owl")[label].encode() for label in Y]
    write(tmp_path / "mine.tfrecord.gz", range(90), labels=names, compression="GZIP")
    settings = config(tmp_path / "mine.tfrecord.gz", **RAW)
    assert_read(settings, disk)
    assert load_training(settings).class_names == ("cat", "dog", "owl")


def test_parts_that_files_or_folders_name(tmp_path, disk):
    write(tmp_path / "set" / "set-train.tfrecord", range(50))
    write(tmp_path / "set" / "val" / "0.tfrecord", range(50, 70))
    write(tmp_path / "set" / "set-test.tfrecord", range(70, 90))
    data = load_training(config(tmp_path / "set", **RAW), disk=disk)
    assert data.source_rows[data.train].tolist() == list(range(50))
    assert data.source_rows[data.validation].tolist() == list(range(50, 70))
    test = load_test(config(tmp_path / "set", **RAW), data, disk=disk)
    assert np.array_equal(test.images[:], X[70:90])
    assert np.array_equal(test.labels, Y[70:90])


def test_a_test_file_stays_closed_until_the_evaluation(tmp_path):
    write(tmp_path / "set" / "train.tfrecord", range(60))
    (tmp_path / "set" / "test.tfrecord").write_bytes(b"these are no records" * 9)
    data = load_training(config(tmp_path / "set", **RAW))
    with pytest.raises(DataError, match=r"test.tfrecord: damaged or no TFRecord"):
        load_test(config(tmp_path / "set", **RAW), data)


def test_a_word_stands_for_a_file_and_for_a_folder_of_them(tmp_path):
    write(tmp_path / "set" / "a.tfrecord", range(3))
    for word in (str(tmp_path / "set"), str(tmp_path / "set" / "a.tfrecord")):
        assert named_data(word) == ("tfrecord", word)


def test_a_damaged_record_is_named_with_its_file(tmp_path):
    write(tmp_path / "mine.tfrecord", range(90))
    content = bytearray((tmp_path / "mine.tfrecord").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "mine.tfrecord").write_bytes(content)
    with pytest.raises(DataError, match=r"mine.tfrecord: damaged or no TFRecord file \(corrupted"):
        load_training(config(tmp_path / "mine.tfrecord", **RAW))


def test_a_broken_picture_is_named_with_its_record(tmp_path, disk):
    path = tmp_path / "mine.tfrecord"
    write(path, range(90), as_png)
    first, second = load_training(config(path)).source_rows[[5, 40]]
    broken = {X[row].tobytes(): as_png(X[row])[:-40] for row in (first, second)}
    write(path, range(90), lambda image: broken.get(image.tobytes()) or as_png(image))
    with pytest.raises(DataError) as raised:
        load_training(config(path), disk=disk)
    assert f"record {first}: cannot be read" in str(raised.value)
    assert f"record {second}: cannot be read" in str(raised.value)
    assert "skip_broken" not in str(raised.value)
    assert not list(disk.folder.path.glob("samples-*"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, r"record 0: feature 'image' holds 216 bytes that are no PNG.*data.image_height"),
        (RAW | {"color": "grayscale"}, r"216 bytes are no 9 x 8 pixels of 1 channels"),
        (RAW | {"image_height": 10}, r"216 bytes are no 10 x 8 pixels of 1, 3 or 4 channels"),
        (RAW | {"image_feature": "x"}, r"no feature 'x', expected .* \(there are image, label\)"),
        (RAW | {"label_feature": "y"}, r"no feature 'y', expected one class.*data.label_feature"),
    ],
)
def test_what_the_settings_do_not_fit_is_refused_by_name(tmp_path, changes, said):
    write(tmp_path / "mine.tfrecord", range(90))
    with pytest.raises(DataError, match=said):
        load_training(config(tmp_path / "mine.tfrecord", **changes))


def test_quantities_are_no_classes(tmp_path):
    write(tmp_path / "mine.tfrecord", range(90), labels=[float(label) for label in Y])
    with pytest.raises(DataError, match=r"holds 1 values of float_list, expected one class"):
        load_training(config(tmp_path / "mine.tfrecord", **RAW))


def test_a_folder_without_records_and_files_of_other_names(tmp_path):
    with pytest.raises(DataError, match=r"no TFRecord files"):
        load_training(config(tmp_path, **RAW))
