"""A user's own .npz file."""

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.settings.data import DataConfig

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (60, 7, 5), dtype=np.uint8)
Y = np.arange(60) % 3


def config(path, **changes):
    return DataConfig(source="npz", path=str(path), calibration_samples=6, **changes)


@pytest.fixture
def saved(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "mine.npz", **arrays)
        return config(tmp_path / "mine.npz")

    return save


def test_images_without_channels(saved):
    training = load_training(saved(x=X, y=Y))
    assert training.input_shape == (7, 5, 1)
    assert training.class_names == ("0", "1", "2")
    assert np.array_equal(training.images[..., 0], X[training.source_rows])
    assert training.normalization.std == (255.0,)


@pytest.mark.parametrize("shape", [(49, 10), (6, 6, 4), (5, 5, 12)])
def test_features_and_many_channels_of_floating_point(saved, shape):
    x = RNG.normal(size=(60, *shape))
    training = load_training(saved(x=x, y=Y))
    expected = x.astype(np.float32).reshape(60, *shape[:2], -1)
    assert training.raw_dtype == "float32"
    assert training.raw_max is None
    assert np.array_equal(training.images, expected[training.source_rows])
    normalized = training.normalized(training.train)
    assert normalized.min() == 0.0
    assert abs(normalized.max() - 1.0) < 1e-6


def test_class_names_of_the_file(saved):
    names = np.array(["cat", "dog", "cow"])
    assert load_training(saved(x=X, y=Y, class_names=names)).class_names == ("cat", "dog", "cow")
    with pytest.raises(DataError, match="label 2 in row 2, but the 2 classes"):
        load_training(saved(x=X, y=Y, class_names=names[:2]))
    with pytest.raises(DataError, match=r"class_names is int64 \[3\], expected text"):
        load_training(saved(x=X, y=Y, class_names=np.arange(3)))


def test_the_files_own_test_set_stays_closed(saved):
    closed = np.array([{}], object)  # numpy refuses to read this one
    settings = saved(x=X, y=Y, x_test=closed, y_test=closed)
    training = load_training(settings)
    assert len(training.images) == 60
    with pytest.raises(DataError, match=r"mine\.npz: array x_test cannot be read"):
        load_test(settings, training)


def test_the_files_own_test_set_is_read(saved):
    settings = saved(x=X, y=Y, x_test=X[:4] // 2, y_test=Y[:4])
    test = load_test(settings, load_training(settings))
    assert np.array_equal(test.images[..., 0], X[:4] // 2)
    assert test.labels.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("x_test", "y_test", "said"),
    [
        (X[:4, :6], Y[:4], r"images are \[6, 5, 1\], expected \[7, 5, 1\]"),
        (X[:4] / 255, Y[:4], "images are float32, expected uint8"),
        (X[:4], Y[:4] + 1, r"label 3 in row 2"),
        (X[:4], Y[:3], "4 images but 3 labels"),
        (X[:0], Y[:0], "not one value"),
    ],
)
def test_a_test_set_unlike_the_training_set_is_refused(saved, x_test, y_test, said):
    settings = saved(x=X, y=Y, x_test=x_test, y_test=y_test)
    training = load_training(settings)
    with pytest.raises(DataError, match=rf"mine\.npz \(test\): .*{said}"):
        load_test(settings, training)


def test_missing_arrays_are_listed(saved):
    with pytest.raises(DataError, match="no array named y, found x, labels"):
        load_training(saved(x=X, labels=Y))
    with pytest.raises(DataError, match="x_test without y_test"):
        load_training(saved(x=X, y=Y, x_test=X))
    with pytest.raises(DataError, match="y_test without x_test"):
        load_training(saved(x=X, y=Y, y_test=Y))


def test_arrays_of_objects_are_not_unpickled(saved):
    ragged = np.array([np.zeros((2, 2)), np.zeros((3, 3))], object)
    with pytest.raises(DataError, match=r"array x cannot be read.*np\.stack"):
        load_training(saved(x=ragged, y=Y[:2]))


def test_one_hot_labels_are_refused(saved):
    with pytest.raises(DataError, match=r"labels have shape \[60, 3\].*argmax"):
        load_training(saved(x=X, y=np.eye(3)[Y]))


def test_labels_with_a_gap_are_refused(saved):
    with pytest.raises(DataError, match=r"class '0' \(label 0\) has 0 samples"):
        load_training(saved(x=X, y=Y + 1))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz: no such file"):
        load_training(config(tmp_path / "none.npz"))
    with pytest.raises(DataError, match="no such file"):
        load_training(config(tmp_path))


def test_a_file_that_is_no_npz_is_named(tmp_path):
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(DataError, match=r"text\.npz: not a readable \.npz"):
        load_training(config(tmp_path / "text.npz"))


def test_a_damaged_array_is_named(tmp_path, saved):
    settings = saved(x=X, y=Y)
    content = bytearray((tmp_path / "mine.npz").read_bytes())
    content[500] ^= 0xFF
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.npz: array x cannot be read"):
        load_training(settings)
