"""Models without a graph as teachers, and modules with classes of the user's own."""

import importlib
import sys

import keras
import numpy as np
import pytest

from hintlite.errors import HintliteError
from hintlite.models.settings import NetworkConfig
from hintlite.models.teacher import build_teacher
from hintlite.pipeline.app.run.session import prepare_tensorflow
from hintlite.pipeline.settings.run import RunConfig

X = np.random.default_rng(0).random((5, 6, 6, 1)).astype(np.float32)


class Small(keras.Model):
    """Ends as it is told to."""

    def __init__(self, end="linear", shown="array", **settings):
        super().__init__(**settings)
        self.end, self.shown = end, shown
        self.flat, self.dense = keras.layers.Flatten(), keras.layers.Dense(3, activation=end)

    def get_config(self):
        return {"end": self.end, "shown": self.shown}

    def call(self, x):
        y = self.dense(self.flat(x))
        return {"array": y, "dict": {"logits": y}, "pair": (y, y), "map": y[:, None]}[self.shown]


@pytest.fixture
def saved(tmp_path):
    """Writes a Small with weights; its class is registered while the test runs."""

    def save(**settings):
        model = Small(**settings)
        model(X)
        model.save(tmp_path / "small.keras")
        return model, NetworkConfig(family="keras_file", path=str(tmp_path / "small.keras"))

    with keras.saving.custom_object_scope({"Small": Small}):
        yield save


@pytest.mark.parametrize("shown", ["array", "dict"])
def test_a_subclassed_model_is_called_whole(saved, shown):
    model, config = saved(shown=shown)
    network = build_teacher(config, (6, 6, 1), 3)
    assert list(network.output) == ["logits"]
    expected = model(X)["logits"] if shown == "dict" else model(X)
    np.testing.assert_allclose(network(X)["logits"], expected, rtol=1e-5)


def test_the_logarithms_of_a_softmax_inside_are_its_logits_at_any_temperature(saved):
    model, config = saved(end="softmax")
    logits = np.asarray(build_teacher(config, (6, 6, 1), 3)(X)["logits"])
    true = np.asarray(X.reshape(5, -1) @ model.dense.kernel.numpy() + model.dense.bias.numpy())
    for tau in (1.0, 4.0):
        powers = [np.exp(each / tau) for each in (logits, true)]
        found, expected = (each / each.sum(axis=1, keepdims=True) for each in powers)
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("shown", ["pair", "map"])
def test_an_answer_that_is_no_scores_is_refused_with_the_class(saved, shown):
    config = saved(shown=shown)[1]
    with pytest.raises(HintliteError, match=r"holds Small, a model without a graph, whose answer"):
        build_teacher(config, (6, 6, 1), 3)


def test_images_that_it_cannot_be_called_on_are_refused_with_the_class(saved):
    config = saved()[1]
    with pytest.raises(HintliteError, match=r"holds Small.*shape \(7, 7, 1\) fails.*keras.Model\("):
        build_teacher(config, (7, 7, 1), 3)


def test_taps_of_a_model_without_a_graph_are_refused_with_the_way_out(saved):
    config = saved()[1]
    tapped = NetworkConfig(family="keras_file", path=config.path, taps={"stage2": "dense"})
    with pytest.raises(HintliteError, match=r"Small.*dense cannot be found.*such as kd"):
        build_teacher(tapped, (6, 6, 1), 3)


def forget(name):
    """As in a process that has not imported the module."""
    sys.modules.pop(name, None)
    keras.saving.get_custom_objects().pop("mine>Gate", None)


def test_a_module_that_imports_names_makes_a_file_readable(tmp_path, monkeypatch):
    (tmp_path / "gates_of_mine.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('mine')\n"
        "class Gate(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return x * keras.ops.sigmoid(x)\n"
    )
    path, image = tmp_path / "gated.keras", keras.Input((6, 6, 1))
    with monkeypatch.context() as there:
        there.syspath_prepend(str(tmp_path))
        gate = importlib.import_module("gates_of_mine").Gate(name="gate")
    x = keras.layers.Flatten()(gate(image))
    model = keras.Model(image, keras.layers.Dense(3)(x))
    model.save(path)
    forget("gates_of_mine")
    config = NetworkConfig(family="keras_file", path=str(path))
    with pytest.raises(HintliteError, match=r"'gate' of the class Gate.*--imports"):
        build_teacher(config, (6, 6, 1), 3)
    with pytest.raises(HintliteError, match=r"no module 'gates_of_mine'.*PYTHONPATH"):
        prepare_tensorflow(RunConfig(imports=("gates_of_mine",)))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(HintliteError, match=r"expected package\.module"):
        prepare_tensorflow(RunConfig(imports=("../gates_of_mine",)))
    prepare_tensorflow(RunConfig(imports=("gates_of_mine",)))
    found = build_teacher(config, (6, 6, 1), 3)(X)["logits"]
    np.testing.assert_allclose(found, model(X), rtol=1e-5)
    forget("gates_of_mine")
