"""Counting on emulated cores: exactness, the figures that are kept, and the target's answers."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from c_export_models import tflm_outputs
from c_export_networks import FAMILIES, network_inputs
from tiny_bundle import MODEL, write_bundle, write_manifest

from hintlite.benchmarks.targets.base import BenchmarkError, BenchmarkRequest
from hintlite.benchmarks.targets.cortex_m import CortexMTarget
from hintlite.benchmarks.targets.cortex_m_firmware import toolchain
from hintlite.benchmarks.targets.cortex_m_firmware.measure import measure

DATA = Path(__file__).parent / "data"
REFERENCE = DATA / "reference_cnn_int8.tflite"
KEPT = DATA / "c_export_instructions.json"
TOLERANCE = 0.01


@pytest.fixture(autouse=True)
def tools():
    """Skips without the cross-compiler or QEMU; in CI their absence is a failure."""
    if toolchain.missing_tools() and os.environ.get("CI") != "true":
        pytest.skip(f"{toolchain.missing_tools()} not found: {toolchain.INSTALL}")
    toolchain.check_tools()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The reference model on a Cortex-M4 and a Cortex-M55, with TFLM's outputs."""
    inputs = network_inputs(REFERENCE.read_bytes(), 2)
    found = {}
    for core in ("cortex-m4", "cortex-m55"):
        folder = tmp_path_factory.mktemp(core)
        found[core] = measure(REFERENCE, inputs, toolchain.BOARDS[core], folder)
    return found, tflm_outputs(REFERENCE.read_bytes(), inputs)


@pytest.mark.parametrize(
    ("core", "instructions"), [("cortex-m4", 5_800_000), ("cortex-m55", 1_250_000)]
)
def test_reference_model_stays_within_its_budget(reference, core, instructions):
    found, expected = reference[0][core], reference[1]
    np.testing.assert_array_equal(found.outputs, expected)
    assert max(found.instructions) <= instructions
    assert found.footprint.code_bytes <= 16_000
    assert found.footprint.ram_bytes <= 16_400
    assert found.stack_bytes <= 512


def test_layers_add_up_to_the_whole(reference):
    """Layers are counted in another build, with marks between them: within half a percent."""
    for found in reference[0].values():
        assert len(found.layers) == 11
        total = sum(count for _, count in found.layers)
        assert total == pytest.approx(found.instructions[0], rel=0.005)
        assert all(count > 0 for _, count in found.layers)


def changes(counts: dict[str, int], kept: dict[str, int]) -> list[str]:
    """Counts that are more than TOLERANCE away from what is kept, or of which nothing is kept."""
    missing = [f"{key}: {counts[key]}, nothing is kept" for key in counts if key not in kept]
    return missing + [
        f"{key}: {counts[key]} instead of {kept[key]}"
        for key in kept
        if key in counts and abs(counts[key] / kept[key] - 1) > TOLERANCE
    ]


def kept_figures() -> dict:
    kept = json.loads(KEPT.read_text())
    compiler = toolchain.versions()[toolchain.COMPILER]
    if compiler != kept["compiler"] and os.environ.get("CI") != "true":
        pytest.skip(f"kept figures are of {kept['compiler']}, here is {compiler}")
    return kept


def test_instructions_of_the_reference_model_are_the_kept_ones(reference):
    """To change a figure on purpose, write the new one into data/c_export_instructions.json."""
    kept = kept_figures()["instructions"]
    counts = {f"reference {core}": f.instructions[0] for core, f in reference[0].items()}
    assert set(counts) <= set(kept)
    assert changes(counts, kept) == []


def test_a_change_of_more_than_a_percent_is_noticed():
    assert changes({"a": 1011}, {"a": 1000}) == ["a: 1011 instead of 1000"]
    assert changes({"a": 989}, {"a": 1000}) == ["a: 989 instead of 1000"]
    assert changes({"a": 1009}, {"a": 1000, "b": 5}) == []


def test_a_count_of_which_nothing_is_kept_is_noticed():
    assert changes({"a": 1000, "b": 7}, {"a": 1000}) == ["b: 7, nothing is kept"]


@pytest.mark.emulated(
    modules=["hintlite.benchmarks.targets.cortex_m_firmware", "hintlite.deploy.c_export"]
)
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m55"])
@pytest.mark.parametrize("family", FAMILIES)
def test_instructions_of_the_families_are_the_kept_ones(family, core, tmp_path):
    model = FAMILIES[family]()
    found = measure(model, network_inputs(model, 1), toolchain.BOARDS[core], tmp_path)
    counts = {f"{family} {core}": found.instructions[0]}
    assert changes(counts, kept_figures()["instructions"]) == []


def test_counts_are_the_same_on_every_run(tmp_path):
    model = FAMILIES["ds_cnn"]()
    inputs = network_inputs(model, 3)
    folders = [tmp_path / "a", tmp_path / "b"]
    counts = []
    for folder in folders:
        folder.mkdir()
        counts.append(measure(model, inputs, toolchain.BOARDS["cortex-m4"], folder).instructions)
    assert counts[0] == counts[1]


def test_a_loop_of_known_length_is_counted_exactly():
    """Header and marks as measure.c writes them, worked by hand: 1.6 ticks an instruction."""
    from hintlite.benchmarks.targets.cortex_m_firmware.measure import _instructions

    header = np.array([3200, 323_200, 16, 0], np.uint32)  # spins, and the marking's own ticks
    marks = np.array([[100, 100 + 16 + 1600, (1 << 32) + 100]], np.uint64)
    first, second = _instructions(header, marks)[0]
    assert first == 1000
    assert second == round(((1 << 24) - 16 - 1616) / 1.6) - 5


def bundle_with_labels(folder: Path) -> Path:
    write_bundle(folder)
    with np.load(folder / "samples.npz") as archive:
        classes = archive["expected:" + MODEL].shape[1]
    (folder / "labels.txt").write_text("\n".join(str(n) for n in range(classes)))
    write_manifest(folder, [8, 8, 1], classes)
    return folder


def test_a_bundle_is_simulated_with_counts_sizes_and_agreement(tmp_path):
    bundle = bundle_with_labels(tmp_path / "bundle")
    target = CortexMTarget("cortex-m4", samples=12)
    result = target.run(target.prepare(bundle), BenchmarkRequest(model=MODEL))
    assert (result.kind, result.target, result.latency_us) == ("simulated", "cortex-m4", None)
    assert result.verdict == {"state": "valid", "reasons": []}
    assert result.accuracy == {"correct": 11, "total": 12}  # one label of the bundle is wrong
    raw = result.raw
    assert raw["agreement"]["same_class"] == raw["agreement"]["samples"] == 12
    assert raw["instructions_per_inference"] == raw["instructions"][0] > 1000
    assert [layer["index"] for layer in raw["layers"]] == list(range(len(raw["layers"])))
    assert result.memory_bytes == raw["ram_bytes"] + raw["stack_bytes"]
    assert "estimated_latency_us" not in raw
    json.dumps(result.to_dict())


def test_a_wrong_expected_output_makes_the_result_invalid(tmp_path):
    bundle = bundle_with_labels(tmp_path / "bundle")
    with np.load(bundle / "samples.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["expected:" + MODEL][0, 0] ^= 0x40
    np.savez(bundle / "samples.npz", **arrays)
    result = CortexMTarget("cortex-m3", samples=2).run(bundle, BenchmarkRequest())
    assert result.verdict["state"] == "invalid"
    assert result.verdict["reasons"][0]["code"] == "outputs_differ"


def test_a_single_model_and_a_stated_range_give_an_estimate(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(FAMILIES["autoencoder"]())
    target = CortexMTarget("cortex-m0", 1, clock_hz=48e6, cycles_per_instruction=(1.0, 2.0))
    result = target.run(path, BenchmarkRequest())
    estimate = result.raw["estimated_latency_us"]
    count = result.raw["instructions_per_inference"]
    assert estimate["low"] == pytest.approx(count / 48)
    assert estimate["high"] == pytest.approx(count / 24)
    assert result.latency_us is None
    assert result.accuracy is None


def test_what_cannot_be_run_is_refused(tmp_path):
    with pytest.raises(BenchmarkError, match="cortex-m0, cortex-m3"):
        CortexMTarget("cortex-a53")
    with pytest.raises(BenchmarkError, match="both clock_hz"):
        CortexMTarget("cortex-m4", clock_hz=1e6)
    with pytest.raises(BenchmarkError, match=r"manifest\.json"):
        CortexMTarget("cortex-m4").prepare(tmp_path)
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"0123456789")
    with pytest.raises(BenchmarkError, match=r"cortex-m4: .*TFL3"):
        CortexMTarget("cortex-m4").run(path, BenchmarkRequest())


@pytest.mark.parametrize("length", [20, 600, 1500])
def test_a_damaged_model_is_refused(length, tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes((DATA / "tiny_int8.tflite").read_bytes()[:length])
    with pytest.raises(BenchmarkError, match=r"cortex-m4: .*damaged"):
        CortexMTarget("cortex-m4").run(path, BenchmarkRequest())


def test_missing_tools_are_named_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchmarkError, match="apt-get install"):
        CortexMTarget("cortex-m4").prepare(REFERENCE)
