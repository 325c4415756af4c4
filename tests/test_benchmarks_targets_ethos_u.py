"""Ethos-U through the real Vela: figures, what falls back to the CPU, refusals, the page."""

import hashlib
import json
import os
import re
import struct
from importlib.util import find_spec
from pathlib import Path

import pytest
import tflite
from deploy_models import chain_float32
from report_run import write_run, write_target

from hintlite.benchmarks.targets import vela
from hintlite.benchmarks.targets.base import BenchmarkError, BenchmarkRequest, BenchmarkResult
from hintlite.benchmarks.targets.ethos_u import EthosUTarget
from hintlite.benchmarks.targets.names import ETHOS_U
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.report.subjects import microcontrollers

REFERENCE = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"
MACS = 2_836_832  # of the file, as inspect counts them
MINE = """
[System_Config.Mine]
core_clock=100e6
axi0_port=Sram
axi1_port=OffChipFlash
Sram_clock_scale=1.0
OffChipFlash_clock_scale=0.125
[Memory_Mode.Plain]
const_mem_area=Axi1
arena_mem_area=Axi0
cache_mem_area=Axi0
"""


@pytest.fixture(scope="module", autouse=True)
def _vela():
    """Skips without Vela; in CI its absence is a failure."""
    if find_spec("ethosu") is None and os.environ.get("CI") != "true":
        pytest.skip("ethos-u-vela is not installed: pip install -e '.[mcu]'")


def run(model=REFERENCE, timeout_s=120.0, **options):
    accelerator = options.pop("accelerator", "ethos-u55-128")
    target = EthosUTarget(vela.Options(accelerator, **options))
    return target.run(model, BenchmarkRequest(timeout_s=timeout_s)), target


@pytest.fixture(scope="module")
def found():
    return run()


def test_the_settings_know_velas_accelerators():
    assert ETHOS_U == vela.ACCELERATORS


def test_figures_of_the_reference_model(found):
    result, target = found
    raw = result.raw
    assert (result.kind, result.target) == ("estimated", "ethos-u55-128")
    assert result.verdict == {"state": "valid", "reasons": []}
    assert (raw["system_config"], raw["memory_mode"]) == (
        "Ethos_U55_High_End_Embedded",
        "Shared_Sram",
    )
    # The NPU reads the one-channel input as more, and divides the mean: a little more than MACs.
    assert MACS <= raw["macs"] < 1.01 * MACS
    assert raw["cycles"] == sum(layer["cycles"] for layer in raw["layers"])
    assert raw["inference_time_us"] == pytest.approx(1e6 * raw["cycles"] / raw["core_clock_hz"])
    assert result.latency_us == {"mean": raw["inference_time_us"]}
    assert result.memory_bytes == raw["sram_bytes"] >= 15_680  # what is live at the peak
    assert raw["off_chip_flash_bytes"] >= 35_514  # the weights and biases
    assert raw["compiled_sha256"] == hashlib.sha256(target.compiled.model).hexdigest()
    assert BenchmarkResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_layers_are_those_of_the_model(found):
    layers = found[0].raw["layers"]
    names = [layer["operator"] for layer in layers]
    assert names == [*["Conv2D"] * 6, "Add", "DepthwiseConv2D", "Mean", "FullyConnected", "Softmax"]
    assert {layer["target"] for layer in layers} == {"NPU"}
    assert layers[1]["macs"] == 451_584
    assert len(layers[-1]["npu_operators"]) > 5  # Vela builds Softmax of simple operators


def test_the_compiled_model_is_the_same_every_time_and_runs_nowhere_else(found):
    again = run()[1].compiled.model
    assert again == found[1].compiled.model
    assert b"ethos-u" in again
    assert REFERENCE.read_bytes()[4:8] == again[4:8] == b"TFL3"


@pytest.mark.parametrize("accelerator", ["ethos-u65-512", "ethos-u85-2048"])
def test_larger_npus_need_fewer_cycles(found, accelerator):
    result, _ = run(accelerator=accelerator)
    assert result.raw["accelerator"] == accelerator
    assert 0 < result.raw["cycles"] < found[0].raw["cycles"]


def test_system_config_and_memory_mode_are_velas(found):
    result, _ = run(system_config="Ethos_U55_Deep_Embedded", memory_mode="Sram_Only")
    raw = result.raw
    assert (raw["core_clock_hz"], raw["memory_mode"]) == (200e6, "Sram_Only")
    assert raw["inference_time_us"] > found[0].raw["inference_time_us"]  # 200 MHz, not 500


def test_a_configuration_of_ones_own(tmp_path):
    path = tmp_path / "mine.ini"
    path.write_text(MINE)
    result, _ = run(config=path, system_config="Mine", memory_mode="Plain")
    assert result.raw["core_clock_hz"] == 100e6
    assert result.raw["vela_config"] == "mine.ini"


def with_log_softmax(content):
    """The model with LOG_SOFTMAX, which Ethos-U55 does not have, in the place of SOFTMAX."""
    data = bytearray(content)
    model = tflite.Model.GetRootAs(data)
    for code in (model.OperatorCodes(i) for i in range(model.OperatorCodesLength())):
        if code.BuiltinCode() == tflite.BuiltinOperator.SOFTMAX:
            for slot, form in ((4, "<b"), (10, "<i")):  # the deprecated field and today's
                place = code._tab.Pos + code._tab.Offset(slot)
                struct.pack_into(form, data, place, tflite.BuiltinOperator.LOG_SOFTMAX)
    return bytes(data)


def test_what_falls_back_to_the_cpu_is_named_and_makes_the_verdict_doubtful(found, tmp_path):
    path = tmp_path / "log_softmax.tflite"
    path.write_bytes(with_log_softmax(REFERENCE.read_bytes()))
    result, _ = run(path)
    (left,) = result.raw["cpu_operators"]
    assert (left["operator"], left["reason"]) == ("LOG_SOFTMAX", "Unsupported opType")
    assert result.raw["layers"][-1]["target"] == "CPU"
    assert result.raw["layers"][-1]["cycles"] == 0
    assert result.raw["cycles"] < found[0].raw["cycles"]
    assert result.verdict["state"] == "doubtful"
    assert "LOG_SOFTMAX" in result.verdict["reasons"][0]["what"]


def test_without_velas_reason_the_operator_is_named_all_the_same():
    rows = ({"Target": "CPU", "Original Operator": "Tanh", "Name": "t"},)
    (left,) = vela._cpu_operators(rows, "nothing of it")
    assert left == {"name": "t", "operator": "Tanh", "reason": ""}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accelerator": "ethos-u55-12"}, "did you mean ethos-u55-128"),
        ({"system_config": "Ethos_U55_Deep"}, "did you mean Ethos_U55_Deep_Embedded"),
        ({"memory_mode": "SramOnly"}, "did you mean Sram_Only"),
        ({"memory_mode": "Dedicated_Sram"}, "Vela refused: Invalid configuration of arena_mem"),
        ({"config": Path("none.ini"), "system_config": "x"}, "none.ini cannot be read"),
        ({"config": Path("setup.cfg")}, "does nothing without --system_config"),
        ({"timeout_s": 0.01}, "took longer than 0.01 s"),
    ],
)
def test_refusals_are_sentences(options, said):
    with pytest.raises(BenchmarkError, match=re.escape(said)):
        run(**options)


def test_float_models_are_refused(tmp_path):
    path = tmp_path / "float.tflite"
    path.write_bytes(chain_float32())
    with pytest.raises(BenchmarkError, match="is not full INT8: Operator 0"):
        run(path)


def test_a_damaged_model_never_reaches_vela(tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(REFERENCE.read_bytes()[:3000])
    with pytest.raises(BenchmarkError, match="is damaged"):
        run(path)


def test_a_crash_of_vela_is_a_sentence():
    """Handed past the check, the damaged model ends Vela's process, and ours goes on."""
    cut = REFERENCE.read_bytes()[:3000]
    with pytest.raises(vela.VelaError, match=r"Vela (crashed|refused|ended)"):
        vela.compile_model(cut, vela.Options("ethos-u55-128"), timeout_s=120)


def test_the_command_takes_a_foreign_file(tmp_path, capsys):
    words = ["benchmark", str(REFERENCE), "--target", "ethos-u55-32", "--out", str(tmp_path)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "ethos-u55-32, estimated: " in said
    assert "verdict: valid" in said
    place = tmp_path / "ethos-u55-32"
    result = json.loads((place / "result.json").read_text())
    model = (place / "reference_cnn_int8_vela.tflite").read_bytes()
    assert result["raw"]["compiled_sha256"] == hashlib.sha256(model).hexdigest()
    assert (place / "per-layer.csv").read_text().startswith("Original Operator,NNG Operator,Target")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("r", "--target", "ethos-u55-12"), 2, "did you mean: ethos-u55-128"),
        (("r", "--target", "toaster"), 2, "--target must be one of host, android"),
        (
            ("r", "--target", "cortex-m4", "--memory_mode", "Sram_Only"),
            2,
            "goes with --target etho",
        ),
        (("r", "--target", "ethos-u55-128", "--out", "x"), 2, "single .tflite file"),
        (("none.tflite", "--target", "ethos-u55-128"), 2, "does not exist"),
    ],
)
def test_wrong_words(capsys, words, code, said):
    assert main(["benchmark", *words]) == code
    assert said in capsys.readouterr().err


def test_the_page_shows_estimates_as_such(found, tmp_path):
    result = found[0].to_dict()
    left = {"name": "t", "operator": "TANH", "reason": "<b>odd</b>"}
    result["raw"] = {**result["raw"], "cpu_operators": [left]}
    path = write_run(tmp_path / "run", targets=("cortex-m4",))
    write_target(path, "ethos-u55-128", result)
    report = Report("run", path, collect(path))
    section = microcontrollers.render([report])
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section.html))
    assert "Ethos-U, estimated" in text
    assert f"{result['raw']['cycles']:,}" in text
    assert "TANH runs on the CPU: &lt;b&gt;odd" in section.html
    assert "cortex-m4, simulated" in text
    commands = [entry["command"] for entry in report.facts["reproduce"]]
    assert any("--target ethos-u55-128" in command for command in commands)


def test_the_page_of_npus_alone(found, tmp_path):
    path = write_run(tmp_path / "run")
    write_target(path, "ethos-u55-128", found[0].to_dict())
    report = Report("run", path, collect(path))
    section = microcontrollers.render([report])
    assert "Layers on ethos-u55-128, estimated" in section.html
    assert "QEMU" not in section.html + section.note
