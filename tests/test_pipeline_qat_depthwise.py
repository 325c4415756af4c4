"""Depthwise kernels have a range for each channel, in the fine-tuning as in the file."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from qat_depthwise import EPSILON, SIZES, blueprint

from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.inspect import inspect
from hintlite.pipeline.qat.launch import NEEDED

MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

if MISSING and not os.environ.get("CI"):
    needs = " ".join(f"'{NEEDED[name]}'" for name in MISSING)
    pytest.skip(f"not installed: pip install {needs}", allow_module_level=True)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the process of tf_keras told, and the folder with its files."""
    folder = tmp_path_factory.mktemp("depthwise")
    script = Path(__file__).with_name("qat_depthwise.py")
    done = subprocess.run(
        [sys.executable, script, folder], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), folder


def largest(name):
    """[channels * multiplier]: the largest absolute value of each output channel of a kernel."""
    (kernel,) = (step.weights[0] for step in blueprint().steps if step.name == name)
    channels, multiplier = kernel.shape[2:]
    expected = np.zeros(channels * multiplier)
    for c in range(channels):
        for m in range(multiplier):
            expected[c * multiplier + m] = np.abs(kernel[:, :, c, m]).max()
    return expected


@pytest.mark.processes
def test_the_file_computes_what_the_fake_quantized_network_does(told):
    steps = {name: told[0][name]["steps"] for name in ("own", "tfmot")}
    assert 0 < steps["own"] <= 4
    assert steps["tfmot"] > 6  # one range for channels a thousand times apart


@pytest.mark.processes
def test_small_channels_are_not_rounded_away(told):
    rounded = {name: told[0][name]["rounded"] for name in ("own", "tfmot")}
    assert 0 < rounded["own"] <= 6  # output steps between float and fake-quantized network
    assert rounded["tfmot"] > 30


@pytest.mark.processes
@pytest.mark.parametrize("name", ["dw", "wide"])
def test_the_file_is_full_int8_with_a_scale_for_each_channel(told, name):
    content = (told[1] / "own.tflite").read_bytes()
    assert inspect(content).not_int8_reasons == ()
    graph = read_model(content).main
    kernels = [op.inputs[1] for op in graph.operators if op.name == "DEPTHWISE_CONV_2D"]
    scales = np.asarray(graph.tensors[kernels[["dw", "wide"].index(name)]].quantization.scales)
    gamma, _, _, variance = next(s.weights for s in blueprint().steps if s.name == f"{name}.norm")
    expected = largest(name) * np.abs(gamma) / np.sqrt(variance + EPSILON) / 127
    alive = SIZES[name] > 0
    np.testing.assert_allclose(scales[alive], expected[alive], rtol=1e-5)


@pytest.mark.processes
@pytest.mark.parametrize("name", ["dw", "wide", "lone"])
def test_ranges_start_at_the_largest_value_of_each_channel(told, name):
    low, high = told[0]["own"]["ranges"][name]
    np.testing.assert_allclose(high, largest(name), rtol=1e-6)
    np.testing.assert_allclose(low, -largest(name), rtol=1e-6)
    assert len(told[0]["tfmot"]["ranges"][name][0]) < len(high)  # as many as the multiplier


@pytest.mark.processes
@pytest.mark.parametrize("name", ["dw", "wide", "lone"])
def test_a_training_step_takes_the_same_ranges(told, name):
    low, high = told[0]["in_training"][name]
    np.testing.assert_allclose(high, largest(name), rtol=1e-6)
    np.testing.assert_allclose(low, -largest(name), rtol=1e-6)
