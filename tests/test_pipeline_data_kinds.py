"""What arrays are: pictures, series or a table."""

import numpy as np
import pytest

from hintlite.errors import DataError, SettingsError
from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.data.given_teacher import fitted
from hintlite.pipeline.data.images import check_samples
from hintlite.pipeline.data.kinds import kind_of
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig

RNG = np.random.default_rng(1)
LABELS = np.arange(60) % 3


@pytest.mark.parametrize(
    ("shape", "dtype", "wanted", "kind"),
    [
        ((800, 64, 3), np.float32, None, "series"),
        ((800, 3, 64), np.float32, None, "series"),
        ((800, 28, 28), np.uint8, None, "images"),
        ((800, 28, 28), np.float32, None, "images"),
        ((800, 32, 48), np.uint8, None, "images"),
        ((800, 32, 48, 1), np.float32, None, "images"),
        ((800, 49, 10), np.float32, "images", "images"),
        ((800, 128, 9), np.float32, "series", "series"),
        ((800, 140), np.float32, "series", "series"),
        ((800, 13), np.float32, "table", "table"),
    ],
)
def test_the_kind_follows_from_shape_and_values_or_is_stated(shape, dtype, wanted, kind):
    assert kind_of(shape, np.dtype(dtype), wanted, "here") == kind


@pytest.mark.parametrize(
    ("shape", "wanted", "said"),
    [
        (
            (800, 128, 9),
            None,
            "grey pictures .* or series .*: say data.kind images or data.kind ser",
        ),
        ((800, 49, 10), None, "say data.kind images or data.kind series"),
        ((800, 13), None, "a table .* or series of one channel .*: say data.kind table"),
        ((800, 13), "images", r"\[800, 13\], but as images they are \[n, h, w, c\]"),
        ((800, 64, 3), "table", "but as table they are"),
    ],
)
def test_what_shape_leaves_open_is_asked_and_what_does_not_fit_refused(shape, wanted, said):
    with pytest.raises(DataError, match=f"here: the samples have shape .*{said}"):
        kind_of(shape, np.dtype(np.float32), wanted, "here")


def test_series_of_one_channel_get_its_axis():
    series, notes = check_samples(RNG.normal(size=(4, 30)), "here", kind="series")
    assert series.shape == (4, 30, 1)
    assert notes == ()
    _, (note,) = check_samples(np.zeros((4, 30, 3)), "here")
    assert note.startswith("read as series of 30 time steps and 3 channels")


def test_a_bare_series_is_normalised_per_channel_with_the_training_part_alone():
    scales = np.array([1.0, 50.0, 0.01])
    x = (RNG.normal(size=(60, 32, 3)) * scales + 7 * scales).astype(np.float32)
    data = load_training(DataConfig(calibration_samples=6), from_arrays(x, LABELS))

    assert data.input_shape == (32, 3)
    part = data.images[data.train].astype(np.float64)
    np.testing.assert_allclose(data.normalization.mean, part.mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(data.normalization.std, part.std(axis=(0, 1)), rtol=1e-6)
    fed = data.normalized(data.train)
    np.testing.assert_allclose(fed.std(axis=(0, 1)), 1, rtol=1e-4)
    assert any("mean 0 and deviation 1 a channel" in note for note in data.notes)


def test_a_table_is_normalised_per_column_once_it_is_known_as_one():
    x = RNG.normal(size=(60, 13)) * 10.0 ** RNG.uniform(-2, 3, 13)
    source = from_arrays(x, LABELS)
    with pytest.raises(DataError, match=r"data\.kind table"):
        load_training(DataConfig(calibration_samples=6), source)

    data = load_training(DataConfig(calibration_samples=6, kind="table"), source)

    assert data.input_shape == (13,)
    np.testing.assert_allclose(data.normalized(data.train).std(axis=0), 1, rtol=1e-3)


@pytest.mark.parametrize(
    ("family", "kind"),
    [("tcn", "series"), ("conv_lstm", "series"), ("ds_cnn", "images"), ("thin_deep", None)],
)
def test_networks_for_one_kind_of_samples_say_what_arrays_are(family, kind):
    config = DataConfig(source="npz", path="x.npz")
    assert fitted(config, NetworkConfig(family=family)).kind == kind
    assert fitted(config, NetworkConfig(), NetworkConfig(family=family)).kind == kind
    assert fitted(DataConfig(), NetworkConfig(family=family)).kind is None


@pytest.mark.parametrize(
    ("augmentation", "shape", "said"),
    [
        ({"flip": True}, (60, 32, 3), "flip does not change series"),
        ({"time_shift": 3}, (60, 9, 9), "time_shift does not change images"),
        ({"time_mask": 3}, (60, 13), "time_mask does not change table"),
        ({"time_shift": 32}, (60, 32, 3), "32 time steps but the series have 32"),
    ],
)
def test_changes_of_other_samples_are_refused(augmentation, shape, said):
    config = DataConfig(
        calibration_samples=6,
        augmentation=AugmentConfig(**augmentation),
        kind="table" if len(shape) == 2 else None,
    )
    with pytest.raises(DataError, match=said):
        load_training(config, from_arrays(RNG.normal(size=shape), LABELS))


@pytest.mark.parametrize("name", ["jitter", "scaling", "time_shift", "time_mask"])
def test_negative_changes_are_refused(name):
    with pytest.raises(SettingsError, match=f"augmentation.{name}"):
        AugmentConfig(**{name: -1})
