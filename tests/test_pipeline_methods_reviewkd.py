"""Fusion blocks and the hierarchical context loss against numpy."""

import keras
import numpy as np
import pytest
from uneven_networks import built, fitted, tensors, uneven_pair, weights

from hintlite.errors import SettingsError
from hintlite.pipeline.methods.base import Batch, Warmup
from hintlite.pipeline.methods.reviewkd import ReviewKD, context_loss
from hintlite.pipeline.settings.methods import ReviewKDConfig
from hintlite.pipeline.training.drop_regressor import drop_regressor

RNG = np.random.default_rng(8)
STUDENT = {
    "a": RNG.normal(size=(2, 6, 6, 3)).astype(np.float32),
    "b": RNG.normal(size=(2, 3, 3, 4)).astype(np.float32),
}
TEACHER = {
    "x": 2.0 * RNG.normal(size=(2, 8, 8, 5)).astype(np.float32),
    "y": 1.0 + RNG.normal(size=(2, 2, 2, 6)).astype(np.float32),
}
SHAPES = [{name: (None, *x.shape[1:]) for name, x in maps.items()} for maps in (TEACHER, STUDENT)]
PAIRS = {"a": "x", "b": "y"}


def windows(side, size):
    return [slice(i * side // size, -(-(i + 1) * side // size)) for i in range(size)]


def average(x, size):
    rows = windows(x.shape[1], size)
    return np.array([[x[:, r, c].mean(axis=(1, 2)) for c in rows] for r in rows])


def hcl(student, teacher, levels, divisor):
    loss = ((student - teacher) ** 2).mean(axis=(1, 2, 3))
    for size, weight in levels:
        error = average(student, size) - average(teacher, size)  # [size, size, batch, c]
        loss = loss + weight * (error**2).mean(axis=(0, 1, 3))
    return loss / divisor


@pytest.mark.parametrize(
    ("side", "levels", "divisor"),
    [
        (7, [(4, 1 / 2), (2, 1 / 4), (1, 1 / 8)], 1.875),
        (4, [(2, 1 / 2), (1, 1 / 4)], 1.75),  # no level as large as the map; the next has 1/2
        (2, [(1, 1 / 2)], 1.5),
        (1, [], 1.0),
    ],
)
def test_context_loss_compares_the_full_map_and_its_averages(side, levels, divisor):
    student = RNG.normal(size=(3, side, side, 5)).astype(np.float32)
    teacher = 0.5 + 2 * RNG.normal(size=(3, side, side, 5)).astype(np.float32)
    expected = hcl(student.astype(np.float64), teacher.astype(np.float64), levels, divisor)
    loss = context_loss(keras.ops.convert_to_tensor(student), keras.ops.convert_to_tensor(teacher))
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    if levels:
        plain = ((student - teacher) ** 2).mean(axis=(1, 2, 3))
        assert np.abs(plain / expected - 1).max() > 0.01


def convolved(x, kernel):
    margin = kernel.shape[0] // 2
    padded = np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    height, width = x.shape[1:3]
    return sum(
        padded[:, i : i + height, j : j + width] @ kernel[i, j]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    )


def normalized(x, gamma, beta, mean, variance):
    return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta


def nearest(x, height, width):
    rows = np.arange(height) * x.shape[1] // height
    return x[:, rows][:, :, np.arange(width) * x.shape[2] // width]


def randomized(block):
    """Gives a block weights that leave no part of it without effect; name -> its weights."""
    for variable in block.variables:
        values = RNG.normal(size=variable.shape) * 0.5
        variable.assign(values**2 + 0.1 if "variance" in variable.path else values)
    layers = {layer.name.split("_", 2)[2]: layer for layer in block.layers if layer.weights}
    return {
        name: [w.numpy().astype(float) for w in layer.weights] for name, layer in layers.items()
    }


def test_loss_follows_the_papers_blocks_from_the_deepest_stage_up():
    method = ReviewKD(ReviewKDConfig(), PAIRS)
    method.build(*SHAPES, 2)
    assert list(method.blocks) == ["b", "a"]
    deep, shallow = randomized(method.blocks["b"]), randomized(method.blocks["a"])
    assert "attention" not in deep
    fused = normalized(convolved(STUDENT["b"], deep["in"][0]), *deep["in_bn"])
    fused = nearest(fused, 2, 2)
    assert fused.shape[-1] == 4  # the deepest stage's channels
    predicted_y = normalized(convolved(fused, deep["out"][0]), *deep["out_bn"])
    stage = normalized(convolved(STUDENT["a"], shallow["in"][0]), *shallow["in_bn"])
    deeper = nearest(fused, 6, 6)
    kernel, bias = shallow["attention"]
    gates = 1 / (1 + np.exp(-(np.concatenate([stage, deeper], axis=3) @ kernel[0, 0] + bias)))
    fused = nearest(stage * gates[..., :1] + deeper * gates[..., 1:], 8, 8)
    predicted_x = normalized(convolved(fused, shallow["out"][0]), *shallow["out_bn"])
    expected = hcl(predicted_x, TEACHER["x"], [(4, 1 / 2), (2, 1 / 4), (1, 1 / 8)], 1.875)
    expected = expected + hcl(predicted_y, TEACHER["y"], [(1, 1 / 2)], 1.5)
    batch = Batch(tensors(STUDENT), tensors(TEACHER), np.zeros(2, int), np.arange(2), False)
    np.testing.assert_allclose(method.review_loss(batch), expected, rtol=1e-3)


def test_it_trains_student_and_blocks_and_leaves_only_the_student():
    teacher, student = uneven_pair()
    config = ReviewKDConfig(weight=3.0, warmup_epochs=0)
    method, phases = built("reviewkd", teacher, student, reviewkd=config)
    assert method.pairs == {"stage1": "stage2", "stage2": "stage3"}
    before = weights(teacher), weights(student)
    blocks = [weights(extra) for extra in phases["task"].extras]
    history = fitted(student, phases["task"], teacher)
    assert history["reviewkd"][-1] < history["reviewkd"][0]
    for path, value in weights(teacher).items():
        np.testing.assert_array_equal(value, before[0][path])
    assert all((value != before[1][path]).any() for path, value in weights(student).items())
    for old, extra in zip(blocks, phases["task"].extras, strict=True):
        assert all((value != old[path]).any() for path, value in weights(extra).items())
    alone = drop_regressor(student, phases["task"].extras)
    assert alone.count_params() == student.count_params()


def test_the_weight_warms_up_and_is_reached():
    teacher, student = uneven_pair()
    config = ReviewKDConfig(weight=4.0, warmup_epochs=4)
    _, phases = built("kd+reviewkd", teacher, student, reviewkd=config)
    weight = {term.name: term.weight for term in phases["task"].terms}["reviewkd"]
    assert weight == Warmup(4.0, 4)
    assert [weight.at(epoch, 8) for epoch in range(6)] == [1.0, 2.0, 3.0, 4.0, 4.0, 4.0]
    assert weight.at(1, 2) == 4.0
    for wrong in ({"weight": 0.0}, {"warmup_epochs": -1}):
        with pytest.raises(SettingsError, match=f"reviewkd.{next(iter(wrong))}"):
            ReviewKDConfig(**wrong)
