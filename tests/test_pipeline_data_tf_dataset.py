"""Any finite tf.data.Dataset as a source."""

import gc
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from hintlite.errors import DataError, SettingsError
from hintlite.pipeline.app.python.handed_over import hand_over, taken_over
from hintlite.pipeline.cache.folder import CacheError
from hintlite.pipeline.data import spool
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.rows import LazyRows
from hintlite.pipeline.data.sources.tf_dataset import from_tf_dataset
from hintlite.pipeline.settings.data import DataConfig

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (50, 6, 5, 3), dtype=np.uint8)
Y = np.arange(50) % 2
CONFIG = DataConfig(calibration_samples=4)


def dataset(x=X, y=Y):
    return tf.data.Dataset.from_tensor_slices((x, y))


@pytest.mark.parametrize(
    "given",
    [
        dataset(),
        dataset().batch(7),
        dataset().batch(10, drop_remainder=True),
        dataset(y=Y[:, None]).batch(7),
        dataset().filter(lambda _x, _y: True),
    ],
    ids=["samples", "batches", "full_batches", "column_labels", "unknown_length"],
)
def test_samples_are_gathered_in_their_order(given):
    source = from_tf_dataset(given, dataset().take(3), ["no", "yes"])
    training = load_training(CONFIG, source)
    assert np.array_equal(training.images, X)
    assert np.array_equal(training.labels, Y)
    assert training.class_names == ("no", "yes")
    assert np.array_equal(load_test(CONFIG, training, source).images, X[:3])


def test_images_without_channels_batched_or_not():
    gray = RNG.integers(0, 256, (50, 8, 9), dtype=np.uint8)
    for given in (dataset(gray), dataset(gray).batch(8)):
        training = load_training(CONFIG, from_tf_dataset(given))
        assert np.array_equal(training.images[..., 0], gray[training.source_rows])


@pytest.mark.parametrize(
    "given",
    [
        dataset(y=np.eye(2)[Y]),
        dataset(y=np.eye(2, dtype=np.int64)[Y]),
        dataset(y=np.eye(2, dtype=np.int64)[Y]).batch(5),
        dataset(y=np.eye(2)[Y]).batch(5, drop_remainder=True),
        dataset(y=Y.astype(np.float32)),
        dataset(y=Y.astype(np.float32)[:, None]),
        dataset(y=np.array(["no", "yes"])[Y]),
    ],
    ids=["one_hot", "one_hot_int", "batches", "full_batches", "floats", "columns", "text"],
)
def test_labels_of_every_form_are_the_same_classes(given):
    training = load_training(CONFIG, from_tf_dataset(given))
    assert np.array_equal(training.labels, Y[training.source_rows])


def test_the_name_travels_with_the_samples():
    assert load_training(CONFIG, from_tf_dataset(dataset(), name="gears")).name == "gears"


def test_the_form_of_the_test_dataset_is_checked_at_once():
    with pytest.raises(DataError, match="the test dataset: has no end"):
        from_tf_dataset(dataset(), dataset().repeat())
    with pytest.raises(DataError, match="the test dataset: elements are 3-tuples"):
        from_tf_dataset(dataset(), tf.data.Dataset.from_tensor_slices((X, Y, Y)))


def test_a_part_is_split_off_without_a_test_dataset():
    source = from_tf_dataset(dataset())
    training = load_training(CONFIG, source)
    test = load_test(CONFIG, training, source)
    assert sorted([*training.source_rows, *test.rows]) == list(range(50))
    assert np.array_equal(test.images, X[test.rows])


def test_the_test_dataset_is_run_through_only_when_it_is_asked_for():
    runs = []

    def samples():
        runs.append(1)
        yield X[0], 1

    test = tf.data.Dataset.from_generator(
        samples,
        output_signature=(tf.TensorSpec([6, 5, 3], tf.uint8), tf.TensorSpec([], tf.int64)),
    )
    source = from_tf_dataset(dataset(), test)
    training = load_training(CONFIG, source)
    assert runs == []
    assert load_test(CONFIG, training, source).labels.tolist() == [1]
    assert runs == [1]


def test_a_raw_maximum_may_be_given():
    training = load_training(CONFIG, from_tf_dataset(dataset(X // 16), raw_max=15.0))
    assert training.normalization.std == (15.0, 15.0, 15.0)


def sizes():
    return dataset().map(lambda x, y: (tf.cond(y > 0, lambda: x, lambda: x[:4]), y))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (dataset().repeat(), "has no end"),
        (dataset().take(0), "holds no samples"),
        (dataset().batch(4).take(0), "holds no samples"),
        (tf.data.Dataset.from_tensor_slices(X), "elements are single values"),
        (tf.data.Dataset.from_tensor_slices((X, Y, Y)), "elements are 3-tuples"),
        (tf.data.Dataset.from_tensor_slices({"image": X}), "elements are dicts with image"),
        (dataset(y=np.ones((50, 2))).batch(5), "2 ones in row 0: several labels"),
        (dataset(y=Y + 0.5), r"label 0\.5 in row 0 is a quantity"),
        (dataset(X[..., 0], np.eye(6)[Y]).map(lambda x, y: (x[..., None], y)), "classes|may be"),
        (sizes(), r"cannot be gathered.*tf\.image\.resize"),
        (sizes().batch(1), r"batches of shapes \[4, 5, 3\], \[6, 5, 3\]"),
        ((X, Y), "a tuple, expected a tf.data.Dataset"),
        (dataset(X * np.where(Y == 1, np.nan, 1.0)[:, None, None, None]), "row 1 of the samples"),
    ],
)
def test_other_datasets_are_refused(given, said):
    with pytest.raises(DataError, match=f"the training dataset: .*{said}"):
        from_tf_dataset(given)


def test_unknown_shapes_are_refused():
    given = dataset().map(lambda x, y: (tf.numpy_function(lambda v: v, [x], tf.uint8), y))
    with pytest.raises(DataError, match=r"shapes are unknown.*ensure_shape"):
        from_tf_dataset(given)


@pytest.fixture
def filed(monkeypatch, tmp_path):
    """Gathers into a file of this folder, a few samples at a time."""
    monkeypatch.setattr(spool, "IN_MEMORY_BYTES", 300)
    place = tmp_path / "spool"
    place.mkdir()
    return place


def record(x, y):
    """As TensorFlow writes it: raw bytes and a class."""
    image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[x.tobytes()]))
    label = tf.train.Feature(int64_list=tf.train.Int64List(value=[int(y)]))
    features = tf.train.Features(feature={"x": image, "y": label})
    return tf.train.Example(features=features).SerializeToString()


@pytest.fixture
def stream(tmp_path):
    """TFRecords read as a stream of (image, label)."""
    with tf.io.TFRecordWriter(str(tmp_path / "part.tfrecord")) as writer:
        for x, y in zip(X, Y, strict=True):
            writer.write(record(x, y))
    form = {"x": tf.io.FixedLenFeature([], tf.string), "y": tf.io.FixedLenFeature([], tf.int64)}

    def parse(example):
        read = tf.io.parse_single_example(example, form)
        return tf.reshape(tf.io.decode_raw(read["x"], tf.uint8), X.shape[1:]), read["y"]

    return tf.data.TFRecordDataset(str(tmp_path / "part.tfrecord")).map(parse)


def generator(samples):
    """The same samples, of a number that nobody knows before."""
    forms = tf.TensorSpec(X.shape[1:], tf.uint8), tf.TensorSpec([], tf.int64)
    return tf.data.Dataset.from_generator(samples, output_signature=forms)


def given_as(kind, stream):
    """What people hand over, and the values that it holds."""
    if kind == "float":
        return stream.map(lambda x, y: (tf.cast(x, tf.float32) / 255, y)), X / np.float32(255)
    if kind == "repeat":
        return stream.repeat().take(len(X)), X
    if kind == "generator":
        return generator(lambda: zip(X, Y, strict=True)), X
    return (stream.batch(8) if kind == "batches" else stream), X


@pytest.mark.parametrize("kind", ["stream", "batches", "float", "repeat", "generator"])
def test_many_samples_go_into_a_file_of_their_own_type(kind, stream, filed):
    given, values = given_as(kind, stream)
    source = from_tf_dataset(given, given.take(5), folder=filed)
    (file,) = filed.iterdir()
    assert file.stat().st_size == values.nbytes
    training = load_training(CONFIG, source)
    assert isinstance(training.images, LazyRows)
    assert training.images.dtype == values.dtype
    assert np.array_equal(training.images[:], values)
    assert training.normalization.apply(training.images[:]).max() <= 1
    test = load_test(CONFIG, training, source)
    assert np.array_equal(test.images[:], values[: len(test.labels)])
    del source, training, test
    gc.collect()
    assert not list(filed.iterdir())


def test_a_file_is_handed_over_by_its_name_and_stays_while_it_is_held(stream, filed, tmp_path):
    given = stream.map(lambda x, y: (x[..., :1], y))
    source = from_tf_dataset(given.map(lambda x, y: (x[..., 0], y)), given, folder=filed)
    kind = DataConfig(calibration_samples=4, kind="images")
    place = tmp_path / "given"
    place.mkdir()
    held = hand_over(source.open(kind), place)
    assert not list(place.glob("*_images.npy"))
    assert json.loads((place / "train.json").read_text())["shape"] == [50, 6, 5, 1]
    data = load_training(kind, taken_over(place))
    assert np.array_equal(data.images[:], X[data.source_rows][..., :1])
    assert np.array_equal(load_test(kind, data, taken_over(place)).images[:], X[..., :1])
    assert len(held) == 2


def test_a_full_disk_is_told_before_samples_are_handed_over(tmp_path, monkeypatch):
    free = SimpleNamespace(free=100)
    monkeypatch.setattr(
        "hintlite.pipeline.app.python.handed_over.shutil.disk_usage", lambda _: free
    )
    with pytest.raises(CacheError, match=r"has 0.1 kB left for handing them over.*TMPDIR"):
        hand_over(from_tf_dataset(dataset()).open(CONFIG), tmp_path)
    assert not list(tmp_path.glob("*_images.npy"))


def test_a_stream_without_an_end_is_refused(stream):
    with pytest.raises(DataError, match=r"has no end; leave repeat\(\) out, or say with take\(n\)"):
        from_tf_dataset(stream.shuffle(9).repeat())


@pytest.mark.parametrize("known", [True, False])
def test_a_budget_ends_what_would_fill_the_disk(known, monkeypatch, filed):
    monkeypatch.setattr("hintlite.pipeline.data.sources.tf_dataset.GATHERED_AT_ONCE", 4)
    passes = []

    def endless():
        for row in itertools.count():
            passes.append(row)
            yield X[row % 50], Y[row % 50]

    given = dataset().repeat(40) if known else generator(endless)
    with pytest.raises(
        CacheError, match=r"budget_gb allows 2e-05 GB: raise it, or end it with take"
    ):
        from_tf_dataset(given, folder=filed, budget_gb=2e-5)
    assert len(passes) < 400
    assert not list(filed.iterdir())
    with pytest.raises(SettingsError, match="is no folder"):
        from_tf_dataset(given, folder=filed / "nowhere")
