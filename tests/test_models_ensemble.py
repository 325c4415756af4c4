"""An ensemble: the mean of the logits, the hints of one named member."""

import keras
import numpy as np
import pytest

from hintlite.errors import HintliteError
from hintlite.models.ensemble import ensemble
from hintlite.models.settings import NetworkConfig
from hintlite.models.taps import logits_only, middle_tap, subnetwork
from hintlite.models.teacher import build_teacher

X = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype(np.float32)


def members(count, classes=4):
    config = NetworkConfig(widths=(3, 5), depths=(1, 1))
    return [build_teacher(config, (8, 8, 1), classes) for _ in range(count)]


def test_logits_are_the_mean_and_hints_those_of_the_named_member():
    networks = members(3)
    expected = np.mean([network(X)["logits"] for network in networks], axis=0)
    together = ensemble(networks, hint_member=1)
    np.testing.assert_allclose(together(X)["logits"], expected, rtol=1e-5)
    for name in ("stage1", "stage2"):
        np.testing.assert_array_equal(together(X)[name], networks[1](X)[name])
        np.testing.assert_array_equal(subnetwork(together, [name])(X)[name], networks[1](X)[name])
    assert middle_tap(together) == middle_tap(networks[1])
    np.testing.assert_allclose(logits_only(together)(X), expected, rtol=1e-5)


def test_one_member_is_returned_as_it_is():
    (network,) = members(1)
    assert ensemble([network]) is network


def test_members_must_agree():
    with pytest.raises(HintliteError, match="must agree"):
        ensemble([*members(1), *members(1, classes=5)])
    with pytest.raises(HintliteError, match="at least one"):
        ensemble([])


@pytest.mark.whole
def test_the_teacher_stage_trains_members_with_seeds_of_their_own(tmp_path):
    from hintlite.pipeline.app.run.console import Terminal
    from hintlite.pipeline.app.run.context import Context
    from hintlite.pipeline.app.run.folder import RunFolder
    from hintlite.pipeline.app.run.order import run_all
    from hintlite.pipeline.settings.data import DataConfig
    from hintlite.pipeline.settings.run import RunConfig
    from hintlite.pipeline.settings.training import TrainingConfig

    config = RunConfig(
        data=DataConfig(limit=60, calibration_samples=10),
        teacher=NetworkConfig(widths=(3, 4), depths=(1, 1)),
        student=NetworkConfig(widths=(3, 4), depths=(1, 1), times_fewer=None),
        teacher_training=TrainingConfig(epochs=1),
        teacher_members=2,
        hint_member=1,
    )
    context = Context(config, RunFolder(tmp_path), Terminal())
    run_all(context, last="teacher")
    first, second = (
        keras.saving.load_model(tmp_path / "teacher" / name / "network.keras") for name in "01"
    )
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])
    x = X[:, :, :, :]
    expected = (first(x)["logits"] + second(x)["logits"]) / 2
    np.testing.assert_allclose(context.teacher()(x)["logits"], expected, rtol=1e-5, atol=1e-6)
