"""`hintlite quantize` with choices of its own on a finished run, and what reads its files."""

import json
import shutil

import numpy as np
import pytest
from ptq_networks import require_edge_quantizer

from hintlite.deploy.tflite.inspect import inspect
from hintlite.errors import SettingsError
from hintlite.pipeline.app.cli.grammar import parse
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.run.stages.post_training import (
    CHOICE,
    EQUALIZED,
    quantized,
    require_unchanged,
    settings,
)
from hintlite.pipeline.settings.quantize import QuantizeConfig

require_edge_quantizer()
ARM = "quantize/hint+kd"


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    """A copy of the finished run that the tests may change."""
    folder = tmp_path_factory.mktemp("quantized") / "run"
    shutil.copytree(finished_run[1], folder)
    yield folder
    from tensorflow.python.framework import config

    config.disable_op_determinism()


def test_short_forms_are_the_settings():
    for words in (["--method", "mixed", "--max-drop", "0.3"], ["--method=mixed", "--max-drop=0.3"]):
        config = parse(["quantize", "runs/x", *words]).config.quantize
        assert (config.method, config.max_drop) == ("mixed", 0.3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"method": "magic"}, "method must be one of ptq, qat, mixed"),
        ({"ranges": "median"}, "ranges must be one of minmax, percentile, mse"),
        ({"weight_ranges": "best"}, "weight_ranges must be one of minmax, octav, mse"),
        ({"activations": "int4"}, "activations must be one of int8, int16"),
        ({"weights_bits": 2}, "weights_bits must be one of 8, 4"),
        ({"percentile": 40.0}, "above 50 to 100; got 40"),
        ({"max_drop": -1.0}, "max_drop counts points"),
        ({"scan_samples": 0}, "scan_samples must be 1 or more"),
        ({"method": "mixed", "weights_bits": 4}, "chooses the precision of each operator itself"),
        ({"method": "qat", "activations": "int16"}, "8-bit weights and activations alone"),
        ({"relu6": "replace"}, "goes with quantize.equalize"),
    ],
)
def test_what_cannot_work_is_refused(wrong, said):
    with pytest.raises(SettingsError, match=said):
        QuantizeConfig(**wrong)


def test_new_settings_at_their_defaults_change_no_key_and_none_is_the_teachers():
    plain = {"min_agreement", "max_float_error", "max_accuracy_drop", "float16", "dynamic_range"}
    assert set(settings(QuantizeConfig(), "kd")) == plain
    changed = QuantizeConfig(ranges="mse", activations="int16")
    assert set(settings(changed, "kd")) == plain | {"ranges", "activations"}
    assert set(settings(changed, "teacher")) == plain
    assert (quantized(changed, "kd"), quantized(changed, "teacher")) == ("int16x8", "int8")


def test_a_network_that_equalization_changes_is_refused():
    from hintlite.models.equalize import Pair
    from hintlite.pipeline.app.run.context import StageError

    before = np.array([[0.0, 10.0], [5.0, -10.0]], np.float32)
    pair = Pair("a", "b", "a_relu", 1.0, 1.0, 1.0, 1.0)
    assert require_unchanged(before, before + 0.001, (pair,)) == pytest.approx(5e-5, rel=1e-2)
    with pytest.raises(StageError, match=r"a_relu\) do clip: set quantize.relu6 to skip"):
        require_unchanged(before, before + 0.01, (pair,))


@pytest.mark.whole
def test_other_ranges_and_equalization_give_an_int8_file_with_its_record(run, capfd):
    before = {path: path.read_bytes() for path in run.rglob("teacher_*.tflite")}
    old = (run / ARM / "student_int8.tflite").read_bytes()
    words = ["--quantize.ranges", "mse", "--quantize.weight_ranges", "octav"]
    assert main(["quantize", str(run), *words, "--quantize.equalize", "true"]) == 0
    said = capfd.readouterr().err
    assert "equalized" in said
    assert {path: path.read_bytes() for path in before} == before
    file = run / ARM / "student_int8.tflite"
    assert file.read_bytes() != old
    assert inspect(file).is_full_int8
    record = json.loads((run / ARM / EQUALIZED).read_text())
    assert record["largest_difference"] <= record["bound"] == 1e-4
    assert all(pair["range_ratio_after"] <= pair["range_ratio"] for pair in record["pairs"])
    assert {"int8_before", "int8_after"} <= record.keys()
    assert main(["bundle", str(run)]) == 0
    assert (run / "bundle/device/student_int8.tflite").read_bytes() == file.read_bytes()


@pytest.mark.whole
def test_int16_goes_through_the_line_and_microcontrollers_refuse_it(run, capfd):
    plain = ["--quantize.ranges", "minmax", "--quantize.weight_ranges", "minmax"]
    words = [*plain, "--quantize.equalize", "false", "--quantize.activations", "int16"]
    assert main(["run", str(run), *words]) == 0
    assert sorted(path.name for path in (run / ARM).glob("*.tflite")) == [
        "student_float32.tflite",
        "student_int16x8.tflite",
    ]
    assert "int16x8" in capfd.readouterr().out  # the table
    report = json.loads((run / "report.json").read_text())
    assert "int16x8" in json.dumps(report)
    metrics = json.loads((run / "evaluate/metrics.json").read_text())
    assert {"hint+kd:int16x8", "hint+kd:float32", "teacher:int8"} <= metrics.keys()
    manifest = json.loads((run / "bundle/device/manifest.json").read_text())
    assert manifest["models"]["student_int16x8.tflite"]["precision"] == "int16x8"
    for command in (["bundle", str(run), "--mcu", "c"], ["bundle", str(run), "--mcu", "tflm"]):
        assert main(command) == 2
        assert "expected student_int8.tflite, from which alone" in capfd.readouterr().err
    assert main(["bundle", str(run), "--phone"]) == 2
    assert "set quantize.method to ptq" in capfd.readouterr().err


@pytest.mark.whole
def test_a_mixed_file_is_chosen_recorded_and_bundled(run, capfd):
    words = ["--quantize.activations", "int8", "--method", "mixed", "--max-drop", "0.3"]
    assert main(["quantize", str(run), *words]) == 0
    assert "files tried" in capfd.readouterr().err
    file = run / ARM / "student_mixed.tflite"
    record = json.loads((run / ARM / CHOICE).read_text())
    assert record["bytes"] == file.stat().st_size < record["float_bytes"]
    assert record["accuracy"] >= record["float_accuracy"] - 0.003
    figures = json.loads((run / ARM / "verify.json").read_text())["figures"]
    assert figures["int8_accuracy"] == record["accuracy"]
    assert main(["bundle", str(run)]) == 0
    assert (run / "bundle/device/student_mixed.tflite").read_bytes() == file.read_bytes()
