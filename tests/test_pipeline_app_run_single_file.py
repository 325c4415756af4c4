"""`hintlite benchmark` on a file and on a bundle that no run has made, on every target."""

import json
import os

import numpy as np
import pytest
from stand_in_adb import StandIn
from tiny_bundle import MODEL, SCRIPT, TINY

from hintlite.benchmarks.targets.names import TARGETS
from hintlite.deploy.bundle.bundle import write_bundle
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.run.single_file.benchmark import FILE_TARGETS

QUICK = (
    *("--benchmark.window_s", "0.02", "--benchmark.warmup_s", "0.01"),
    *("--benchmark.min_runs", "3"),
)


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(
        tmp_path / "out",
        models={MODEL: TINY.read_bytes()},
        labels=["a", "b", "c", "d"],
        input_shape=(8, 8, 1),
        normalization={"mean": [10.0], "std": [245.0], "raw_dtype": "uint8", "raw_max": 255.0},
        samples_raw=np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8),
        sample_labels=np.arange(5) % 4,
        bench_script=SCRIPT,
        provenance={},
    )


def benchmark(place, *words):
    return main(["benchmark", str(place), *map(str, words), *QUICK])


def test_every_target_takes_a_file_or_a_bundle():
    assert set(FILE_TARGETS) == set(TARGETS)


def test_json_alone_is_printed_and_nothing_is_kept(bundle, capfd):
    before = sorted(bundle.parent.rglob("*"))
    for place in (bundle, bundle / MODEL):
        assert benchmark(place, "--json") == 0
        result = json.loads(capfd.readouterr().out)
        assert (result["target"], result["kind"]) == ("host", "measured")
    assert sorted(bundle.parent.rglob("*")) == before


def test_a_bundles_samples_are_used(bundle, capfd):
    assert benchmark(bundle, "--json") == 0
    assert json.loads(capfd.readouterr().out)["accuracy"]["total"] == 5


def test_results_go_to_out_and_not_into_a_bundle(bundle, tmp_path, capfd):
    assert benchmark(bundle) == 2
    assert "lies in a bundle" in capfd.readouterr().err
    assert benchmark(bundle, "--target", "tflm", "--out", tmp_path / "here") == 0
    said = capfd.readouterr()
    assert f"benchmark: {tmp_path / 'here' / 'tflm'}" in said.err
    assert "arena on this host" in said.out
    kept = json.loads((tmp_path / "here" / "tflm" / "result.json").read_text())
    assert kept["target"] == "tflm"


def test_a_phone_takes_a_bundle(bundle, tmp_path, monkeypatch, capfd):
    phone = StandIn(tmp_path / "adb")
    phone.install()
    monkeypatch.setenv("PATH", f"{phone.folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    assert benchmark(bundle, "--target", "android", "--json") == 0
    assert json.loads(capfd.readouterr().out)["target"] == "android"


@pytest.mark.parametrize("word", [("--json",), ("--out", "x")])
def test_a_run_keeps_its_results_in_itself(word, capfd):
    assert main(["benchmark", "runs/mine", *word]) == 2
    assert f"{word[0]} is for a single .tflite file or a bundle" in capfd.readouterr().err


@pytest.mark.emulated(modules=["hintlite.benchmarks.targets.cortex_m"])
def test_a_cortex_m_takes_a_file_and_a_bundle(bundle, tmp_path, capfd):
    counts = []
    for place in (TINY, bundle):
        assert benchmark(place, "--target", "cortex-m4", "--json", "--out", tmp_path / "kept") == 0
        result = json.loads(capfd.readouterr().out)
        counts.append(result["raw"]["instructions_per_inference"])
        kept = tmp_path / "kept" / "cortex-m4" / "result.json"
        assert json.loads(kept.read_text()) == result
    assert counts[0] > 0
    assert result["accuracy"]["total"] == 5
    assert result["raw"]["agreement"]["same_class"] == 5
