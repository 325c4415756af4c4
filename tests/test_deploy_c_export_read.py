from pathlib import Path

import numpy as np
import pytest
from c_export_models import ModelBuilder

from hintlite.deploy.c_export.emit import network_source
from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.export import lower_network
from hintlite.deploy.c_export.read import read_model
from hintlite.deploy.tflite.graph import ModelError

REFERENCE = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"
TINY = (Path(__file__).parent / "data" / "tiny_int8.tflite").read_bytes()


def small_model(**changes) -> bytes:
    builder = ModelBuilder()
    x = builder.tensor([1, 4], 0.5, 3, dtype=changes.get("dtype", "int8"))
    w = builder.tensor([2, 4], [0.1, 0.2], data=np.arange(8).reshape(2, 4))
    y = builder.tensor([1, 2], 0.25, -4)
    builder.operator("FULLY_CONNECTED", [x, w, -1], [y], fusedActivationFunction=1)
    return builder.finish([x] * changes.get("inputs", 1), [y])


def test_reads_the_reference_model():
    graph = read_model(REFERENCE)
    kinds = [operator.name for operator in graph.operators]
    assert kinds == ["CONV_2D"] * 6 + [
        "ADD",
        "DEPTHWISE_CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]
    assert graph.tensors[graph.inputs[0]].shape == (1, 28, 28, 1)
    assert graph.tensors[graph.outputs[0]].scale == 1 / 256
    assert graph.operators[1].integer("stride_h") == 2


def test_reads_tensors_constants_and_options():
    graph = read_model(small_model())
    source, weights = graph.tensors[graph.inputs[0]], graph.tensors[1]
    assert (source.scale, source.zero_point, source.dtype, source.data) == (0.5, 3, "INT8", None)
    assert weights.scales == pytest.approx((0.1, 0.2))
    np.testing.assert_array_equal(weights.values(), [[0, 1, 2, 3], [4, 5, 6, 7]])
    assert graph.operators[0].inputs == (0, 1, -1)
    assert graph.operators[0].options["fused_activation_function"] == "RELU"


def test_drops_operators_that_only_compute_shapes():
    builder = ModelBuilder()
    x = builder.tensor([1, 2, 3], 0.5)
    shape = builder.tensor([3], dtype="int32")
    y = builder.tensor([1, 6], 0.5)
    builder.operator("SHAPE", [x], [shape])
    builder.operator("RESHAPE", [x, shape], [y], newShape=[1, 6])
    graph = read_model(builder.finish([x], [y]))
    assert [operator.name for operator in graph.operators] == ["RESHAPE"]


def test_refuses_what_is_no_model():
    with pytest.raises(ExportError, match="TFL3"):
        read_model(b"0123456789")


def test_refuses_several_inputs():
    with pytest.raises(ExportError, match="one input, the model has 2"):
        read_model(small_model(inputs=2))


def test_refuses_another_input_type():
    with pytest.raises(ExportError, match="int8 input, found int32"):
        read_model(small_model(dtype="int32"))


def test_a_scale_per_channel_is_not_one_scale():
    with pytest.raises(ModelError, match="one scale, it has 2"):
        _ = read_model(small_model()).tensors[1].scale


def outcome(content: bytes) -> str:
    """What exporting gives: "exported", or the refusal; anything else goes through."""
    try:
        network_source(lower_network(content, "n"))
    except ExportError as error:
        return str(error)
    return "exported"


def test_a_file_that_was_cut_off_is_refused():
    found = [outcome(TINY[:length]) for length in range(0, len(TINY) - 200, 7)]
    assert "exported" not in found
    assert sum("is damaged" in text for text in found) > len(found) // 2
    assert outcome(TINY) == "exported"


def test_a_wrong_byte_gives_another_model_or_a_refusal():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(150):
        content = bytearray(TINY)
        content[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        found.append(outcome(bytes(content)))
    assert found.count("exported") > 20
    assert len(found) - found.count("exported") > 20


def test_the_cause_of_the_damage_is_named():
    with pytest.raises(ExportError, match=r"The model is damaged: .* \(unpack_from") as got:
        read_model(TINY[:20])
    assert type(got.value.__cause__).__name__ == "ModelError"


def with_code(number: int) -> bytes:
    builder = ModelBuilder()
    x, y = builder.tensor([1, 4], 0.5), builder.tensor([1, 4], 0.5)
    builder.operator("RELU", [x], [y])
    builder.codes[0].builtinCode = number
    return builder.finish([x], [y])


def test_an_operator_newer_than_the_schema_is_refused():
    with pytest.raises(ExportError, match="operator 0 has the code 9999"):
        read_model(with_code(9999))


def test_missing_options_name_the_operator_by_its_index():
    builder = ModelBuilder()
    x, middle, y = (builder.tensor([1, 4], 0.5) for _ in range(3))
    builder.operator("RELU", [x], [middle])
    builder.operator("LEAKY_RELU", [middle], [y], alpha=0.5)
    builder.operators[1].builtinOptions = None
    with pytest.raises(ExportError, match=r"operator 1 \(LEAKY_RELU\) has no options"):
        read_model(builder.finish([x], [y]))


@pytest.mark.parametrize(("inputs", "outputs"), [([7], [1]), ([0], [7]), ([-2], [1]), ([0], [-1])])
def test_a_tensor_that_does_not_exist_is_refused(inputs, outputs):
    builder = ModelBuilder()
    x, y = builder.tensor([1, 4], 0.5), builder.tensor([1, 4], 0.5)
    builder.operator("RELU", inputs, outputs)
    with pytest.raises(ExportError, match=r"operator 0 \(RELU\)"):
        read_model(builder.finish([x], [y]))
