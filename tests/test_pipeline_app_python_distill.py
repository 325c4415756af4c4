"""hintlite.distill on a caller's own models, as a Keras user would call it."""

import logging
import random

import keras
import numpy as np
import own_models
import pytest
import tensorflow as tf

import hintlite
from hintlite.pipeline.app.python.held import divided
from hintlite.pipeline.app.python.networks import as_networks
from hintlite.pipeline.app.python.samples import Samples, Task, read_samples

HINTS = {"thin1": "block1"}
TRAIN, VALIDATION = own_models.samples(48, seed=1), own_models.samples(18, seed=2)


@pytest.fixture(scope="module")
def teacher():
    return own_models.trained_teacher()


def distilled(teacher, student=None, train=TRAIN, validation=VALIDATION, **settings):
    student = own_models.student() if student is None else student
    usual = {"method": "kd", "epochs": 1, "batch_size": 16}
    return hintlite.distill(teacher, student, train, validation, **usual | settings)


def test_the_student_is_trained_in_place_and_returned_with_its_history(teacher):
    student = own_models.student()
    before = [w.copy() for w in student.get_weights()]
    found = distilled(teacher, student, method="hint+kd", hints=HINTS, epochs=6, learning_rate=0.02)
    assert found is student
    assert any(not np.array_equal(a, b) for a, b in zip(before, found.get_weights(), strict=True))
    accuracy = np.mean(student.predict(VALIDATION[0], verbose=0).argmax(1) == VALIDATION[1])
    assert accuracy > 0.8
    history = student.history.history
    assert history["phase"] == ["pretrain"] * 4 + ["task"] * 6
    assert history["accuracy"][:4] == [None] * 4
    assert max(history["val_accuracy"][4:]) == pytest.approx(accuracy)


def test_a_student_that_answers_one_class_is_warned_of(teacher):
    student = own_models.student()
    student.layers[-1].bias.assign([0.0, 50.0, 0.0])
    with pytest.warns(UserWarning, match=r"collapsed, it answers '1' for all 18 .*3 steps") as said:
        distilled(teacher, student, learning_rate=1e-6)
    assert [each.filename for each in said if "collapsed" in str(each.message)] == [__file__]


@pytest.fixture(scope="module")
def plain(teacher):
    """A student that was trained with one epoch of kd."""
    return distilled(teacher)


@pytest.mark.whole
def test_softmax_and_logits_are_one_teacher(teacher, plain):
    """The softmax is left out: soft targets of temperature 3 are those of its logits."""
    twin = own_models.classifier((6, 8), ("block1", "block2"), softmax=False)
    twin.set_weights(teacher.get_weights())
    assert_alike(plain, distilled(twin))


class Whole(keras.Model):
    """A teacher without a graph."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x)


@pytest.mark.whole
def test_a_teacher_without_a_graph_teaches_by_its_answers(teacher, plain):
    """The logarithms of its shares are logits of the same softmax."""
    for one, other in zip(
        plain.get_weights(), distilled(Whole(teacher)).get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-4)
    with pytest.raises(hintlite.HintliteError, match=r"Whole is a model without a graph.*block"):
        distilled(Whole(teacher), method="hint+kd", hints=HINTS)


def test_a_loss_is_shown_probabilities_where_the_student_gives_them(teacher, plain):
    own = distilled(teacher, loss="sparse_categorical_crossentropy")
    assert own.history.history["ce"] == pytest.approx(plain.history.history["ce"], rel=1e-4)


def assert_alike(first, second):
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_nothing_of_the_callers_is_changed_and_the_seed_decides(
    teacher, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    students = [own_models.student() for _ in range(2)]
    weights, trainable = teacher.get_weights(), [w.trainable for w in teacher.weights]
    random.seed(11)
    expected = random.random()
    random.seed(11)
    policy, level, handlers = keras.config.dtype_policy(), logging.root.level, logging.root.handlers
    numpy_state = np.random.get_state()[1].copy()
    for student in students:
        distilled(teacher, student, method="joint_hint+kd", hints=HINTS, seed=4)
    assert random.random() == expected
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    assert keras.config.dtype_policy() == policy
    assert (logging.root.level, logging.root.handlers) == (level, handlers)
    assert [w.trainable for w in teacher.weights] == trainable
    for before, after in zip(weights, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().out == ""
    assert_alike(*students)


def _dataset(arrays, batch):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch)


def one_hot(labels):
    return np.eye(own_models.CLASSES, dtype=np.float32)[labels]


@pytest.mark.whole
def test_datasets_are_run_through_anew_each_epoch(teacher):
    passes = []
    dataset = tf.data.Dataset.from_tensor_slices((TRAIN[0], one_hot(TRAIN[1])))

    def seen(x, y):
        tf.py_function(lambda: passes.append(1), [], [])
        return x, y  # an augmentation would draw anew here

    student = distilled(
        teacher, train=dataset.map(seen), epochs=2, validation=_dataset(VALIDATION, 5)
    )
    assert len(passes) == 2 * 48
    assert len(student.history.history["loss"]) == 2
    with pytest.raises(hintlite.HintliteError, match="order may change"):
        distilled(teacher, train=dataset, validation=0.25)


def test_a_share_of_arrays_is_each_class_in_proportion():
    data, _ = divided(Samples(*TRAIN), 0.25, own_models.CLASSES, seed=0)
    np.testing.assert_array_equal(np.bincount(data.labels[data.validation]), [4, 4, 4])
    np.testing.assert_array_equal(np.union1d(data.train, data.validation), np.arange(48))
    again, _ = divided(Samples(*TRAIN), 0.25, own_models.CLASSES, seed=0)
    np.testing.assert_array_equal(data.validation, again.validation)


@pytest.mark.parametrize(
    "form",
    [
        (TRAIN[0], TRAIN[1].reshape(-1, 1)),
        (TRAIN[0], one_hot(TRAIN[1])),
        (TRAIN[0].astype(np.float64), TRAIN[1].astype(np.float64)),
        (TRAIN[0][..., 0].tolist(), TRAIN[1].tolist()),
        (*TRAIN, np.ones(len(TRAIN[1]))),
        tf.data.Dataset.from_tensor_slices(TRAIN),
        tf.data.Dataset.from_tensor_slices((TRAIN[0], one_hot(TRAIN[1]))).batch(7),
    ],
    ids=["column", "one-hot", "float64", "lists", "weighted", "dataset", "batches"],
)
def test_samples_in_all_usual_forms_are_the_same_samples(form):
    read = read_samples(form, Task((6, 6, 1), own_models.CLASSES), "train")
    np.testing.assert_array_equal(read.inputs, TRAIN[0])
    np.testing.assert_array_equal(read.labels, TRAIN[1])
    assert read.inputs.dtype == np.float32


def test_pixels_stay_pixels():
    pixels, labels = own_models.samples(6, dtype=np.uint8)
    read = read_samples((pixels, labels), Task((6, 6, 1), own_models.CLASSES), "train")
    assert read.inputs.dtype == np.uint8
    read = read_samples((pixels.astype(np.int32), labels), Task((6, 6, 1), 3), "train")
    np.testing.assert_array_equal(read.inputs, pixels.astype(np.float32))


def test_a_loss_metrics_optimizer_and_callbacks_of_ones_own(teacher):
    """Plain SGD on a loss of 0: the soft targets alone move the weights; worked out by Keras."""
    seen = []

    class Seen(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, logs["val_f1_score"]))

    def shown(labels, outputs):
        assert labels.shape[-1] == outputs.shape[-1] == own_models.CLASSES  # one-hot came
        return 0.0 * keras.ops.sum(outputs, axis=-1) + 2.5

    student = distilled(
        teacher,
        train=(TRAIN[0], one_hot(TRAIN[1])),
        validation=(VALIDATION[0], one_hot(VALIDATION[1])),
        optimizer=keras.optimizers.SGD(0.0),
        loss=shown,
        metrics=[keras.metrics.F1Score(average="macro")],
        callbacks=[Seen()],
        epochs=2,
    )
    history = student.history.history
    assert history["ce"] == pytest.approx([2.5, 2.5])
    assert [epoch for epoch, _ in seen] == [0, 1]
    assert [value for _, value in seen] == history["val_f1_score"]


def test_methods_take_settings_and_are_summed(teacher, capsys):
    methods = hintlite.methods
    whole = methods.Hint(epochs=1, regressor="pooled") + methods.KD(temperature=2.0)
    history = distilled(teacher, method=whole, hints=HINTS, verbose=True).history.history
    assert history["phase"] == ["pretrain", "task"]
    teachers, hint, task = capsys.readouterr().out.splitlines()
    assert teachers.startswith("teacher: ")
    assert hint.startswith("hint phase, epoch 1/1: ")
    assert task.startswith("task phase, epoch 1/1: ")
    with pytest.raises(hintlite.HintliteError, match=r"kd\.temperature must be above 0"):
        methods.KD(temperature=0)


def test_every_method_of_the_command_has_its_class(monkeypatch):
    from hintlite.pipeline.methods import METHODS, Entry

    classes = [getattr(hintlite.methods, name) for name in hintlite.methods.__all__]
    assert {each.name for each in classes} - {""} == set(METHODS)
    monkeypatch.setitem(METHODS, "new_one", Entry("new_one:NewOne", reads=("kd",)))
    part = hintlite.methods.NewOne(temperature=2.0)
    assert (part.name, part.section, part.temperature) == ("new_one", "kd", 2.0)
    with pytest.raises(AttributeError, match="NewTwo"):
        _ = hintlite.methods.NewTwo


def test_stages_are_paired_as_the_hints_say_whatever_their_order(teacher):
    with pytest.raises(hintlite.HintliteError, match="in the order of their depth"):
        distilled(teacher, method="attention", hints={"thin1": "block2", "thin2": "block1"})
    history = distilled(teacher, method="attention", hints={"thin1": "block2"}).history.history
    assert history["attention"][0] > 0


@pytest.mark.whole
def test_crd_wants_to_know_which_sample_is_which(teacher):
    assert distilled(teacher, method="crd", hints=HINTS).history.history["crd"][0] > 0
    dataset = tf.data.Dataset.from_tensor_slices(TRAIN)
    with pytest.raises(hintlite.HintliteError, match="as arrays, not as a dataset"):
        distilled(teacher, train=dataset, method="crd", hints=HINTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hints": {"thin3": "block1"}}, "student: .*'thin3'; the nearest.*'thin1'"),
        ({"hints": {"thin1": "blok2"}}, "teacher: .*'blok2'; the nearest.*'block2'"),
        ({"hints": {"block1": "thin1"}}, r"hints=\{'thin1': 'block1'\}"),
        ({}, "name a layer of each.*Student: .*thin1.* Teacher: .*block1"),
        ({"method": "hnt+kd"}, "there is no method 'hnt'"),
        ({"method": 3}, "method: got a int"),
        ({"train": TRAIN[0]}, r"train: expected \(x, y\)"),
        ({"train": (TRAIN[0][:, :5], TRAIN[1])}, r"networks take \[n, 6, 6, 1\]"),
        ({"train": (TRAIN[0], TRAIN[1] + 1)}, "label 3 in row 2, but the networks tell 3 classes"),
        ({"train": (TRAIN[0], TRAIN[1][:5])}, "every sample needs exactly one"),
        ({"train": (TRAIN[0], one_hot(TRAIN[1]) / 2)}, "soft labels"),
        (
            {"train": (TRAIN[0], TRAIN[1].astype(str))},
            "validation: labels are numbers, but.* names",
        ),
        ({"train": (TRAIN[0] * np.nan, TRAIN[1])}, "sample 0 holds NaN"),
        ({"validation": 1.5}, "leaves nothing to train on"),
        ({"train": tf.data.Dataset.from_tensor_slices(TRAIN).repeat()}, "has no end"),
        ({"train": tf.data.Dataset.from_tensor_slices(TRAIN[0])}, "expected .image, label"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(teacher, change, message):
    with pytest.raises(hintlite.HintliteError, match=message):
        distilled(teacher, **{"method": "hint+kd"} | change)


def test_networks_that_do_not_belong_together_are_refused(teacher):
    inputs = keras.Input((6, 6, 1))
    two = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    with pytest.raises(hintlite.HintliteError, match="3 classes apart, the student 2"):
        distilled(teacher, two)
    large = keras.Input((8, 8, 1))
    large = keras.Model(large, keras.layers.Dense(3)(keras.layers.Flatten()(large)))
    with pytest.raises(hintlite.HintliteError, match=r"the student \[8, 8, 1\]"):
        distilled(teacher, large)
    with pytest.raises(hintlite.HintliteError, match=r"teacher: expected a keras\.Model"):
        distilled("teacher.keras")


def test_layers_of_nested_models_are_named_by_path():
    inner = own_models.classifier((6, 8), ("block1", "block2"))
    inputs = keras.Input((6, 6, 1))
    teacher = keras.Model(inputs, inner(keras.layers.Rescaling(2.0)(inputs)))
    hints = {"thin1": f"{inner.name}/block1"}
    networks = as_networks(teacher, own_models.student(), hints, TRAIN)
    assert set(networks.teacher.output) == {"logits", f"{inner.name}/block1"}
    assert set(networks.student.output) == {"logits", "thin1"}
    seen = networks.teacher(TRAIN[0], training=False)[f"{inner.name}/block1"]
    part = keras.Model(inner.input, inner.get_layer("block1").output)
    np.testing.assert_allclose(seen, part(2 * TRAIN[0], training=False), rtol=1e-5)


def test_a_teacher_that_guesses_is_refused_and_its_range_is_named():
    inner = own_models.trained_teacher()
    inputs = keras.Input((6, 6, 1))
    teacher = keras.Model(inputs, inner(keras.layers.Rescaling(1 / 255)(inputs)))
    with pytest.raises(hintlite.HintliteError, match=r"is guessing: .*fed x \* 255 it reaches"):
        distilled(teacher)
    assert distilled(teacher, accept_chance=True).history.history["kd"]
