"""Whole networks: every layer of every family, and what a single wrong byte does."""

import os
from pathlib import Path

import numpy as np
import pytest
from c_export_models import tflm_outputs, tflm_tensors
from c_export_networks import FAMILIES, network_inputs
from c_export_runner import TRACED, differences, run_emulated, run_here, write_program

from benchmarks.targets.cortex_m_firmware import toolchain
from deploy.c_export.lower import lower
from deploy.c_export.read import read_model

REFERENCE = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"
SANITIZERS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
INPUTS = 256


def models() -> dict[str, bytes]:
    return {name: make() for name, make in FAMILIES.items()} | {"reference": REFERENCE.read_bytes()}


def need_toolchain():
    if toolchain.missing_tools() and os.environ.get("CI") != "true":
        pytest.skip(f"{toolchain.missing_tools()} not found: {toolchain.INSTALL}")
    toolchain.check_tools()


def all_layers(model: bytes, inputs: np.ndarray) -> np.ndarray:
    """TFLM's output of every layer, one row an input, as the traced program writes them."""
    graph = read_model(model)
    layers = [step.writes for step in lower(graph)]
    return tflm_tensors(model, inputs, layers)


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """All networks in one program under sanitizers: name -> (inputs, outputs, layers)."""
    folder = tmp_path_factory.mktemp("networks")
    found = models()
    inputs = {k: network_inputs(m, 16 if k == "reference" else INPUTS) for k, m in found.items()}
    write_program(list(found.values()), list(inputs.values()), folder)
    output = np.frombuffer(run_here(folder, (*SANITIZERS, *TRACED)), np.int8)
    layers = np.frombuffer((folder / "layers.bin").read_bytes(), np.int8)
    results = {}
    for name, model in found.items():
        graph = read_model(model)
        sizes = [graph.tensors[step.writes].size for step in lower(graph)]
        count = len(inputs[name])
        ends = count * graph.tensors[graph.output].size, count * sum(sizes)
        own = output[: ends[0]].reshape(count, -1), layers[: ends[1]].reshape(count, -1)
        output, layers = output[ends[0] :], layers[ends[1] :]
        results[name] = (inputs[name], *own)
    assert len(output) == len(layers) == 0
    return results


@pytest.mark.parametrize("name", [*FAMILIES, "reference"])
def test_every_layer_of_a_network_gives_the_bits_of_tflm(name, traced):
    inputs, outputs, layers = traced[name]
    model = models()[name]
    np.testing.assert_array_equal(layers, all_layers(model, inputs))
    np.testing.assert_array_equal(outputs, tflm_outputs(model, inputs))
    assert np.unique(layers, axis=0).shape[0] > len(inputs) // 2


def test_all_networks_give_the_bits_of_tflm_on_dsp_and_mve(tmp_path):
    need_toolchain()
    found = models()
    inputs = [network_inputs(model, 6) for model in found.values()]
    expected = [tflm_outputs(m, x) for m, x in zip(found.values(), inputs, strict=True)]
    write_program(list(found.values()), inputs, tmp_path)
    for core in ("cortex-m4", "cortex-m55"):
        assert differences(run_emulated(tmp_path, core), expected, list(found)) == [], core


@pytest.mark.emulated
@pytest.mark.parametrize("core", toolchain.BOARDS)
@pytest.mark.parametrize("name", [*FAMILIES, "reference"])
def test_every_layer_on_every_core(name, core, tmp_path):
    need_toolchain()
    model = models()[name]
    inputs = network_inputs(model, 16 if name == "reference" else INPUTS)
    expected = all_layers(model, inputs)
    write_program([model], [inputs], tmp_path)
    output = run_emulated(tmp_path, core, TRACED)
    assert differences(output, [tflm_outputs(model, inputs)], [name]) == []
    written = np.frombuffer((tmp_path / "layers.bin").read_bytes(), np.int8)
    np.testing.assert_array_equal(written.reshape(expected.shape), expected)


def test_one_wrong_weight_anywhere_is_noticed():
    """The comparison of every layer fails if any one weight is another.

    A byte at the start, in the middle and at the end of each layer's weights.
    """
    model = FAMILIES["thin_deep"]()
    graph = read_model(model)
    inputs = network_inputs(model, 24)
    good = all_layers(model, inputs)
    for tensor in graph.tensors:
        if tensor.data is None or tensor.dtype != "int8":
            continue
        for position in (0, tensor.size // 2, tensor.size - 1):
            changed = with_other_byte(model, tensor.data.tobytes(), position)
            assert (all_layers(changed, inputs) != good).any(), (tensor.index, position)


def with_other_byte(model: bytes, data: bytes, position: int) -> bytes:
    """The flatbuffer with one weight of one constant at the other end of int8."""
    place = model.index(data) + position
    content = bytearray(model)
    content[place] = 127 if content[place] >= 128 else 129
    return bytes(content)


def test_a_wrong_byte_in_the_c_source_is_noticed(tmp_path):
    """The exported weights are what runs: one other number in them fails the comparison."""
    model = FAMILIES["ds_cnn"]()
    inputs = network_inputs(model, 16)
    write_program([model], [inputs], tmp_path)
    source = tmp_path / "cases.c"
    lines = source.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("const int8_t n0_k3_weights"))
    first, rest = lines[start + 1].split(",", 1)
    lines[start + 1] = f"  {int(first) ^ 0x40},{rest}"
    source.write_text("\n".join(lines) + "\n")
    found = differences(run_here(tmp_path), [tflm_outputs(model, inputs)], ["ds_cnn"])
    assert len(found) == 1
