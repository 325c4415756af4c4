"""hintlite.evaluate, inspect, fits_board, benchmark and explain on a caller's own model."""

import logging

import keras
import numpy as np
import own_models
import pytest

import hintlite

TEST = own_models.samples(21, seed=7)


@pytest.fixture(scope="module")
def made():
    teacher = own_models.trained_teacher()
    given = own_models.samples()[0], own_models.samples(18, seed=2)
    return teacher, hintlite.quantize(teacher, *given)


def test_answers_are_those_of_the_model_and_evaluations_are_counted(made):
    teacher, files = made
    answers = teacher.predict(TEST[0], verbose=0).argmax(axis=1)
    first = hintlite.evaluate(teacher, TEST)
    assert first.correct == np.sum(answers == TEST[1])
    assert (first.total, first.times) == (21, 1)
    assert first.low < first.accuracy <= first.high
    expected = np.zeros((3, 3), int)
    for label, answer in zip(TEST[1], answers, strict=True):
        expected[label, answer] += 1
    np.testing.assert_array_equal(first.confusion, expected)
    turned = (TEST[0][::-1], TEST[1][::-1])
    again = hintlite.evaluate(files, turned)
    assert again.times == 2
    assert "seen 2 times" in repr(again)
    assert hintlite.evaluate(files.float32, own_models.samples(6, seed=8)).times == 1


def test_tensorflow_has_nothing_to_warn_of(caplog):
    """It warns where five models in a row bring a compiled function of their own."""
    caplog.set_level(logging.WARNING)
    others = own_models.samples(6, seed=9)
    logging.getLogger("tensorflow").addHandler(caplog.handler)
    try:
        for seed in range(6):
            hintlite.evaluate(own_models.classifier((3, 4), (f"a{seed}", f"b{seed}")), others)
    finally:
        logging.getLogger("tensorflow").removeHandler(caplog.handler)
    assert "retracing" not in caplog.text


def test_labels_beyond_the_classes_are_refused(made):
    with pytest.raises(hintlite.HintliteError, match="label 3 in row 0"):
        hintlite.evaluate(made[1], (TEST[0], TEST[1] + 3))


def test_a_file_is_looked_into(made):
    """Worked out by hand: two 3x3 convolutions on 6x6 with padding, and a dense layer of 288."""
    info = hintlite.inspect(made[1])
    assert info.macs == 36 * 9 * 6 + 36 * 9 * 6 * 8 + 288 * 3
    assert info.is_full_int8
    assert not hintlite.inspect(made[1].float32).is_full_int8


def test_a_budget_is_compared_with(made):
    files = made[1]
    assert hintlite.fits_board(files, "nano33ble")
    assert "it fits" in str(hintlite.fits_board(files, "nano33ble"))
    found = hintlite.fits_board(files, flash="1k", macs="5M")
    assert not found
    assert found.excess == {"flash": len(files.int8) - 1024}
    assert "does not fit: flash by" in str(found)
    with pytest.raises(hintlite.HintliteError, match="nano33ble"):
        hintlite.fits_board(files, "nano33bel")
    with pytest.raises(hintlite.HintliteError, match="nothing to fit into"):
        hintlite.fits_board(files)


def test_a_file_is_timed(made):
    quick = {"window_s": 0.02, "warmup_s": 0.02, "min_runs": 5}
    result = hintlite.benchmark(made[1], **quick)
    assert result.latency_us["p50"] > 0
    assert result.kind == "measured"


def test_the_error_is_explained(made):
    found = hintlite.explain(made[1], own_models.samples(18, seed=2))
    assert found.samples == 18
    assert [each.operator for each in found.operators][:2] == ["INPUT", "CONV_2D"]


def test_taps_and_the_distiller_for_a_loop_of_ones_own(made):
    teacher = hintlite.with_taps(made[0], {"middle": "block1"})
    student = hintlite.with_taps(own_models.student(), {"middle": "thin1"})
    phases = hintlite.methods.KD(temperature=2.0).phases(teacher, student)
    distiller = hintlite.Distiller(student, phases["task"], teacher, shows="probabilities")
    distiller.compile(
        keras.optimizers.SGD(0.0),
        loss=keras.losses.CategoricalCrossentropy(),
        metrics=[keras.metrics.CategoricalAccuracy(name="mine"), "mse"],
    )
    one_hot = np.eye(3, dtype=np.float32)[TEST[1]]
    logs = distiller.fit(TEST[0], one_hot, batch_size=7, verbose=0).history
    logits = np.asarray(student(TEST[0], training=False)["logits"])
    evaluated = distiller.evaluate(TEST[0], one_hot, verbose=0, return_dict=True)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert evaluated["mine"] == pytest.approx(np.mean(logits.argmax(1) == TEST[1]))
    assert evaluated["mse"] == pytest.approx(np.mean((shares - one_hot) ** 2), rel=1e-4)
    assert evaluated["ce"] == pytest.approx(-np.mean(np.log(shares[one_hot == 1])), rel=1e-4)
    assert {"mine", "mse", "accuracy"} <= logs.keys()
    hint = hintlite.methods.Hint().phases(teacher, student)["pretrain"]
    distiller = hintlite.Distiller(student, hint, teacher)
    with pytest.raises(hintlite.HintliteError, match="no term on the labels"):
        distiller.compile("adam", loss="mse")
