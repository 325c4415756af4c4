"""A user's own .npz file."""

from dataclasses import replace

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.settings.data import DataConfig

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (60, 8, 9), dtype=np.uint8)
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
    assert training.input_shape == (8, 9, 1)
    assert training.class_names == ("0", "1", "2")
    assert np.array_equal(training.images[..., 0], X[training.source_rows])
    assert training.normalization.std == (255.0,)


@pytest.mark.parametrize("shape", [(49, 10), (6, 6, 4), (5, 5, 12)])
def test_features_and_many_channels_of_floating_point(saved, shape):
    x = RNG.normal(size=(60, *shape))
    training = load_training(replace(saved(x=x, y=Y), kind="images"))
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


def damage(path, content):
    """Changes a byte of the stored values, so that whoever reads them all sees a wrong checksum."""
    whole = bytearray(path.read_bytes())
    at = whole.index(content)
    whole[at + len(content) - 1] ^= 0xFF
    path.write_bytes(whole)


def test_the_images_of_the_files_own_test_set_stay_closed(tmp_path, saved):
    closed = RNG.integers(0, 256, (400, 8, 9), dtype=np.uint8)
    settings = saved(x=X, y=Y, x_test=closed, y_test=np.arange(400) % 3)
    damage(tmp_path / "mine.npz", closed.tobytes())
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
        (X[:4, :, :8], Y[:4], r"samples are \[8, 8, 1\], expected \[8, 9, 1\]"),
        (X[:4], Y[:4] + 1, r"label 3 in row 2"),
        (X[:4], Y[:4] + 0.5, r"label 0\.5 in row 0 is a quantity"),
        (X[:4], np.eye(4)[Y[:4]], r"\[4, 4\], but there are 3 classes"),
        (X[:4], np.array(["0", "1", "2", "cow"]), r"label 'cow' in row 3 is none of the classes"),
        (X[:4], Y[:3], "4 images but 3 labels"),
        (X[:0], Y[:0], "not one value"),
    ],
)
def test_a_test_set_unlike_the_training_set_is_refused_at_once(saved, x_test, y_test, said):
    with pytest.raises(DataError, match=rf"mine\.npz \(test\): .*{said}"):
        load_training(saved(x=X, y=Y, x_test=x_test, y_test=y_test))


@pytest.mark.parametrize(
    ("x_test", "said"),
    [
        (X[:4] / 255, "images are float32, expected uint8"),
        (X[:4].astype(np.int16) + 200, "int16 values from .*training images are bytes"),
    ],
)
def test_test_images_of_another_range_are_refused_when_they_are_read(saved, x_test, said):
    settings = saved(x=X, y=Y, x_test=x_test, y_test=Y[:4])
    training = load_training(settings)
    with pytest.raises(DataError, match=rf"mine\.npz \(test\): .*{said}"):
        load_test(settings, training)


def test_a_validation_part_of_the_files_own(saved):
    settings = saved(x_train=X[:45], y_train=Y[:45], x_val=X[45:], y_val=Y[45:])
    training = load_training(settings)
    assert training.split_indices().validation.tolist() == list(range(45, 60))
    assert len(training.test_rows) == 9  # 20 % of the 45
    assert training.test_rows.max() < 45
    small = load_training(replace(settings, limit=12))
    assert (len(small.train), len(small.validation)) == (12, 15)
    with pytest.raises(DataError, match="y_val without x_val"):
        load_training(saved(x=X, y=Y, y_val=Y))
    with pytest.raises(DataError, match=r"x_val holds float64 \[60, 8, 9\].*one type and shape"):
        load_training(saved(x=X, y=Y, x_val=X / 255, y_val=Y))


def test_keras_names_of_the_arrays(saved):
    settings = saved(x_train=X, y_train=Y, x_test=X[:3], y_test=Y[:3], ids=X[:2])
    training = load_training(settings)
    assert len(training.images) == 60
    assert training.name == "mine.npz"
    assert "file: ids not read" in training.notes
    assert load_test(settings, training).labels.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="both x and x_train"):
        load_training(saved(x_train=X, y_train=Y, x=X, y=Y))


def test_labels_of_every_form_are_the_same_classes(saved):
    names = np.array(["cow", "ant", "bee"])  # not in the order of the alphabet
    forms = {
        "numbers": (Y, ("0", "1", "2")),
        "floats": (Y.astype(np.float64), ("0", "1", "2")),
        "column": (Y[:, None].astype(np.float32), ("0", "1", "2")),
        "one_hot": (np.eye(3, dtype=np.float32)[Y], ("0", "1", "2")),
        "text": (names[Y], ("ant", "bee", "cow")),
        "bytes": (names[Y].astype("S3"), ("ant", "bee", "cow")),
    }
    for form, (labels, expected) in forms.items():
        settings = saved(x=X, y=labels, x_test=X[:4], y_test=labels[:4])
        training = load_training(settings)
        assert training.class_names == expected, form
        named = np.array(training.class_names)[training.labels]
        stands_for = dict(zip(("0", "1", "2"), names, strict=True))
        assert [stands_for.get(name, name) for name in named] == names[Y].tolist(), form
        assert np.array_equal(load_test(settings, training).labels, training.labels[:4]), form


def test_text_labels_follow_the_class_names_where_they_are_given(saved):
    names = np.array(["cow", "ant", "bee"])
    training = load_training(saved(x=X, y=names[Y], class_names=names))
    assert np.array_equal(training.labels, Y[training.source_rows])
    with pytest.raises(DataError, match="label 'bee' in row 2 is none of the classes cow, ant"):
        load_training(saved(x=X, y=names[Y], class_names=names[:2]))


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


def test_labels_with_a_gap_are_refused_with_a_way_that_loses_nothing(saved):
    with pytest.raises(DataError, match=r"labels are 1, 2, 3; no sample has 0.*y\.astype\(str\)"):
        load_training(saved(x=X, y=Y + 1))
    named = load_training(saved(x=X, y=(Y + 9).astype(str)))
    assert named.class_names == ("9", "10", "11")  # by value, not by the alphabet
    assert np.array_equal(named.labels, Y[named.source_rows])


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
