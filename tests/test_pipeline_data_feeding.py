"""The check of the range of values that a trained network is fed."""

import numpy as np
import pytest

from hintlite.pipeline.data.feeding import FAR, feeding, problem
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.settings.data import DataConfig


def brightness(kind="unit", dtype=np.uint8):
    """Two classes: pictures below and above a grey of 127, 300 each."""
    random = np.random.default_rng(0)
    labels = np.arange(600) % 2
    images = (random.integers(0, 100, (600, 4, 4, 1)) + 150 * labels[:, None, None, None]).astype(
        dtype
    )
    return load_training(
        DataConfig(calibration_samples=8, normalization=kind, validation_fraction=0.3),
        from_arrays(images, labels),
    )


def threshold(at):
    """A network that tells bright from dark where its input is compared with `at`."""
    return lambda x: np.stack([np.full(len(x), at), x.mean(axis=(1, 2, 3))], axis=1)


@pytest.mark.parametrize(
    ("right", "fed"),
    [("raw", "unit"), ("raw", "signed"), ("unit", "raw"), ("signed", "raw"), ("signed", "unit")],
)
def test_a_network_fed_another_range_is_found_and_the_right_one_named(right, fed):
    at = {"raw": 125.0, "unit": 125 / 255, "signed": 125 / 127.5 - 1}[right]
    found = feeding(threshold(at), brightness(fed), fed)
    assert found.accuracy[right] == 1.0
    assert found.accuracy[fed] == 0.5
    said = problem(found, "mine.keras", "--normalization")
    assert f"fed {fed} (" in said
    assert f"set --normalization {found.best}" in said
    assert found.accuracy[found.best] == 1.0


def test_a_network_fed_what_it_was_trained_on_is_taken():
    found = feeding(threshold(125.0), brightness("raw"), "raw")
    assert found.accuracy["raw"] == 1.0
    assert problem(found, "mine.keras", "--normalization") is None


def test_a_network_at_chance_under_every_range_is_told_so():
    found = feeding(lambda x: np.zeros((len(x), 2)), brightness(), "unit")
    assert found.accuracy == {"unit": 0.5, "standard": 0.5, "signed": 0.5, "raw": 0.5}
    assert found.is_at_chance
    assert not found.is_fed_wrongly
    assert "labels in another order" in problem(found, "mine.keras", "--normalization")


def test_a_range_that_is_a_little_better_is_not_called_the_right_one():
    data = brightness()
    labels = data.labels[data.validation]

    def predict(x):
        scores = np.eye(2)[labels]
        wrong = 10 if x.max() <= 1 else 2  # of 144
        scores[:wrong] = 1 - scores[:wrong]
        return scores

    found = feeding(predict, data, "unit")
    assert 0 < found.accuracy[found.best] - found.accuracy["unit"] < FAR
    assert problem(found, "mine.keras", "--normalization") is None


def test_values_without_a_known_range_have_no_signed_range():
    images = np.random.default_rng(0).normal(size=(60, 4, 4, 1))
    data = load_training(
        DataConfig(calibration_samples=8, normalization="raw"),
        from_arrays(images, np.arange(60) % 2),
    )
    assert "signed" not in feeding(threshold(0.0), data, "raw").accuracy
    assert "signed" in feeding(threshold(0.0), brightness("raw", np.float32), "raw").accuracy
