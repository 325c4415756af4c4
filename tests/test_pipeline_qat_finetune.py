"""The losses of the fine-tuning, against numpy, and its freezing of batch normalization."""

import numpy as np
import pytest
from qat_networks import CLASSES, SHAPE, tiny

from hintlite.pipeline.qat.job import Job
from hintlite.pipeline.qat.read import read

LABELS = np.array([0, 2, 1])
LOGITS = np.array([[1.0, 0.5, -2.0], [0.0, 0.2, 0.1], [3.0, -1.0, 0.0]], np.float32)
TEACHER = np.array([[2.0, 0.0, -1.0], [0.0, 1.0, 2.0], [1.0, 1.5, 0.0]], np.float32)


def job(**more):
    settings = {"quantized": False, "epochs": 1, "learning_rate": 1e-2, "batch_size": 32}
    return Job(**settings | {"freeze_norm_after": 1, "seed": 0} | more)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def found(settings, teacher=TEACHER):
    import tensorflow as tf

    from hintlite.pipeline.qat.finetune import losses

    soft = None if teacher is None else tf.constant(teacher)
    return float(losses(settings, tf.constant(LABELS), tf.constant(LOGITS), soft))


def cross_entropies():
    return -np.log(softmax(LOGITS)[np.arange(3), LABELS])


def divergences(tau):
    p, q = softmax(TEACHER / tau), softmax(LOGITS / tau)
    return (p * (np.log(p) - np.log(q))).sum(axis=1)


def test_without_a_teacher_the_loss_is_the_cross_entropy():
    assert found(job(), teacher=None) == pytest.approx(cross_entropies().mean(), rel=1e-5)


def test_soft_targets_are_weighed_by_lambda_at_temperature_tau():
    settings = job(label_weight=0.5, soft_weight=2.0, temperature=3.0)
    expected = (0.5 * cross_entropies() + 2.0 * divergences(3.0)).mean()
    assert found(settings) == pytest.approx(expected, rel=1e-5)
    squared = job(label_weight=0.5, soft_weight=2.0, temperature=3.0, tau_squared=True)
    expected = (0.5 * cross_entropies() + 18.0 * divergences(3.0)).mean()
    assert found(squared) == pytest.approx(expected, rel=1e-5)


def test_labels_are_smoothed_and_classes_weighed():
    logs, smooth = np.log(softmax(LOGITS)), 0.3
    per_sample = 0.7 * cross_entropies() - smooth * logs.mean(axis=1)
    weights = np.array([2.0, 0.5, 1.0])[LABELS]
    settings = job(label_smoothing=smooth, class_weights=(2.0, 0.5, 1.0))
    assert found(settings, teacher=None) == pytest.approx((weights * per_sample).mean(), rel=1e-5)


def test_batch_normalization_stands_still_once_it_is_frozen():
    import tensorflow as tf
    import tf_keras

    from hintlite.pipeline.qat.finetune import FineTuning
    from hintlite.pipeline.qat.rebuild import rebuild

    model = rebuild(read(tiny()))
    norm = next(x for x in model.layers if isinstance(x, tf_keras.layers.BatchNormalization))
    training = FineTuning(model, job(epochs=2), steps=1)
    random = np.random.default_rng(0)
    images = tf.constant(random.uniform(0, 1, (32, *SHAPE)), tf.float32)
    batches = [(images, tf.constant(random.integers(0, CLASSES, 32)), None)]
    weights = [[w.copy() for w in norm.get_weights()]]
    for epoch in (0, 1):
        training.epoch(epoch, batches, lambda done, loss: None)
        weights.append([w.copy() for w in norm.get_weights()])
    moved = [np.max(np.abs(a - b)) for a, b in zip(weights[0], weights[1], strict=True)]
    still = [np.max(np.abs(a - b)) for a, b in zip(weights[1], weights[2], strict=True)]
    assert min(moved) > 0
    assert max(still) == 0
