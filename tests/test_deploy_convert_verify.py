"""verify.py: each check passes on the student's own files and fails where it must."""

import functools
import json

import numpy as np
import pytest
from deploy_models import (
    CLASSES,
    SHAPE,
    calibration,
    chain,
    chain_float32,
    chain_int8,
    randomize,
    with_layer,
)

from hintlite.deploy.convert.convert import to_float32, to_int8
from hintlite.deploy.convert.verify import Bounds, compare_logits, verify, wilson_interval
from hintlite.deploy.interpret.runtime import Runner
from hintlite.errors import HintliteError


@functools.cache
def validation():
    """The 100 of 200 samples that Keras is surest about, labelled by Keras itself."""
    samples = calibration(200, seed=9)
    logits = chain().predict(samples, verbose=0)
    ranked = np.sort(logits, axis=1)
    surest = np.argsort(ranked[:, -1] - ranked[:, -2])[100:]
    return samples[surest], logits[surest].argmax(axis=1)


def verify_chain(float_content=None, int8_content=None, **settings):
    samples, labels = validation()
    files = (float_content or chain_float32(), int8_content or chain_int8())
    return verify(chain(), files, samples, labels, **settings)


def test_the_students_own_files_pass():
    result = verify_chain()
    assert result.failures == ()
    assert result.ok
    assert result.samples == 100
    assert len(set(validation()[1])) >= 3  # agreement by always choosing one class proves nothing
    assert result.figures.keras_accuracy == result.figures.float_accuracy == 1.0
    assert result.figures.agreement == result.figures.int8_accuracy >= 0.95
    assert result.figures.max_float_error < 1e-5
    step = Runner(chain_int8()).output.scale
    assert result.figures.max_int8_error_steps == result.figures.max_int8_error / step > 0
    assert json.loads(json.dumps(result.to_dict()))["figures"]["agreement"] >= 0.95


def test_figures_by_hand():
    keras = np.array([[0.0, 10.0], [4.0, 2.0], [1.0, 3.0], [6.0, 5.0]])
    figures = compare_logits(
        keras,
        float_logits=keras + np.array([[0.0, 0.5], [0, 0], [0, 0], [0, 0]]),
        int8_logits=np.array([[0.0, 10.0], [4.0, 2.0], [3.0, 1.0], [6.0, 5.0]]),
        labels=np.array([1, 0, 1, 1]),
        int8_step=0.25,
    )
    assert figures.agreement == 0.75
    assert figures.logits_range == 10.0
    assert figures.max_float_error == pytest.approx(0.05)
    assert figures.max_int8_error == 2.0
    assert figures.max_int8_error_steps == 8.0
    assert (figures.keras_accuracy, figures.float_accuracy) == (0.75, 0.75)
    assert figures.int8_accuracy == 0.5


def test_wilson_interval_by_its_formula():
    z, n, p = 1.959963984540054, 100, 0.95
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert wilson_interval(95, 100) == pytest.approx((centre - half, centre + half))
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)


@pytest.mark.whole
def test_a_regressor_as_second_output_is_found():
    import keras
    import tensorflow as tf
    from keras import layers

    guided = chain().get_layer("relu1").output
    hint = layers.Conv2D(6, 3, name="regressor")(guided)
    both = keras.Model(chain().inputs, [chain().output, hint])
    converter = tf.lite.TFLiteConverter.from_keras_model(both)
    regressor = both.get_layer("regressor").get_weights()
    result = verify_chain(converter.convert(), forbidden={"the regressor": regressor})
    text = "\n".join(result.failures)
    assert "Float32 file: The file has 2 output(s)" in text
    assert "something else is in the file" in text
    assert "holds weights of the regressor" in text
    assert result.figures is None
    assert not result.ok


@functools.cache
def with_hidden_regressor():
    """The chain with a regressor whose result changes no logit, and the regressor's weights."""
    import keras
    from keras import layers

    regressor = layers.Conv2D(6, 3, name="regressor")
    hint = layers.GlobalAveragePooling2D()(regressor(chain().get_layer("relu1").output))
    silent = layers.Dense(CLASSES, use_bias=False, name="silent")
    logits = layers.Add()([chain().output, silent(hint)])
    silent.kernel.assign(np.full(silent.kernel.shape, 1e-20))
    return keras.Model(chain().inputs, logits), regressor.get_weights()


@pytest.mark.whole
def test_a_regressor_hidden_inside_is_found_though_no_output_changes():
    model, regressor = with_hidden_regressor()
    result = verify_chain(to_float32(model), forbidden={"the regressor": regressor})
    assert result.figures.max_float_error < 1e-5
    text = "\n".join(result.failures)
    assert "something else is in the file" in text
    assert "holds weights of the regressor" in text
    assert "are not the student's" in text


def test_a_regressor_left_in_the_student_itself_is_found_by_its_weights():
    from hintlite.deploy.tflite.weights import check_weights

    model, regressor = with_hidden_regressor()
    content = to_float32(model)
    assert check_weights(content, model) == ()
    (problem,) = check_weights(content, model, {"the regressor": regressor})
    assert "holds weights of the regressor" in problem


@pytest.mark.whole
def test_exchanged_weights_are_found_in_both_precisions():
    import keras

    swapped = keras.models.clone_model(chain())
    swapped.set_weights(chain().get_weights())
    for layer, other in (("conv1", "conv2"), ("bn1", "bn2")):
        swapped.get_layer(layer).set_weights(chain().get_layer(other).get_weights())
        swapped.get_layer(other).set_weights(chain().get_layer(layer).get_weights())
    result = verify_chain(to_float32(swapped), to_int8(swapped, calibration(200)))
    for name in ("Float32", "INT8"):
        exchanged = [f for f in result.failures if f.startswith(name) and "exchanged" in f]
        assert len(exchanged) == 2
    assert any("logits' range" in failure for failure in result.failures)


def test_a_float_operator_is_found():
    from keras import layers

    samples, labels = validation()
    model = with_layer(layers.ReLU())
    content = to_float32(model)
    result = verify(model, (content, content), samples, labels)
    assert any("INT8 file: Operator 0 (CONV_2D) works on FLOAT32" in f for f in result.failures)


def test_broken_calibration_breaks_the_agreement_bound():
    broken = to_int8(chain(), calibration(200) * np.float32(0.01))
    result = verify_chain(int8_content=broken)
    assert result.figures.agreement < 0.95
    agreement, accuracy = result.failures
    assert f"agree on {result.figures.agreement:.2%} of 100 samples" in agreement
    assert "expected at least 95.00%" in agreement
    assert "INT8 loses" in accuracy
    relaxed = Bounds(min_agreement=0.0, max_accuracy_drop=1.0)
    assert verify_chain(int8_content=broken, bounds=relaxed).ok


def test_another_networks_file_breaks_the_float_bound():
    import keras

    other = randomize(keras.models.clone_model(chain()), seed=7)
    result = verify_chain(to_float32(other))
    assert any("differs from Keras" in failure for failure in result.failures)
    assert any("are not the student's" in failure for failure in result.failures)


def test_another_number_of_classes_is_reported_and_not_run():
    from keras import Model, layers

    other = Model(chain().inputs, layers.Dense(7)(chain().get_layer("pool").output))
    result = verify_chain(int8_content=to_int8(other, calibration(3)))
    assert result.figures is None
    assert "of shape [[1, 7]]; the student alone has 1 of shape [[1, 4]]" in result.failures[0]


def test_logits_that_are_no_numbers_break_their_bounds():
    from hintlite.deploy.convert.verify import bound_failures

    nan = np.full((3, 2), np.nan)
    figures = compare_logits(np.eye(3, 2), nan, np.eye(3, 2), np.zeros(3, int), 1.0)
    assert len(bound_failures(figures, Bounds(), 3)) == 1


def test_wrong_use_is_refused():
    samples, labels = validation()
    with pytest.raises(HintliteError, match=r"labels of shape \[99\]"):
        verify(chain(), (chain_float32(), chain_int8()), samples, labels[1:])
    with pytest.raises(HintliteError, match="at least 1 sample"):
        verify(chain(), (b"", b""), np.zeros((0, *SHAPE), np.float32), labels[:0])
    with pytest.raises(
        HintliteError, match=r"max_accuracy_drop must lie between 0 and 1, got 2\.0"
    ):
        Bounds(max_accuracy_drop=2.0)
