"""What a `.keras` file says of its layers, before Keras is there."""

import keras
import pytest

from hintlite.models.keras_input import missing_layer, outputs_by_name


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A network with a nested model in a nested Sequential."""
    path = tmp_path_factory.mktemp("nested") / "nested.keras"
    inner = keras.Sequential(
        [keras.Input((4, 4, 2)), keras.layers.Conv2D(2, 3, name="conv")], name="inner"
    )
    base_image = keras.Input((4, 4, 2), name="base_image")
    base = keras.Model(base_image, inner(base_image), name="base")
    image = keras.Input((4, 4, 2), name="image")
    h = keras.layers.Flatten(name="flat")(base(image))
    outputs = {"logits": keras.layers.Dense(3, name="out")(h), "mid": h}
    keras.Model(image, outputs).save(path)
    return path


@pytest.mark.parametrize("layer", ["base", "base/inner", "base/inner/conv", "flat"])
def test_layers_that_are_there_are_found_at_any_depth(place, layer):
    assert missing_layer(place, layer) is None


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        ("bse", ("bse", ("base", "flat", "out"))),
        ("image", ("image", ("base", "flat", "out"))),
        ("base/iner/conv", ("base/iner", ("base/inner",))),
        ("base/inner/cnv", ("base/inner/cnv", ("base/inner/conv",))),
        ("flat/x", ("flat/x", ())),
    ],
)
def test_the_first_wrong_name_is_told_with_those_beside_it(place, layer, found):
    assert missing_layer(place, layer) == found


def test_outputs_have_names_where_they_are_a_dict(place, tmp_path):
    assert outputs_by_name(place) == ("logits", "mid")
    image = keras.Input((4,))
    keras.Model(image, keras.layers.Dense(2)(image)).save(tmp_path / "plain.keras")
    assert outputs_by_name(tmp_path / "plain.keras") == ()


def test_of_a_file_that_cannot_be_read_nothing_is_said(tmp_path):
    (tmp_path / "text.keras").write_text("no archive")
    assert missing_layer(tmp_path / "text.keras", "x") is None
    assert outputs_by_name(tmp_path / "none.keras") == ()
