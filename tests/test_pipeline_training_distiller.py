"""The training step: what moves, what must not, and what `fit` is given."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hintlite.errors import HintliteError
from hintlite.pipeline.methods.base import Linear, Phase, Sum, Term, Warmup, tap_shapes, with_labels
from hintlite.pipeline.methods.hint import Hint
from hintlite.pipeline.methods.kd import KD
from hintlite.pipeline.methods.scratch import Scratch
from hintlite.pipeline.settings.methods import HintConfig, KDConfig
from hintlite.pipeline.training.distiller import Distiller
from hintlite.pipeline.training.drop_regressor import LeftoverError, drop_regressor, in_float32

RNG = np.random.default_rng(5)
X = RNG.normal(size=(12, 8, 8, 1)).astype(np.float32)
Y = RNG.integers(0, 4, 12)


def built(pair, method):
    teacher, student = pair
    method.build(tap_shapes(teacher), tap_shapes(student), len(X))
    return teacher, student, method.phases()


def hint(**settings):
    return Hint(HintConfig(**settings), {"stage1": "stage1"}, {"stage1": "relu"})


def compiled(student, phase, teacher=None, optimizer=None, **settings):
    distiller = Distiller(student, phase, teacher)
    optimizer = optimizer or keras.optimizers.SGD(0.1)
    distiller.compile(optimizer=optimizer, jit_compile=False, **settings)
    return distiller


def values(model):
    return {v.path: v.numpy().copy() for v in model.variables}


def moved(before, model):
    return {v.path for v in model.variables if not np.array_equal(before[v.path], v.numpy())}


def test_one_step_of_gradient_descent_is_the_one_worked_out_by_hand():
    """A student of one linear layer: the gradient of the cross-entropy is (p - y) x^T."""
    inputs = keras.Input((2, 2, 1))
    logits = keras.layers.Dense(3, use_bias=False)(keras.layers.Flatten()(inputs))
    student = keras.Model(inputs, {"logits": logits})
    x, y = X[:4, :2, :2], np.array([0, 1, 2, 1])
    kernel = student.get_weights()[0].astype(np.float64)
    flat = x.reshape(4, 4).astype(np.float64)
    powers = np.exp(flat @ kernel)
    error = powers / powers.sum(1, keepdims=True) - np.eye(3)[y]
    expected = kernel - 0.1 * flat.T @ error / 4
    distiller = compiled(student, with_labels(Scratch().phases()["task"]))
    distiller.fit(x, y, batch_size=4, epochs=1, verbose=0)
    np.testing.assert_allclose(student.get_weights()[0], expected, rtol=1e-5)


def test_sample_and_class_weights_weigh_the_loss(tiny_pair):
    phase = with_labels(Scratch().phases()["task"])
    distiller = compiled(tiny_pair[1], phase)
    logits = distiller(X)["logits"].numpy().astype(np.float64)
    losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(12), Y]
    weights = RNG.random(12)
    result = distiller.evaluate(X, Y, sample_weight=weights, batch_size=12, verbose=0)
    history = compiled(tiny_pair[1], phase, optimizer=keras.optimizers.SGD(0.0))
    by_class = {0: 1.0, 1: 5.0, 2: 0.0, 3: 2.0}
    assert result[0] == pytest.approx((losses * weights).mean(), rel=1e-5)
    training = history.fit(X, Y, batch_size=12, class_weight=by_class, verbose=0, shuffle=False)
    logits = tiny_pair[1](X, training=True)["logits"].numpy().astype(np.float64)
    losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(12), Y]
    expected = (losses * np.array([by_class[y] for y in Y])).mean()
    assert training.history["loss"][0] == pytest.approx(expected, rel=1e-4)


def test_hint_phase_moves_the_guided_part_and_nothing_deeper(tiny_pair):
    teacher, student, phases = built(tiny_pair, hint())
    teacher_before, student_before = values(teacher), values(student)
    distiller = compiled(student, phases["pretrain"], teacher)
    distiller.fit(X, Y, epochs=1, verbose=0)
    assert not moved(teacher_before, teacher)
    changed = moved(student_before, student)
    assert any("stage1" in path and "kernel" in path for path in changed)
    assert any("stage1" in path and "moving" in path for path in changed)
    assert not [path for path in changed if "stage2" in path or "logits" in path]


def test_task_phase_reaches_the_whole_student_and_the_kept_regressor(tiny_pair):
    method = Sum([hint(keep_weight=1.0), KD(KDConfig())])
    teacher, student, phases = built(tiny_pair, method)
    teacher_before, student_before = values(teacher), values(student)
    regressor = phases["task"].extras[0]
    regressor_before = values(regressor)
    distiller = compiled(student, with_labels(phases["task"]), teacher)
    logs = distiller.fit(X, Y, epochs=1, verbose=0).history
    assert set(logs) == {"loss", "hint", "ce", "kd", "accuracy"}
    assert not moved(teacher_before, teacher)
    assert moved(student_before, student) == {v.path for v in student.variables}
    assert moved(regressor_before, regressor)


def test_the_total_is_the_weighted_sum_and_the_regularizers():
    inputs = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(inputs)
    logits = keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.5))(flat)
    student = keras.Model(inputs, {"logits": logits})
    distiller = compiled(student, with_labels(Scratch().phases()["task"]))
    found = distiller.evaluate(X, Y, batch_size=12, verbose=0, return_dict=True)
    loss, cross_entropy = found["loss"], found["ce"]
    penalty = 0.5 * np.square(student.get_weights()[0].astype(np.float64)).sum()
    assert penalty > 0.1
    assert loss == pytest.approx(cross_entropy + penalty, rel=1e-5)


def test_the_student_runs_once_a_step_and_the_teacher_in_inference_mode(tiny_pair):
    teacher, student, phases = built(tiny_pair, KD(KDConfig()))
    norm = next(v for v in student.variables if "stage1" in v.path and "moving_mean" in v.path)
    assert not norm.numpy().any()
    distiller = compiled(student, phases["task"], teacher)
    first = next(layer for layer in student.layers if isinstance(layer, keras.layers.Conv2D))
    mean = first(X).numpy().mean(axis=(0, 1, 2))
    distiller.fit(X, Y, batch_size=12, epochs=1, verbose=0)
    # One update from 0 with momentum 0.9; a second run of the student would make another.
    np.testing.assert_allclose(norm.numpy(), 0.1 * mean, rtol=1e-4)


def test_evaluation_moves_nothing(tiny_pair):
    teacher, student, phases = built(tiny_pair, hint())
    before = values(student)
    compiled(student, phases["pretrain"], teacher).evaluate(X, Y, verbose=0)
    assert not moved(before, student)


class Halving:
    """A schedule of no class that hintlite knows."""

    def at(self, epoch, epochs):
        return 2.0 ** (epochs - epoch)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Linear(4.0, 1.0), [4.0, 3.0, 2.0, 1.0]),
        (Warmup(3.0, 2), [1.5, 3.0, 3.0, 3.0]),
        (Halving(), [16.0, 8.0, 4.0, 2.0]),
    ],
)
def test_scheduled_weights_act_in_the_compiled_step(tiny_pair, schedule, expected):
    def one(batch):
        return 0.0 * batch.student["logits"][:, 0] + 1.0

    phase = Phase((Term("t", one, schedule),), frozenset({"logits"}))
    distiller = compiled(tiny_pair[1], phase)
    history = distiller.fit(X, Y, epochs=4, verbose=0).history
    assert history["loss"] == pytest.approx(expected)
    assert history["t"] == pytest.approx([1.0] * 4)


def test_a_callback_can_change_a_constant_weight(tiny_pair):
    def one(batch):
        return 0.0 * batch.student["logits"][:, 0] + 1.0

    phase = Phase((Term("t", one, 2.0),), frozenset({"logits"}))
    distiller = compiled(tiny_pair[1], phase)
    change = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: distiller.term_weights["t"].assign(float(epoch))
    )
    history = distiller.fit(X, Y, epochs=3, verbose=0, callbacks=[change]).history
    assert history["loss"] == pytest.approx([0.0, 1.0, 2.0])


def test_cached_teacher_outputs_stand_in_for_the_teacher(tiny_pair):
    teacher, student, phases = built(tiny_pair, KD(KDConfig()))
    logits = teacher(X)["logits"].numpy()
    live = compiled(student, phases["task"], teacher).evaluate(X, Y, verbose=0)
    distiller = compiled(student, phases["task"], teacher)
    distiller._teach = None  # not to be called
    data = tf.data.Dataset.from_tensor_slices(({"image": X, "teacher:logits": logits}, Y))
    assert distiller.evaluate(data.batch(12), verbose=0) == pytest.approx(live, rel=1e-5)


def test_a_phase_that_needs_a_teacher_refuses_to_do_without(tiny_pair):
    with pytest.raises(HintliteError, match="no teacher was given"):
        Distiller(tiny_pair[1], KD(KDConfig()).phases()["task"])


def test_gradients_are_clipped_by_the_optimizer(tiny_pair):
    optimizer = keras.optimizers.SGD(1.0, global_clipnorm=1e-3)
    distiller = compiled(tiny_pair[1], with_labels(Scratch().phases()["task"]), optimizer=optimizer)
    before = [v.numpy() for v in distiller.trainable_variables]
    distiller.fit(X, Y, batch_size=12, epochs=1, verbose=0)
    pairs = zip(distiller.trainable_variables, before, strict=True)
    norm = np.sqrt(sum(np.square(v.numpy() - old).sum() for v, old in pairs))
    assert norm == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_losses_stay_float32(policy):
    from hintlite.models.settings import NetworkConfig
    from hintlite.models.student import build_student

    keras.config.set_dtype_policy(policy)
    try:
        student = build_student(NetworkConfig(widths=(3, 4), depths=(1, 1)), (8, 8, 1), 4)
        distiller = compiled(student, with_labels(Scratch().phases()["task"]))
        before = values(student)
        history = distiller.fit(X, Y, epochs=2, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    deployed = in_float32(student)
    assert {layer.dtype_policy.name for layer in deployed.layers} == {"float32"}
    expected = student(X, training=False)["logits"]
    np.testing.assert_allclose(deployed(X, training=False)["logits"], expected, atol=0.05)
    assert in_float32(deployed) is deployed
    assert student.output["logits"].dtype == policy.removeprefix("mixed_")
    assert np.isfinite(history["loss"]).all()
    assert any("kernel" in path for path in moved(before, student))


@pytest.mark.whole
def test_xla_gives_the_same_step(tiny_pair):
    teacher, student, phases = built(tiny_pair, KD(KDConfig()))
    start = student.get_weights()
    outcomes = []
    for jit in (False, True):
        student.set_weights(start)
        distiller = Distiller(student, phases["task"], teacher)
        distiller.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=jit)
        distiller.fit(X, Y, batch_size=12, epochs=1, verbose=0)
        assert distiller.jit_compile is jit
        outcomes.append(student.get_weights())
    for plain, compiled_by_xla in zip(*outcomes, strict=True):
        np.testing.assert_allclose(plain, compiled_by_xla, rtol=1e-3, atol=1e-5)


def test_dropping_the_regressor_leaves_the_student_alone(tiny_pair):
    teacher, student, phases = built(tiny_pair, hint())
    compiled(student, phases["pretrain"], teacher).fit(X, Y, verbose=0)
    extras = phases["pretrain"].extras
    alone = drop_regressor(student, extras)
    np.testing.assert_array_equal(alone(X), student(X)["logits"])
    assert alone.count_params() == student.count_params()


def test_a_student_that_still_holds_the_regressor_is_refused(tiny_pair):
    _, student, phases = built(tiny_pair, hint())
    regressor = phases["pretrain"].extras[0]
    hidden = keras.layers.GlobalAveragePooling2D()(regressor(student.output["stage1"]))
    logits = keras.layers.Add()([student.output["logits"], keras.layers.Dense(4)(hidden)])
    spoiled = keras.Model(student.input, {**student.output, "logits": logits})
    with pytest.raises(LeftoverError, match="still in the student"):
        drop_regressor(spoiled, [regressor])


def test_half_precision_layers_have_their_loss_scaled_whatever_the_policy_is_now(tiny_pair):
    from hintlite.models.settings import NetworkConfig
    from hintlite.models.student import build_student

    keras.config.set_dtype_policy("mixed_float16")
    try:
        student = build_student(NetworkConfig(widths=(3, 4), depths=(1, 1)), (8, 8, 1), 10)
    finally:
        keras.config.set_dtype_policy("float32")
    phase = with_labels(Phase((), frozenset({"logits"})))
    half, full = (Distiller(each, phase) for each in (student, tiny_pair[1]))
    for distiller in (half, full):
        distiller.compile(optimizer="adam")
    assert float(half.optimizer.scale_loss(1.0)) == 2.0**15
    assert float(full.optimizer.scale_loss(1.0)) == 1.0


def test_validation_tells_balanced_accuracy_and_f1_and_training_does_not(tiny_pair):
    from sklearn.metrics import balanced_accuracy_score, f1_score

    student = tiny_pair[1]
    distiller = compiled(student, with_labels(Phase((), frozenset({"logits"}))))
    assert "macro_f1" not in distiller.train_on_batch(X, Y, return_dict=True)
    found = distiller.evaluate(X, Y, batch_size=3, verbose=0, return_dict=True)
    chosen = student.predict(X, verbose=0)["logits"].argmax(axis=1)
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(Y, chosen))
    assert found["macro_f1"] == pytest.approx(f1_score(Y, chosen, average="macro"))
