"""From Keras 3 to plain data: what is carried over, what is refused and with which words."""

import keras
import numpy as np
import pytest
from qat_networks import CLASSES, SHAPE, every_layer, maxout_student, tiny, with_statistics

from hintlite.pipeline.qat import blueprint as plans
from hintlite.pipeline.qat.blueprint import CarryError
from hintlite.pipeline.qat.fit_rules import suited
from hintlite.pipeline.qat.prepare import restore
from hintlite.pipeline.qat.read import read

IMAGES = np.random.default_rng(0).uniform(0, 1, (5, *SHAPE)).astype(np.float32)


def outputs(model):
    return np.asarray(model(IMAGES, training=False))


def ending(layer, shape=SHAPE):
    image = keras.Input(shape)
    x = keras.layers.Conv2D(4, 3)(image)
    return keras.Model(image, keras.layers.Flatten()(layer(x)))


@pytest.mark.parametrize("build", [every_layer, maxout_student, tiny])
def test_there_and_back_again_computes_the_same(build, tmp_path):
    model = build()
    plans.save(read(model), tmp_path)
    assert np.max(np.abs(outputs(restore(plans.load(tmp_path))) - outputs(model))) <= 1e-5


@pytest.mark.parametrize("build", [every_layer, maxout_student, tiny])
def test_keras_2_computes_the_same(build):
    from hintlite.pipeline.qat.rebuild import rebuild

    model = build()
    found = rebuild(read(model))(IMAGES, training=False).numpy()
    assert np.max(np.abs(found - outputs(model))) <= 1e-5
    assert np.ptp(outputs(model)) > 1e-3  # the comparison is not one of constants


def test_a_lone_batch_normalization_becomes_an_equal_depthwise_convolution():
    model = every_layer()
    plan = suited(read(model))
    kinds = {step.name: step.kind for step in plan.steps}
    assert kinds["lone"] == "DepthwiseConv2D"
    assert list(kinds.values()).count("BatchNormalization") == 2  # those behind convolutions stay
    assert np.max(np.abs(outputs(restore(plan)) - outputs(model))) <= 1e-5


def test_a_convolution_of_ones_stands_between_an_average_pool_and_a_concatenation():
    model = every_layer()
    plan = suited(read(model))
    (joined,) = [step for step in plan.steps if step.name == "beside"]
    between = plan.maker(joined.inputs[0])
    assert (between.kind, between.inputs) == ("DepthwiseConv2D", ("pooled",))
    np.testing.assert_array_equal(between.weights[0], np.ones((1, 1, 8, 1)))
    np.testing.assert_array_equal(between.weights[1], np.zeros(8))
    assert plan.maker(joined.inputs[1]).inputs == ("pooled",)  # the other reader reads the pool


def test_its_slope_and_offset_are_those_of_the_formula():
    image = keras.Input(SHAPE)
    norm = keras.layers.BatchNormalization(epsilon=0.5, name="norm")
    model = with_statistics(keras.Model(image, keras.layers.Flatten()(norm(image))))
    gamma, beta, mean, variance = norm.get_weights()
    (step,) = [step for step in suited(read(model)).steps if step.name == "norm"]
    slope = gamma / np.sqrt(variance + 0.5)
    np.testing.assert_allclose(step.weights[0].ravel(), slope, rtol=1e-6)
    np.testing.assert_allclose(step.weights[1], beta - mean * slope, rtol=1e-5)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (keras.layers.LayerNormalization(name="ln"), ("'ln'", "LayerNormal", "BatchNormalization")),
        (keras.layers.Conv2DTranspose(2, 3, name="up"), ("'up'", "Conv2DTranspose", "docs/qat.md")),
        (keras.layers.Activation("gelu", name="act"), ("'act'", "gelu", "relu6")),
        (keras.layers.Conv2D(2, 1, activation="elu", name="c"), ("'c'", "elu", "hard_swish")),
        (keras.layers.PReLU(name="slope"), ("'slope'", "PReLU", "LeakyReLU")),
    ],
)
def test_a_refused_layer_is_named_with_its_type_and_what_to_do(layer, words):
    with pytest.raises(CarryError) as caught:
        read(ending(layer))
    assert all(word in str(caught.value) for word in words)


COLOURS = np.array([1.0, 2.0, 4.0], np.float32)
OPERATORS = [
    (lambda x: x / 127.5 - 1.0, lambda x: x / 127.5 - 1),
    (lambda x: keras.ops.subtract(keras.ops.divide(x, 127.5), 1.0), lambda x: x / 127.5 - 1),
    (lambda x: 2.0 * x + 1.0, lambda x: 2 * x + 1),
    (lambda x: 1.0 - x, lambda x: 1 - x),
    (lambda x: 1.0 + 3 * x, lambda x: 1 + 3 * x),
    (lambda x: (x - COLOURS) / (2 * COLOURS), lambda x: (x - COLOURS) / (2 * COLOURS)),
    (lambda x: keras.ops.multiply(x1=x, x2=0.5), lambda x: 0.5 * x),
    (keras.layers.Rescaling([1.0, 2.0, 4.0], -1.0), lambda x: x * COLOURS - 1),
]


@pytest.mark.parametrize(("front", "expected"), OPERATORS)
def test_preprocessing_in_operators_and_constants_is_carried_over(front, expected, tmp_path):
    image = keras.Input((2, 2, 3))
    keras.Model(image, keras.layers.Flatten()(front(image))).save(tmp_path / "mine.keras")
    model = keras.saving.load_model(tmp_path / "mine.keras")
    pixels = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)
    found = restore(read(model))(pixels)
    np.testing.assert_allclose(found, expected(pixels).reshape(2, -1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("front", "words"),
    [
        (lambda x: 1.0 / x, "TrueDivide.*a number, or one a channel"),
        (lambda x: x - np.ones((2, 2, 1), np.float32), r"Subtract.*\[2, 2, 1\]"),
        (lambda x: x[..., ::-1], "GetItem.*reorder or cut channels in the data"),
        (lambda x: keras.layers.Subtract()([x, x]), "Subtract"),
    ],
)
def test_operators_that_are_no_line_of_each_channel_are_refused(front, words):
    image = keras.Input((2, 2, 3))
    with pytest.raises(CarryError, match=words):
        read(keras.Model(image, keras.layers.Flatten()(front(image))))


def test_two_lines_in_a_row_become_one_and_a_line_that_others_read_stays():
    image = keras.Input(SHAPE)
    x = image / 127.5 - 1.0
    x = keras.layers.Conv2D(2, 3)(x)
    y = 2.0 * x
    x = keras.layers.Add()([y, y + 1.0])
    model = keras.Model(image, keras.layers.Flatten()(x))
    plan = suited(read(model))
    kinds = [step.kind for step in plan.steps]
    assert kinds == [
        "DepthwiseConv2D",
        "Conv2D",
        "DepthwiseConv2D",
        "DepthwiseConv2D",
        "Add",
        "Flatten",
    ]
    np.testing.assert_allclose(plan.steps[0].weights[0], 1 / 127.5, rtol=1e-6)
    np.testing.assert_array_equal(plan.steps[0].weights[1], [-1.0])
    assert np.max(np.abs(outputs(restore(plan)) - outputs(model))) <= 1e-5


def test_layers_that_change_training_images_alone_are_left_out_and_named():
    image = keras.Input(SHAPE)
    augment = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(0.1),
        ]
    )
    augment.name = "augment"
    x = keras.layers.GaussianNoise(0.1, name="noise")(augment(image))
    model = keras.Model(image, keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(x)))
    plan = read(model)
    assert [step.kind for step in plan.steps] == ["Conv2D", "Flatten"]
    assert [each.rpartition("(")[2] for each in plan.left_out] == [
        *("RandomFlip)", "RandomRotation)", "GaussianNoise)"),
    ]
    assert plan.left_out[0].startswith("'augment/")
    assert np.max(np.abs(outputs(restore(plan)) - outputs(model))) <= 1e-6


def test_an_adapted_normalization_is_the_line_of_its_statistics():
    norm = keras.layers.Normalization()
    norm.adapt(np.random.default_rng(1).normal(3, 2, (40, *SHAPE)).astype(np.float32))
    image = keras.Input(SHAPE)
    model = keras.Model(image, keras.layers.Flatten()(norm(image)))
    assert np.max(np.abs(outputs(restore(read(model))) - outputs(model))) <= 1e-6


def test_a_sequential_is_read_as_a_functional_model_is():
    model = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Conv2D(2, 3), keras.layers.Flatten()]
    )
    assert [step.kind for step in read(model).steps] == ["Conv2D", "Flatten"]


def test_a_refused_layer_in_a_nested_model_is_named_with_its_place():
    image = keras.Input(SHAPE)
    inside = keras.Sequential([keras.Input(SHAPE), keras.layers.UnitNormalization(name="unit")])
    inside.name = "base"
    model = keras.Model(image, keras.layers.Flatten()(inside(image)))
    with pytest.raises(CarryError, match=r"base/unit.*UnitNormalization"):
        read(model)


def test_a_layer_of_the_users_own_is_refused():
    class Conv2D(keras.layers.Conv2D):  # the same name as a known layer
        def call(self, x):
            return 2 * super().call(x)

    with pytest.raises(CarryError, match="'mine'"):
        read(ending(Conv2D(2, 1, name="mine")))


def test_one_set_of_weights_in_two_places_is_refused():
    image = keras.Input(SHAPE)
    twice = keras.layers.Conv2D(1, 3, padding="same", name="twice")
    model = keras.Model(image, keras.layers.Flatten()(twice(twice(image))))
    with pytest.raises(CarryError, match=r"'twice'.*two|'twice'.*twice"):
        read(model)


def test_a_batch_normalization_of_vectors_is_refused_where_no_convolution_can_stand():
    image = keras.Input(SHAPE)
    x = keras.layers.Flatten()(image)
    model = keras.Model(image, keras.layers.BatchNormalization(name="late")(x))
    with pytest.raises(CarryError, match=r"'late'.*flatten.*behind"):
        suited(read(model))


def test_several_outputs_and_open_sizes_are_refused():
    image = keras.Input(SHAPE)
    x = keras.layers.Flatten()(image)
    with pytest.raises(CarryError, match="2 outputs"):
        read(keras.Model(image, [x, x]))
    wide = keras.Input((None, None, 1))
    with pytest.raises(CarryError, match="fixed size"):
        read(keras.Model(wide, keras.layers.Conv2D(CLASSES, 1)(wide)))
