"""What every method has to keep to, on a pair that is unequal in size and channels.

A method that METHODS names is tested here without further work. Settings that make one of them
fast on the tiny pair stand in SETTINGS.
"""

import shutil
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from hintlite.models.axes import mean_over_places
from hintlite.models.blocks import Style, conv_bn_relu
from hintlite.pipeline.cache.teacher_pass import teacher_pass
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.normalization import Normalization
from hintlite.pipeline.methods import METHODS, build_method
from hintlite.pipeline.methods.base import tap_shapes, with_labels
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig
from hintlite.pipeline.settings.methods import CRDConfig, FSPConfig, HintConfig, ReviewKDConfig
from hintlite.pipeline.settings.run import RunConfig
from hintlite.pipeline.settings.training import TrainingConfig
from hintlite.pipeline.training.distiller import Distiller
from hintlite.pipeline.training.drop_regressor import drop_regressor, in_float32
from hintlite.pipeline.training.train import Job, Watcher, train

# Sections of RunConfig by method: what keeps its extra layers and memories small.
SETTINGS = {
    "crd": {"crd": CRDConfig(negatives=16, dim=8)},
    "fsp": {"fsp": FSPConfig(epochs=2, learning_rate=5e-3)},
    "reviewkd": {"reviewkd": ReviewKDConfig(warmup_epochs=1)},
}
OUTSIDE = "outside_method:PooledMatching"
ARMS = [*METHODS, OUTSIDE, "outside_keras:keras_kd"]
SUMS = [
    *(f"{name}+kd" for name, entry in METHODS.items() if not entry.alone and name != "kd"),
    f"{OUTSIDE}+kd",
    "hint+kd+attention",
]
# Methods that look into feature maps, and those of them that need no places in a map.
MAPS = ("hint", "joint_hint", "random_hint", "hint_labels", "attention", "fsp", "crd", "reviewkd")
VECTORS = tuple(name for name in MAPS if name != "attention")
TWO_PHASES = ("hint", "fsp", "crd")
# A regressor and two phases; a memory that each step changes; fusion blocks with resized maps.
XLA = ("hint", "crd", "reviewkd")
DEFAULT = [("hint", "data"), ("crd", "data"), ("fsp", "series")]
SLOW = pytest.mark.slow(modules=["hintlite.pipeline.methods", "hintlite.pipeline.training"])
TRAINING = TrainingConfig(epochs=2, batch_size=16, optimizer="sgd", learning_rate=1e-2)
HINT = HintConfig(epochs=2, keep_weight=0.1, learning_rate=1e-2)


@pytest.fixture(scope="module")
def data():
    return load_training(DataConfig(limit=40, calibration_samples=10))


def without_axes(data, count):
    """The digits as series of 8 steps and channels, or as rows of 64 values."""
    images = data.images.reshape(len(data.images), *((8, 8), (64,))[count - 1])
    channels = images.shape[-1]
    fed = Normalization(data.normalization.mean * channels, data.normalization.std * channels)
    return replace(data, images=images, normalization=fed)


@pytest.fixture(scope="module")
def series(data):
    return without_axes(data, 1)


@pytest.fixture(scope="module")
def table(data):
    return without_axes(data, 2)


@pytest.fixture
def eager():
    """Runs steps as they are written: tracing a tiny network takes longer than its training."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def network(widths, strides, shape):
    inputs, taps = keras.Input(shape), {}
    x = inputs
    for i, (width, stride) in enumerate(zip(widths, strides, strict=True), 1):
        x = taps[f"stage{i}"] = conv_bn_relu(x, width, Style(), f"stage{i}", stride=stride)
    pooled = mean_over_places(x)
    return keras.Model(inputs, {**taps, "logits": keras.layers.Dense(10, name="head")(pooled)})


class Case:
    """One arm on the pair: teacher maps 4x4x6 and 2x2x8, student maps 8x8x4 and 4x4x5."""

    def __init__(self, arm, data, **training):
        keras.utils.set_random_seed(7)
        self.data = data
        self.config = RunConfig(training=replace(TRAINING, **training), hint=HINT, **self.of(arm))
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("float32")
        self.teacher = network((6, 8), (2, 2), data.input_shape)
        keras.config.set_dtype_policy(policy)
        self.student = network((4, 5), (1, 2), data.input_shape)
        self.method = build_method(arm, self.config, self.teacher, self.student)
        shapes = tap_shapes(self.teacher), tap_shapes(self.student)
        self.method.build(*shapes, len(data.images))

    def of(self, arm):
        return {
            section: settings
            for name in arm.split("+")
            for section, settings in SETTINGS.get(name, {}).items()
        }

    def phases(self):
        self.method.prepare(partial(teacher_pass, self.teacher, self.data))
        phases = self.method.phases()
        return {**phases, "task": with_labels(phases["task"])}

    def batch(self):
        rows = self.data.train[:16]
        inputs = {"image": self.data.normalized(rows), "index": rows}
        return tf.nest.map_structure(tf.convert_to_tensor, (inputs, self.data.labels[rows]))

    def distiller(self, phase, **settings):
        distiller = Distiller(self.student, phase, self.teacher)
        distiller.compile(optimizer=keras.optimizers.SGD(0.05), **settings)
        distiller.set_epoch(99, 100)  # schedules that begin at 0 have begun
        return distiller

    def job(self, folder):
        folder.mkdir(exist_ok=True)
        return Job(
            student=self.student,
            method=self.method,
            teacher=self.teacher,
            data=self.data,
            augmentation=AugmentConfig(),
            config=self.config.training,
            seed=3,
            folder=folder,
        )

    def extras(self):
        phases = self.method.phases().values()
        return list({id(extra): extra for phase in phases for extra in phase.extras}.values())


class Killed(Watcher):
    """Keeps, for each phase, the folder as a kill in its second epoch would leave it."""

    def __init__(self, folder):
        self.folder = folder

    def step(self, phase, epoch, epochs, step, steps):
        if (epoch, step) == (2, 1):
            shutil.copytree(self.folder, self.folder.with_name(phase))


def values(variables):
    return [variable.numpy().copy() for variable in variables]


def changed(variables, before):
    pairs = zip(variables, before, strict=True)
    return {v.path for v, old in pairs if not np.array_equal(v.numpy(), old)}


def over(*cases, default=None):
    """Arms on pictures, or on the fixture that is named with them; `default` without a marker."""
    pairs = [case if isinstance(case, tuple) else (case, "data") for case in cases]
    return pytest.mark.parametrize(
        ("arm", "samples"),
        [
            pytest.param(
                *(arm, samples),
                id=arm if samples == "data" else f"{arm}-{samples}",
                marks=[pytest.mark.whole] if default and (arm, samples) not in default else [],
            )
            for arm, samples in pairs
        ],
    )


@over(*ARMS, *SUMS, *((arm, "series") for arm in MAPS), *((arm, "table") for arm in VECTORS))
def test_losses_are_finite_and_their_gradients_reach_student_and_extras(
    arm, samples, eager, request
):
    case = Case(arm, request.getfixturevalue(samples))
    phases = case.phases()
    assert "task" in phases
    for phase in phases.values():
        distiller = case.distiller(phase)
        inputs, labels = case.batch()
        taught = distiller.teacher_taps(inputs)
        with tf.GradientTape(persistent=True) as tape:
            means, _ = distiller.losses_of(inputs, labels, None, training=True)
            total = distiller.total(means)
        assert total.shape == ()
        assert np.isfinite(total)
        assert float(total) > 0
        variables = distiller.trainable_variables
        own = [v for layer in (distiller.student, *phase.extras) for v in layer.trainable_variables]
        assert {id(v) for v in own} == {id(v) for v in variables}
        for variable, gradient in zip(variables, tape.gradient(total, variables), strict=True):
            assert gradient is not None, variable.path
            assert np.isfinite(gradient).all(), variable.path
            assert np.any(gradient), variable.path
        distiller.optimizer.apply(tape.gradient(total, variables), variables)
        # The copy of the teacher that the step runs is as it was, statistics included.
        for name, tap in distiller.teacher_taps(inputs).items():
            np.testing.assert_array_equal(tap, taught[name])


@over(*ARMS, *((arm, "series") for arm in TWO_PHASES), default=DEFAULT)
def test_a_training_moves_the_student_alone_and_goes_on_after_a_kill(
    arm, samples, eager, tmp_path, request
):
    data = request.getfixturevalue(samples)
    whole = Case(arm, data)
    taught, untrained = values(whole.teacher.variables), values(whole.student.variables)
    job = whole.job(tmp_path / "whole")
    history = train(replace(job, watcher=Killed(job.folder)))
    assert all(np.isfinite(row["loss"]) and np.isfinite(row["val_loss"]) for row in history)
    assert not changed(whole.teacher.variables, taught)
    kernels = {v.path for v in whole.student.trainable_variables if "kernel" in v.path}
    assert kernels <= changed(whole.student.variables, untrained)

    kept = [v for layer in (whole.student, *whole.extras()) for v in layer.variables]
    for phase in whole.method.phases():
        resumed = Case(arm, data)
        train(resumed.job(tmp_path / phase))
        again = [v for layer in (resumed.student, *resumed.extras()) for v in layer.variables]
        for one, other in zip(kept, again, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6, err_msg=one.path)


@pytest.mark.parametrize(
    "arm", [*XLA, *(pytest.param(arm, marks=SLOW) for arm in ARMS if arm not in XLA)]
)
def test_xla_takes_the_same_step(arm, data):
    case = Case(arm, data)
    inputs, labels = case.batch()
    for phase in case.phases().values():
        layers = (case.student, *phase.extras)
        start = [values(layer.variables) for layer in layers]
        ends = []
        for jit in (False, True):
            for layer, weights in zip(layers, start, strict=True):
                for variable, weight in zip(layer.variables, weights, strict=True):
                    variable.assign(weight)
            distiller = case.distiller(phase, jit_compile=jit)
            logs = distiller.train_on_batch(inputs, labels, return_dict=True)
            assert distiller.jit_compile is jit
            assert np.isfinite(logs["loss"])
            ends.append([v.numpy() for layer in layers for v in layer.variables])
        for plain, compiled in zip(*ends, strict=True):
            np.testing.assert_allclose(plain, compiled, rtol=1e-3, atol=1e-5)


@over(*ARMS, *((arm, "series") for arm in TWO_PHASES), default=DEFAULT)
def test_mixed_precision_trains_and_the_file_holds_the_student_alone(
    arm, samples, eager, tmp_path, request
):
    data = request.getfixturevalue(samples)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        case = Case(arm, data)
        before = values(case.student.trainable_variables)
        for phase in case.phases().values():
            distiller = case.distiller(phase, jit_compile=False)
            inputs, labels = case.batch()
            means, _ = distiller.losses_of(inputs, labels, None, training=True)
            assert {mean.dtype for mean in means.values()} == {tf.float32}
            logs = distiller.train_on_batch(inputs, labels, return_dict=True)
            assert np.isfinite(logs["loss"])
            assert {v.dtype for v in distiller.trainable_variables} == {"float32"}
    finally:
        keras.config.set_dtype_policy("float32")
    assert changed(case.student.trainable_variables, before)
    assert case.student.output["logits"].dtype == "bfloat16"

    alone = in_float32(drop_regressor(case.student, case.extras()))
    alone.save(tmp_path / "student.keras")
    stored = keras.saving.load_model(tmp_path / "student.keras", compile=False, safe_mode=True)
    expected = case.student.get_weights()
    for one, other in zip(stored.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert isinstance(stored.output, keras.KerasTensor)
    assert stored.output.shape == (None, 10)


@pytest.mark.parametrize(
    "arm", ["hint+fsp", pytest.param("kd+crd+joint_hint", marks=pytest.mark.whole)]
)
def test_the_order_of_a_sum_changes_nothing(arm, data, tmp_path, eager):
    found = []
    for i, names in enumerate((arm, "+".join(reversed(arm.split("+"))))):
        case = Case(names, data)
        history = train(case.job(tmp_path / str(i)))
        found.append((values(case.student.variables), history))
    (first, rows), (second, others) = found
    assert rows == others
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
