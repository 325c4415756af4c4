"""Any finite tf.data.Dataset as a source."""

import numpy as np
import pytest
import tensorflow as tf

from hintlite.errors import DataError
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training
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
