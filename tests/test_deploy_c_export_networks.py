"""Whole networks: every layer of every family, and what a single wrong number does."""

import itertools
import os
import re
from pathlib import Path

import numpy as np
import pytest
from c_export_models import tflm_outputs, tflm_tensors
from c_export_networks import FAMILIES, network_inputs
from c_export_runner import TRACED, differences, run_emulated, run_here, write_program

from hintlite.benchmarks.targets.cortex_m_firmware import toolchain
from hintlite.deploy.c_export.lower import lower
from hintlite.deploy.c_export.read import read_model

REFERENCE = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"
SANITIZERS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
INPUTS = 256
# Patches that push an output further into the saturation where it already is. (The bias carries the
# input's zero point, so that a weight meets the raw input, which is negative in these places.)
UNREACHED = {"thin_deep": {"k8_weights[159]"}, "ds_cnn": {"k8_weights[0]"}}
ARRAY = "n{network}_{array}"  # how the exporter calls a layer's array


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
        sizes = [graph.tensors[step.writes].elements for step in lower(graph)]
        count = len(inputs[name])
        ends = count * graph.tensors[graph.outputs[0]].elements, count * sum(sizes)
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


@pytest.mark.emulated(
    modules=["hintlite.benchmarks.targets.cortex_m_firmware", "hintlite.deploy.c_export"]
)
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


def entries(call) -> list[tuple[str, int]]:
    """The first, the middle and the last entry of a call's weights and biases, padding left out."""
    weights, bias = call.params["weights"].values.size, call.params["bias"].values.size
    row = call.params.get("row_bytes", weights)
    used = call.params.get("row_length", weights)
    middle = (weights // row // 2) * row + used // 2
    return [("weights", i) for i in (0, middle, weights - row + used - 1)] + [
        ("bias", i) for i in (0, bias // 2, bias - 1)
    ]


def with_other_entry(source: str, array: str, position: int) -> str:
    """The C source with another number in one place of an array, far from what it was."""
    head = re.search(rf"^const int(8|32)_t {array}\[\d+\] = {{$", source, re.MULTILINE)
    assert head is not None, array
    number = list(itertools.islice(re.finditer(r"-?\d+", source[head.end() :]), position + 1))[-1]
    far = 127 if head[1] == "8" else 1 << 17
    other = far if int(number[0]) < 0 else -far
    start, end = (head.end() + place for place in number.span())
    return f"{source[:start]}{other}{source[end:]}"


@pytest.mark.whole
@pytest.mark.parametrize("family", ["thin_deep", "ds_cnn", "autoencoder"])
def test_one_wrong_number_anywhere_in_the_c_source_is_noticed(family, tmp_path):
    """One program holds the network as it is, and once for each of its arrays' wrong numbers."""
    model = FAMILIES[family]()
    steps = lower(read_model(model))
    calls = [(k, c) for k, s in enumerate(steps) for c in s.calls if "weights" in c.params]
    wrong = [(f"k{k}_{array}", i) for k, c in calls for array, i in entries(c)]
    names = ["unchanged", *(f"{array}[{i}]" for array, i in wrong)]
    inputs = network_inputs(model, 80)
    write_program([model] * len(names), [inputs] * len(names), tmp_path)
    source = (tmp_path / "cases.c").read_text()
    for network, (array, position) in enumerate(wrong, start=1):
        source = with_other_entry(source, ARRAY.format(network=network, array=array), position)
    (tmp_path / "cases.c").write_text(source)
    expected = [tflm_outputs(model, inputs)] * len(names)
    found = differences(run_here(tmp_path), expected, names)
    noticed = {text.split(":")[0] for text in found}
    assert set(names) - noticed == {"unchanged"} | UNREACHED.get(family, set())
