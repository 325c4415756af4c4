"""The forms of hint training and their controls, against values worked out in numpy."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from hintlite.errors import SettingsError
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.methods import build_method, method_names
from hintlite.pipeline.methods.base import Batch, MethodError, tap_shapes
from hintlite.pipeline.methods.hint import Hint
from hintlite.pipeline.methods.hint_labels import HintLabels
from hintlite.pipeline.methods.joint_hint import JointHint
from hintlite.pipeline.methods.output_only import OutputOnly
from hintlite.pipeline.methods.random_hint import RandomHint
from hintlite.pipeline.methods.random_maps import RandomMaps
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig
from hintlite.pipeline.settings.methods import HintConfig, JointHintConfig, KDConfig
from hintlite.pipeline.settings.run import RunConfig
from hintlite.pipeline.settings.training import TrainingConfig
from hintlite.pipeline.training.train import Job, train

RNG = np.random.default_rng(11)
LABELS = np.array([2, 0, 1, 1])


def guided_and_hint(sizes=((2, 2, 3), (2, 2, 4))):
    return [RNG.normal(size=(4, *size)).astype(np.float32) for size in sizes]


def one_by_one(regressor, guided):
    """What a 1x1 convolution with a bias makes of `guided`, with weights drawn anew."""
    kernel, bias = (RNG.normal(size=w.shape).astype(np.float32) for w in regressor.get_weights())
    regressor.set_weights([kernel, bias])
    return np.einsum("bhwc,cd->bhwd", guided, kernel[0, 0]) + bias


def test_joint_hint_is_the_weighted_mean_of_squares_in_the_task_phase():
    method = JointHint(JointHintConfig(), HintConfig(), {"g": "h"}, {"h": "linear"})
    method.build({"h": (None, 2, 2, 4)}, {"g": (None, 2, 2, 3)}, 4)
    guided, hint = guided_and_hint()
    predicted = one_by_one(method.regressors["g"], guided)
    expected = ((predicted - hint) ** 2).mean(axis=(1, 2, 3))
    batch = Batch({"g": guided}, {"h": hint}, LABELS, np.arange(4), True)
    assert list(method.phases()) == ["task"]
    phase = method.phases()["task"]
    (term,) = phase.terms
    assert (term.name, term.weight) == ("joint_hint", 100.0)
    np.testing.assert_allclose(term.loss(batch), expected, rtol=1e-4)
    half_the_sum = method.hint_loss(batch)
    np.testing.assert_allclose(half_the_sum, expected * 16 / 2, rtol=1e-4)
    assert phase.student_taps == {"g", "logits"}
    assert phase.teacher_taps == {"h"}
    assert phase.extras == (method.regressors["g"],)


def test_several_pairs_are_added():
    pairs = {"g": "h", "f": "e"}
    method = JointHint(JointHintConfig(), HintConfig(), pairs, dict.fromkeys("he", "linear"))
    teacher = {"h": (None, 2, 2, 4), "e": (None, 1, 1, 2)}
    method.build(teacher, {"g": (None, 2, 2, 3), "f": (None, 1, 1, 5)}, 4)
    (g, h), (f, e) = guided_and_hint(), guided_and_hint(((1, 1, 5), (1, 1, 2)))
    first = one_by_one(method.regressors["g"], g) - h
    second = one_by_one(method.regressors["f"], f) - e
    batch = Batch({"g": g, "f": f}, {"h": h, "e": e}, LABELS, np.arange(4), True)
    means = (first**2).mean(axis=(1, 2, 3)) + (second**2).mean(axis=(1, 2, 3))
    sums = ((first**2).sum(axis=(1, 2, 3)) + (second**2).sum(axis=(1, 2, 3))) / 2
    np.testing.assert_allclose(method.joint_loss(batch), means, rtol=1e-4)
    np.testing.assert_allclose(method.hint_loss(batch), sums, rtol=1e-4)


def test_hint_labels_is_the_cross_entropy_of_a_classifier_on_the_guided_layer():
    method = HintLabels(HintConfig(epochs=3), ["g"], 3)
    method.build({}, {"g": (None, 2, 2, 5)}, 4)
    guided = RNG.normal(size=(4, 2, 2, 5)).astype(np.float32)
    weights = [RNG.normal(size=w.shape) for w in method.classifiers["g"].get_weights()]
    method.classifiers["g"].set_weights(weights)
    logits = guided.mean(axis=(1, 2)) @ weights[0] + weights[1]
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(4), LABELS]
    loss = method.label_loss(Batch({"g": guided}, {}, LABELS, np.arange(4), True))
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    phases = method.phases()
    assert (phases["pretrain"].epochs, phases["pretrain"].student_taps) == (3, {"g"})
    assert phases["pretrain"].teacher_taps == frozenset()
    assert phases["task"].extras == ()
    kept = HintLabels(HintConfig(keep_weight=0.3), ["g"], 3)
    kept.build({}, {"g": (None, 2, 2, 5)}, 4)
    assert [term.weight for term in kept.phases()["task"].terms] == [0.3]
    with pytest.raises(MethodError, match=r"student's tap 'x'.*has g"):
        HintLabels(HintConfig(), ["x"], 3).build({}, {"g": (None, 2, 2, 5)}, 4)


def test_output_only_is_kd_for_as_many_epochs_as_hint_and_kd_take(tiny_pair):
    config = RunConfig(training=TrainingConfig(epochs=7), hint=HintConfig(epochs=3))
    control = build_method("output_only", config, *tiny_pair).phases()
    both = build_method("hint+kd", config, *tiny_pair)
    both.build(tap_shapes(tiny_pair[0]), tap_shapes(tiny_pair[1]), 4)
    epochs = [phase.epochs or config.training.epochs for phase in both.phases().values()]
    assert list(control) == ["task"]
    assert control["task"].epochs == sum(epochs) == 10
    assert [term.name for term in control["task"].terms] == ["ce", "kd"]
    logits = [RNG.normal(size=(4, 3)).astype(np.float32) for _ in range(2)]
    p, q = (np.exp(x / 3) / np.exp(x / 3).sum(axis=1, keepdims=True) for x in logits)
    batch = Batch({"logits": logits[1]}, {"logits": logits[0]}, LABELS, np.arange(4), True)
    expected = (p * np.log(p / q)).sum(axis=1)
    np.testing.assert_allclose(OutputOnly(KDConfig(), 3).soft_loss(batch), expected, rtol=1e-3)


# The controls' targets: 40 maps each of a teacher that is rectified, sparse or negative.
def maps_of(kind):
    base = RNG.normal(size=(400, 3, 3, 2)) * [1.0, 3.0] + [0.5, -2.0]
    return {
        "sparse": np.maximum(base, 0.0),
        "dense": 5.0 + 0.1 * np.abs(base),
        "linear": base,
    }[kind].astype(np.float32)


def prepared(kind, pooling=False, seed=0):
    activation = "linear" if kind == "linear" else "relu"
    config = HintConfig(regressor="pooled" if pooling else "paper")
    method = RandomHint(config, {"g": "h"}, {"h": activation}, seed)
    guided = (None, 1, 1, 4) if pooling else (None, 3, 3, 4)
    method.build({"h": (None, 3, 3, 2)}, {"g": guided}, 400)
    maps = maps_of(kind)

    def outputs(taps):
        assert set(taps) == {"h"}
        yield {"h": maps[:150]}
        yield {"h": maps[150:]}

    method.prepare(outputs)
    return method, maps


def targets(method, index):
    return np.asarray(method.target("g", Batch({}, {}, None, np.asarray(index), True)))


@pytest.mark.parametrize("kind", ["sparse", "dense", "linear"])
def test_random_hints_have_the_teachers_shape_mean_and_variance(kind):
    method, maps = prepared(kind)
    drawn = targets(method, range(4000))
    assert drawn.shape[1:] == maps.shape[1:]
    mean, std = maps.mean(axis=(0, 1, 2)), maps.std(axis=(0, 1, 2))
    np.testing.assert_allclose(drawn.mean(axis=(0, 1, 2)), mean, atol=0.03 * std.max())
    np.testing.assert_allclose(drawn.std(axis=(0, 1, 2)), std, rtol=0.03)
    if kind != "linear":  # so that a rectified regressor can reach them
        assert drawn.min() >= 0.0
    assert (np.mean(drawn == 0.0, axis=(0, 1, 2)) > 0.1).any() == (kind == "sparse")


@pytest.mark.parametrize("kind", ["sparse", "dense", "linear"])
def test_random_hints_do_not_correlate_with_the_teachers(kind):
    method, maps = prepared(kind)
    drawn = targets(method, range(400))
    for channel in range(2):
        one, other = maps[..., channel].ravel(), drawn[..., channel].ravel()
        # 3600 pairs: a correlation of 0 stays within 4 / sqrt(3600) but once in 16,000 times.
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / 60
        assert abs(np.corrcoef(one, 0.9 * other + 0.1 * one)[0, 1]) > 4 / 60  # it would be seen


def test_random_hints_are_fixed_for_each_sample():
    method, _ = prepared("sparse")
    forward, backward = targets(method, [3, 9, 200]), targets(method, [200, 3])
    np.testing.assert_array_equal(forward[[2, 0]], backward)
    again, _ = prepared("sparse")
    for maps in again.maps["g"], method.maps["g"]:
        maps.mean.assign([1.0, 2.0])
        maps.variance.assign([1.0, 9.0])
    np.testing.assert_array_equal(targets(again, [3, 9]), targets(method, [3, 9]))
    assert not np.array_equal(targets(method, [3]), targets(method, [9]))
    other = RandomMaps((3, 3, 2), (1, 0), True)
    second_pair = RandomMaps((3, 3, 2), (0, 1), True)
    drawn = [np.asarray(maps(np.array([3]))) for maps in (RandomMaps((3, 3, 2), (0, 0), True),)]
    for maps in other, second_pair:
        assert not np.array_equal(drawn[0], np.asarray(maps(np.array([3]))))


def lowbias32(x):
    """The published function, on Python's integers."""
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    return x ^ x >> 16


def test_random_hints_are_the_same_numbers_everywhere():
    maps = RandomMaps((2, 1, 2), (5, 1), False)
    maps.mean.assign([0.5, 0.5])
    maps.variance.assign([1 / 12, 1 / 12])  # 0 .. 1: the hash itself
    key = lowbias32(lowbias32(5) + 1)
    expected = [
        (lowbias32(lowbias32((row + key) % 2**32) ^ lowbias32(place)) >> 8) / 2**24
        for row in (0, 70_000)
        for place in (1, 2, 3, 4)
    ]
    drawn = maps(np.array([0, 70_000]))
    np.testing.assert_allclose(np.ravel(drawn), expected, atol=1e-6)
    compiled = tf.function(maps, jit_compile=True)(tf.constant([0, 70_000], tf.int64))
    np.testing.assert_allclose(compiled, drawn, atol=1e-6)


def test_random_hints_of_a_pooled_regressor_match_the_pooled_maps():
    method, maps = prepared("sparse", pooling=True)
    pooled = maps.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(method.maps["g"].mean, pooled.mean(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(method.maps["g"].variance, pooled.var(axis=(0, 1, 2)), rtol=1e-3)
    assert targets(method, [0, 1]).shape == (2, 1, 1, 2)


def test_a_channel_that_is_always_0_stays_0():
    maps = RandomMaps((1, 1, 2), (0, 0), True)
    maps.mean.assign([0.0, 1.0])
    maps.variance.assign([0.0, 0.0])
    np.testing.assert_array_equal(maps(np.arange(3)), [[[[0.0, 1.0]]]] * 3)


def test_random_hint_is_hint_but_for_its_targets(tiny_pair):
    config = RunConfig(hint=HintConfig(epochs=4, keep_weight=0.2, learning_rate=0.1))
    built = []
    for arm in "hint", "random_hint":
        method = build_method(arm, config, *tiny_pair)
        method.build(tap_shapes(tiny_pair[0]), tap_shapes(tiny_pair[1]), 4)
        built.append(method)
    real, control = (method.phases() for method in built)
    for key in "pretrain", "task":
        for name in "student_taps", "epochs", "learning_rate":
            assert getattr(real[key], name) == getattr(control[key], name)
        assert [t.weight for t in real[key].terms] == [t.weight for t in control[key].terms]
    one, other = (method.regressors["stage1"] for method in built)
    assert [w.shape for w in one.weights] == [w.shape for w in other.weights]
    assert type(built[1]).hint_loss is Hint.hint_loss
    assert type(built[1]).prediction is Hint.prediction


def built_random_hint(config, teacher, student, samples):
    method = build_method("random_hint", config, teacher, student)
    method.build(tap_shapes(teacher), tap_shapes(student), samples)
    return method


def test_random_hint_takes_its_statistics_from_the_training_part(tiny_pair, tmp_path):
    teacher, student = tiny_pair
    data = load_training(DataConfig(limit=60, calibration_samples=10))
    data = replace(data, labels=data.labels % 4)
    config = RunConfig(hint=HintConfig(epochs=1), training=TrainingConfig(epochs=1))
    method = built_random_hint(config, teacher, student, len(data.images))
    shift = AugmentConfig(shift=1)
    job = Job(student, method, teacher, data, shift, config.training, 0, tmp_path)
    with pytest.raises(MethodError, match="there is no teacher"):
        train(replace(job, teacher=None))
    train(job)
    maps = teacher(data.normalized(data.train), training=False)["stage1"].numpy()
    statistics = method.maps["stage1"]
    np.testing.assert_allclose(statistics.mean, maps.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(statistics.variance, maps.var(axis=(0, 1, 2)), rtol=1e-2, atol=1e-5)

    # A training that goes on has them from its checkpoint: no teacher is run, or needed.
    again = built_random_hint(config, teacher, student, len(data.images))
    train(replace(job, method=again, teacher=None))
    for name in ("mean", "variance"):
        kept, restored = (getattr(each.maps["stage1"], name) for each in (method, again))
        np.testing.assert_array_equal(restored, kept)


@pytest.mark.parametrize(
    ("arm", "why"),
    [
        ("scratch+kd", "scratch stands alone, for it is the student on labels alone"),
        ("output_only+hint", "output_only stands alone, for it is kd for as many steps"),
        ("hint+random_hint+kd", "hint and random_hint take each other's place"),
        ("joint_hint+hint_labels", "joint_hint and hint_labels take each other's place"),
    ],
)
def test_sums_without_sense_are_refused(arm, why):
    with pytest.raises(SettingsError, match=why):
        method_names(arm)


def test_controls_can_be_summed_with_kd():
    for arm in "random_hint+kd", "joint_hint+kd", "hint_labels+kd":
        assert method_names(arm) == arm.split("+")
