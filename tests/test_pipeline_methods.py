"""The losses against values worked out in numpy from the papers' formulas."""

from dataclasses import asdict

import numpy as np
import pytest

from hintlite.errors import SettingsError
from hintlite.models import presets
from hintlite.pipeline.methods import METHODS, method_names, settings_read
from hintlite.pipeline.methods.attention import Attention
from hintlite.pipeline.methods.base import (
    Batch,
    Linear,
    Method,
    MethodError,
    Phase,
    Sum,
    Term,
    Warmup,
    cross_entropy,
    with_labels,
)
from hintlite.pipeline.methods.fsp import FSP
from hintlite.pipeline.methods.hint import Hint
from hintlite.pipeline.methods.joint_hint import JointHint
from hintlite.pipeline.methods.kd import KD
from hintlite.pipeline.methods.reviewkd import ReviewKD
from hintlite.pipeline.methods.scratch import Scratch
from hintlite.pipeline.settings.methods import HintConfig, JointHintConfig, KDConfig
from hintlite.pipeline.settings.run import RunConfig

RNG = np.random.default_rng(7)
STUDENT = RNG.normal(size=(5, 4)).astype(np.float32)
TEACHER = 3.0 * RNG.normal(size=(5, 4)).astype(np.float32)  # asymmetric on purpose
LABELS = np.array([0, 3, 1, 2, 2])
OURS = {"scratch", "kd", "hint", "joint_hint", "random_hint", "hint_labels", "output_only"}


def softmax(logits, tau=1.0):
    powers = np.exp(logits.astype(np.float64) / tau)
    return powers / powers.sum(axis=1, keepdims=True)


def batch(student=STUDENT, teacher=TEACHER):
    return Batch({"logits": student}, {"logits": teacher}, LABELS, np.arange(5), True)


def test_cross_entropy_is_minus_log_of_the_true_class():
    expected = -np.log(softmax(STUDENT)[np.arange(5), LABELS])
    np.testing.assert_allclose(cross_entropy(batch()), expected, rtol=1e-5)


def test_label_smoothing_mixes_in_the_uniform_distribution():
    target = 0.8 * np.eye(4)[LABELS] + 0.2 / 4
    expected = -(target * np.log(softmax(STUDENT))).sum(axis=1)
    np.testing.assert_allclose(cross_entropy(batch(), 0.2), expected, rtol=1e-5)


@pytest.mark.parametrize("tau_squared", [False, True])
def test_kd_is_the_divergence_of_the_student_from_the_teacher(tau_squared):
    tau = 3.0
    p, q = softmax(TEACHER, tau), softmax(STUDENT, tau)
    expected = (p * np.log(p / q)).sum(axis=1) * (tau**2 if tau_squared else 1.0)
    method = KD(KDConfig(temperature=tau, tau_squared=tau_squared))
    np.testing.assert_allclose(method.soft_loss(batch()), expected, rtol=1e-4)
    swapped = method.soft_loss(batch(TEACHER, STUDENT))
    assert np.abs(swapped - expected).max() > 0.01  # a swapped teacher and student would be seen


def test_kd_agrees_with_keras_when_keras_is_given_the_divergence():
    import keras

    theirs = keras.distillation.LogitsDistillation(
        temperature=4.0, loss=keras.losses.KLDivergence()
    ).compute_loss(TEACHER, STUDENT)
    ours = KD(KDConfig(temperature=4.0, tau_squared=True)).soft_loss(batch())
    np.testing.assert_allclose(np.mean(ours), theirs, rtol=1e-4)


def test_kd_weights_follow_the_paper():
    phase = KD(KDConfig()).phases()["task"]
    weights = {term.name: term.weight for term in phase.terms}
    assert weights == {"ce": 1.0, "kd": Linear(4.0, 1.0)}
    assert [Linear(4.0, 1.0).at(epoch, 4) for epoch in range(4)] == [4.0, 3.0, 2.0, 1.0]
    assert Linear(4.0, 1.0).at(0, 1) == 4.0


def test_hintons_form_is_reached_by_settings():
    """Hinton et al. 2015: 0.1 H(y, P_S) + 0.9 tau^2 KL(P_T^tau || P_S^tau), tau 4."""
    config = KDConfig(4.0, weight_start=0.9, weight_end=0.9, label_weight=0.1, tau_squared=True)
    p, q = softmax(TEACHER, 4.0), softmax(STUDENT, 4.0)
    labels = -np.log(softmax(STUDENT)[np.arange(5), LABELS])
    expected = 0.1 * labels + 0.9 * 16.0 * (p * np.log(p / q)).sum(axis=1)
    terms = with_labels(KD(config).phases()["task"]).terms
    for epoch in 0, 7:
        weights = [
            t.weight if isinstance(t.weight, float) else t.weight.at(epoch, 8) for t in terms
        ]
        losses = [np.asarray(term.loss(batch())) for term in terms]
        np.testing.assert_allclose(np.dot(weights, losses), expected, rtol=1e-4)


def test_a_warm_up_rises_from_0_and_stays():
    assert [Warmup(8.0, 4).at(epoch, 6) for epoch in range(6)] == [2.0, 4.0, 6.0, 8.0, 8.0, 8.0]
    assert Warmup(8.0, 0).at(0, 6) == Warmup(8.0, 1).at(0, 6) == 8.0


def test_a_warm_up_is_at_its_end_by_the_last_epoch():
    assert [Warmup(8.0, 20).at(epoch, 2) for epoch in range(2)] == [4.0, 8.0]
    assert Warmup(8.0, 2).at(0, 1) == 8.0  # a single epoch distils


def test_labels_are_added_to_a_task_phase_once():
    plain = with_labels(Scratch().phases()["task"])
    assert [term.name for term in plain.terms] == ["ce"]
    kd = KD(KDConfig(label_weight=0.1)).phases()["task"]
    assert with_labels(kd) is kd


def hint_method(kind="paper", activation="linear", **settings):
    method = Hint(HintConfig(regressor=kind, **settings), {"g": "h"}, {"h": activation})
    method.build({"h": (None, 3, 3, 5)}, {"g": (None, 5, 5, 2)}, 10)
    return method


def test_hint_loss_is_half_the_squared_distance_after_the_regressor():
    method = hint_method()
    guided = RNG.normal(size=(4, 5, 5, 2)).astype(np.float32)
    hint = RNG.normal(size=(4, 3, 3, 5)).astype(np.float32)
    kernel, bias = (np.asarray(w) for w in method.regressors["g"].get_weights())
    assert kernel.shape == (3, 3, 2, 5)  # k = 5 - 3 + 1, a valid convolution
    bias = RNG.normal(size=bias.shape).astype(np.float32)
    method.regressors["g"].set_weights([kernel, bias])
    predicted = np.zeros((4, 3, 3, 5))
    for row in range(3):
        for column in range(3):
            patch = guided[:, row : row + 3, column : column + 3, :]
            predicted[:, row, column] = np.tensordot(patch, kernel, 3) + bias
    expected = 0.5 * ((hint - predicted) ** 2).sum(axis=(1, 2, 3))
    loss = method.hint_loss(Batch({"g": guided}, {"h": hint}, LABELS[:4], np.arange(4), True))
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


def test_hint_regressor_has_the_hints_own_non_linearity():
    method = hint_method(activation="relu")
    guided = RNG.normal(size=(2, 5, 5, 2)).astype(np.float32)
    predicted = np.asarray(method.regressors["g"](guided))
    assert predicted.min() == 0.0
    assert predicted.max() > 0.0


def test_hint_pools_a_larger_hint_where_the_kind_says_so():
    method = Hint(HintConfig(regressor="pooled"), {"g": "h"}, {"h": "linear"})
    method.build({"h": (None, 4, 4, 3)}, {"g": (None, 2, 2, 6)}, 10)
    hint = RNG.normal(size=(2, 4, 4, 3)).astype(np.float32)
    pooled = hint.reshape(2, 2, 2, 2, 2, 3).mean(axis=(2, 4))
    target = method.target("g", Batch({}, {"h": hint}, LABELS[:2], np.arange(2), True))
    np.testing.assert_allclose(target, pooled, rtol=1e-5)


def test_hint_refuses_unknown_taps():
    method = Hint(HintConfig(), {"g": "h"}, {"h": "linear"})
    with pytest.raises(MethodError, match=r"student's tap 'g'.*has x"):
        method.build({"h": (None, 3, 3, 5)}, {"x": (None, 5, 5, 2)}, 1)


def test_a_larger_hint_is_pooled_to_the_guided_size():
    method = Hint(HintConfig(), {"g": "h"}, {"h": "linear"})
    method.build({"h": (None, 8, 8, 5)}, {"g": (None, 4, 4, 2)}, 1)
    hint = np.arange(320, dtype=np.float32).reshape(1, 8, 8, 5)
    found = method.target("g", Batch({}, {"h": hint}, None, None, False))
    expected = hint.reshape(1, 4, 2, 4, 2, 5).mean(axis=(2, 4))
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)
    assert method.regressors["g"].output_shape == (None, 4, 4, 5)


def test_hint_is_dropped_after_its_phase_unless_it_is_kept_on():
    phases = hint_method().phases()
    assert phases["pretrain"].extras
    assert phases["pretrain"].student_taps == {"g"}
    assert phases["task"].extras == ()
    kept = hint_method(keep_weight=0.5).phases()["task"]
    assert [(term.name, term.weight) for term in kept.terms] == [("hint", 0.5)]
    assert kept.extras


def test_sum_merges_phases_by_key():
    merged = Sum([hint_method(), KD(KDConfig())]).phases()
    assert list(merged) == ["pretrain", "task"]
    assert [term.name for term in merged["task"].terms] == ["ce", "kd"]
    assert merged["pretrain"].epochs == HintConfig().epochs


class Plain(Method):
    def __init__(self, name, epochs=None, rate=None):
        self.phase = Phase((Term(name, None),), frozenset(), epochs=epochs, learning_rate=rate)

    def phases(self):
        return {"pretrain": self.phase, "task": Phase((), frozenset({"logits"}))}


def test_a_sum_takes_the_most_epochs_and_the_lowest_rate_in_any_order_and_says_so():
    methods = [Plain("a", 4, 5e-3), Plain("b", 5, 2e-3), Plain("c")]
    for some in (methods, methods[::-1]):
        summed = Sum(some)
        phase = summed.phases()["pretrain"]
        assert (phase.epochs, phase.learning_rate) == (5, 2e-3)
        assert summed.remarks() == [
            "the pretrain phase takes 5 epochs, the most of what the summed methods ask for "
            "(4 and 5)",
            "the pretrain phase has the learning rate 0.002, the lowest of what the summed methods "
            "ask for (0.002 and 0.005)",
        ]
    assert Sum([Plain("a", 4, 5e-3), Plain("b")]).remarks() == []


def test_sum_refuses_one_loss_twice():
    with pytest.raises(MethodError, match="ce, kd"):
        Sum([KD(KDConfig()), KD(KDConfig())]).phases()


def test_arms_name_methods():
    assert method_names("hint+kd") == ["hint", "kd"]
    with pytest.raises(
        SettingsError, match=r"no method 'hnit'; did you mean 'hint'\? known: scratch"
    ):
        method_names("hnit+kd")
    with pytest.raises(SettingsError, match="twice"):
        method_names("kd+kd")


def test_an_arm_is_trained_anew_when_what_it_reads_changes_and_not_otherwise():
    def read(arm, **settings):
        return settings_read(arm, RunConfig(**settings))

    plain = RunConfig()
    assert read("scratch") == {}
    assert read("hint+kd") == {"hint": asdict(plain.hint), "kd": asdict(plain.kd)}
    assert read("output_only") == {"kd": asdict(plain.kd), "hint.epochs": plain.hint.epochs}
    changed = {
        "hint.epochs": {"hint": HintConfig(epochs=9)},
        "hint.regressor": {"hint": HintConfig(regressor="pooled")},
        "joint_hint": {"joint_hint": JointHintConfig(weight=7.0)},
        "kd": {"kd": KDConfig(temperature=9.0)},
    }
    retrained = {
        name: {arm for arm in METHODS if read(arm) != read(arm, **settings)} & OURS
        for name, settings in changed.items()
    }
    assert retrained == {
        "hint.epochs": {"hint", "random_hint", "hint_labels", "output_only"},
        "hint.regressor": {"hint", "random_hint", "joint_hint"},
        "joint_hint": {"joint_hint"},
        "kd": {"kd", "output_only"},
    }


def test_every_setting_that_a_method_reads_exists():
    for arm in METHODS:
        assert all(value is not None for value in settings_read(arm, RunConfig()).values())


def test_every_method_builds_and_minimises_something(tiny_pair):
    teacher, student = tiny_pair
    from hintlite.pipeline.methods import build_method
    from hintlite.pipeline.methods.base import tap_shapes

    for name in METHODS:
        method = build_method(name, RunConfig(), teacher, student)
        method.build(tap_shapes(teacher), tap_shapes(student), 10)
        phases = method.phases()
        assert with_labels(phases["task"]).terms
        assert all(isinstance(phase, Phase) for phase in phases.values())
        assert all(isinstance(term, Term) for phase in phases.values() for term in phase.terms)


@pytest.mark.parametrize(
    ("described", "words"),
    [
        (Hint, ["averages", "no regressor where the shapes agree", "norms of the kernels"]),
        (KD, ["epoch 5 towards epoch 400", "288", "1.85", "MNIST"]),
        (JointHint, ["RepDistiller", "batch normalization and ReLU", "stride 2", "transposed"]),
        (FSP, ["torchdistill", "maximum"]),
        (ReviewKD, ["before their ReLU"]),
        (Attention, ["1e-12", "squared norm"]),
        (presets, ["5 pieces of the authors' settings file", "students' fully connected"]),
    ],
)
def test_departures_from_papers_and_their_code_are_named(described, words):
    told = " ".join(described.__doc__.split())
    assert [word for word in words if word not in told] == []
