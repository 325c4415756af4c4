"""The Ethos-U stages of a run: estimates and compiled model kept, and a bundle that signs it."""

import hashlib
import json
import os
import shutil
from importlib.util import find_spec

import pytest

from hintlite.deploy.bundle.bundle import check_bundle, read_manifest
from hintlite.pipeline.app.cli.grammar import parse
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.order import run_one
from hintlite.pipeline.app.run.stages import npu

NPU = "ethos-u55-128"
PLAIN = {"target": NPU, "system_config": None, "memory_mode": None, "vela_config": None}
SMALL = PLAIN | {"system_config": "Ethos_U55_Deep_Embedded", "memory_mode": "Sram_Only"}


@pytest.fixture
def context(finished_run, tmp_path):
    if find_spec("ethosu") is None and os.environ.get("CI") != "true":
        pytest.skip("ethos-u-vela is not installed: pip install -e '.[mcu]'")
    run = tmp_path / "run"
    shutil.copytree(finished_run[1], run)
    config = parse(["benchmark", str(run), "--target", NPU]).config
    return Context(config, RunFolder(run), Terminal())


def test_estimate_then_bundle_with_the_same_options(context, capsys):
    assert run_one(context, "benchmark", SMALL) == [f"targets/{NPU}"]
    assert f"{NPU}, estimated: " in capsys.readouterr().out
    result = npu.result(context, NPU)
    assert result["raw"]["memory_mode"] == "Sram_Only"
    before = context.file(f"targets/{NPU}", "stage.json").read_bytes()

    made = run_one(context, "bundle", {"mcu": NPU, "name": "network"})
    assert made == ["bundle", f"targets/{NPU}", f"mcu/{NPU}"]
    assert context.file(f"targets/{NPU}", "stage.json").read_bytes() == before
    device = context.folder.place(f"mcu/{NPU}") / "device"
    assert check_bundle(device) == []
    manifest = read_manifest(device)
    compiled = manifest["compiled"]["student_int8_vela.tflite"]
    assert compiled["from"] == "student_int8.tflite"
    assert compiled["memory_mode"] == "Sram_Only"
    model = (device / "student_int8_vela.tflite").read_bytes()
    assert hashlib.sha256(model).hexdigest() == result["raw"]["compiled_sha256"]


def test_other_options_make_the_estimate_anew(context):
    run_one(context, "benchmark", PLAIN)
    first = npu.result(context, NPU)
    run_one(context, "benchmark", SMALL)
    assert npu.result(context, NPU)["raw"]["core_clock_hz"] != first["raw"]["core_clock_hz"]


def test_a_configuration_is_kept_with_the_result(context, tmp_path):
    from test_benchmarks_targets_ethos_u import MINE

    path = tmp_path / "board.ini"
    path.write_text(MINE)
    options = {"system_config": "Mine", "memory_mode": "Plain", "vela_config": str(path)}
    run_one(context, "benchmark", {"target": NPU, **options})
    path.unlink()  # the bundle takes the kept one
    run_one(context, "bundle", {"mcu": NPU, "name": "network"})
    record = json.loads(context.file(f"mcu/{NPU}", "stage.json").read_text())
    assert record["inputs"].keys() == {"bundle", f"targets/{NPU}"}
    assert npu.known_options(context, NPU)["vela_config"].endswith("vela.ini")
