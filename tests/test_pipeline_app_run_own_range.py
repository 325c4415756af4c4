"""A teacher of one's own is fed the range that it was trained on, whatever the students are fed."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from hintlite.errors import DataError, SettingsError
from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.app.run.own_range import built_teacher
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.settings.data import DataConfig
from hintlite.pipeline.settings.run import RunConfig


@pytest.fixture
def given(tmp_path):
    """A teacher that scales pixels itself, saved, and bytes in an .npz file."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    features = keras.layers.Conv2D(4, 3, name="features")(scaled)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(features)))
    model.save(tmp_path / "teacher.keras")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(60) % 2)
    return model, tmp_path


def _teacher(folder, kind, own, **more):
    teacher = NetworkConfig(
        family="keras_file", path=str(folder / "teacher.keras"), taps={"mid": "features"}
    )
    data = DataConfig(source="npz", path=str(folder / "data.npz"), normalization=kind)
    config = RunConfig(data=data, teacher=teacher, teacher_normalization=own, **more)
    loaded = load_training(data)
    return built_teacher(SimpleNamespace(config=config, data=loaded)), loaded


@pytest.mark.parametrize("kind", ["unit", "signed", "standard", "raw"])
def test_the_teacher_sees_its_own_range_under_every_normalization(given, kind):
    model, folder = given
    network, data = _teacher(folder, kind, "raw")
    rows = data.validation
    found = network.predict(data.normalized(rows), verbose=0)
    expected = model.predict(data.images[rows].astype(np.float32), verbose=0)
    np.testing.assert_allclose(found["logits"], expected, atol=1e-3)
    assert found["mid"].shape[1:] == (6, 6, 4)


def test_without_the_setting_it_is_fed_as_the_students_are(given):
    model, folder = given
    network, data = _teacher(folder, "unit", None)
    fed = data.normalized(data.validation)
    np.testing.assert_allclose(
        network.predict(fed, verbose=0)["logits"], model.predict(fed, verbose=0), atol=1e-5
    )


def test_a_teachers_mean_and_deviation_may_be_given_by_channel(given):
    model, folder = given
    mean, std = (10.0, 20.0, 30.0), (2.0, 4.0, 8.0)
    network, data = _teacher(folder, "unit", None, teacher_mean=mean, teacher_std=std)
    rows = data.validation
    raw = data.images[rows].astype(np.float32)
    expected = model.predict((raw - np.array(mean)) / np.array(std), verbose=0)
    found = network.predict(data.normalized(rows), verbose=0)
    np.testing.assert_allclose(found["logits"], expected, atol=1e-3)


def test_the_students_mean_and_deviation_may_be_given(given):
    config = DataConfig(source="npz", path=str(given[1] / "data.npz"), mean=(5.0,), std=(10.0,))
    data = load_training(config)
    assert data.normalization.to_dict() == {"mean": [5.0] * 3, "std": [10.0] * 3}
    assert any("mean and deviation that are stated" in note for note in data.notes)
    with pytest.raises(DataError, match="2 and 2 numbers, but the samples have 3 channels"):
        load_training(replace(config, mean=(1.0, 2.0), std=(1.0, 2.0)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mean": (1.0,)}, "go together"),
        ({"mean": (1.0,), "std": (0.0,)}, "above 0"),
        ({"mean": (1.0,), "std": (1.0,), "normalization": "raw"}, "leave out data.normalization"),
    ],
)
def test_a_mean_that_cannot_be_is_refused(settings, said):
    with pytest.raises(SettingsError, match=said):
        DataConfig(**settings)


def test_a_teacher_that_the_run_trains_has_no_range_of_its_own():
    with pytest.raises(SettingsError, match="teacher_normalization is for a teacher of your own"):
        RunConfig(teacher_normalization="raw")


def test_a_default_leaves_no_trace_in_keys():
    from hintlite.keyed import keyed

    made = keyed(RunConfig())
    assert not {"teacher_normalization", "teacher_mean", "teacher_std"} & set(made)
    assert not {"mean", "std"} & set(made["data"])
