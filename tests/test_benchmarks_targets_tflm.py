"""The target tflm: agreement of every operator, arenas, and a worker that may die."""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
from c_export_models import ModelBuilder
from c_export_networks import FAMILIES
from report_run import TINY, settings, write_run, write_target

from hintlite.benchmarks.targets.base import BenchmarkError, BenchmarkRequest, BenchmarkResult
from hintlite.benchmarks.targets.tflm import TflmTarget
from hintlite.benchmarks.targets.tflm_operators import compare_operators, verdict
from hintlite.deploy.interpret.worker import Worker, WorkerAnswerError, WorkerDiedError
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import ModelError
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.report.subjects import microcontrollers

REFERENCE = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"


@pytest.fixture(autouse=True)
def package():
    if importlib.util.find_spec("tflite_micro") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tflite-micro should have been installed")
        pytest.skip("tflite-micro is not installed: pip install tflite-micro")


@pytest.fixture(scope="module")
def worker():
    with Worker() as one:
        yield one


@pytest.fixture(scope="module")
def found():
    """The reference model, two samples of noise."""
    return TflmTarget(samples=2).run(REFERENCE, BenchmarkRequest())


def test_a_result_says_what_is_simulated_and_what_estimated(found):
    assert (found.kind, found.target, found.latency_us) == ("simulated", "tflm", None)
    assert found.memory_bytes == found.raw["tflm_arena_bytes_x86_64"] == 20_528
    assert found.raw["estimate"]["kind"] == "estimated"
    assert BenchmarkResult.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_every_operator_is_compared(found):
    operators = found.raw["operators"]
    assert [each["operator"] for each in operators] == [
        *["CONV_2D"] * 6, "ADD", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX",
    ]  # fmt: skip
    assert operators[0]["outputs"] == 2 * 28 * 28 * 16
    assert all(each["equal"] == each["outputs"] for each in operators[:9])


def test_the_arena_is_split_and_its_overhead_adds_up(found):
    record, over = found.raw["record"], found.raw["overhead_64_bit"]
    assert (record["non_persistent"], record["persistent"]) == (15_680, 4_848)
    parts = sum(value for name, value in over.items() if name != "total")
    assert over["total"] == parts == 20_528 - found.raw["estimate"]["reference"]["arena_bytes"]
    assert over["tensors"] == 29 * (24 - 12)  # TfLiteEvalTensor: two pointers and a type
    assert found.raw["unexplained_bytes"] == {"persistent": 0, "non_persistent": 0}


def test_differences_are_found_where_they_arise(worker, monkeypatch):
    """The failing direction: one interpreter is given another model of the same shapes."""
    model = read_model(FAMILIES["thin_deep"]())
    weights = next(t for t in model.main.tensors if t.constant and t.dtype == "INT8")
    place = model.content.index(weights.data.tobytes())
    changed = bytearray(model.content)
    changed[place] ^= 0x40
    honest = worker.tensors

    def swapped(interpreter, content, inputs, indices):
        given = bytes(changed) if interpreter == "tflm" else content
        return honest(interpreter, given, inputs, indices)

    monkeypatch.setattr(worker, "tensors", swapped)
    shape = model.main.tensors[model.main.inputs[0]].shape
    inputs = [np.random.default_rng(0).integers(-128, 128, (1, *shape), dtype=np.int8)]
    operators, _ = compare_operators(worker, model, inputs)
    wrong = [each for each in operators if each["equal"] < each["outputs"]]
    assert wrong[0]["inputs_equal"]
    assert not wrong[1]["inputs_equal"]
    assert verdict(operators)["state"] == "doubtful"


def test_the_worker_is_started_again_only_after_it_has_died():
    """TFLM ends the process in an arena that does not even hold its own objects."""
    with Worker() as one:
        assert one.fits(TINY.read_bytes(), 1 << 16)
        assert not one.fits(TINY.read_bytes(), 1500)  # refused: 2,144 are needed
        assert one.fits(TINY.read_bytes(), 1 << 16)
        assert one.starts == 1
        with pytest.raises(WorkerDiedError, match=r"ended by.* is damaged"):
            one.ask("fits", TINY.read_bytes(), arena_bytes=64)
        assert one.fits(TINY.read_bytes(), 1 << 16)
        assert one.starts == 2


def test_a_worker_that_does_not_answer_is_ended():
    with Worker(limit_s=0.0) as one, pytest.raises(WorkerDiedError, match="did not answer within"):
        one.ask("fits", TINY.read_bytes(), arena_bytes=1 << 16)


def test_an_interpreter_s_refusal_is_an_answer(worker):
    builder = ModelBuilder()
    x, y = (builder.tensor([1, 4], 0.1, 0) for _ in range(2))
    builder.operator("RANK", [x], [y])
    before = worker.starts
    with pytest.raises((WorkerAnswerError, WorkerDiedError)):
        worker.record(builder.finish([x], [y]), 1 << 16)
    assert worker.fits(TINY.read_bytes(), 1 << 16)
    assert worker.starts <= before + 2


def test_a_float_model_is_refused_in_a_sentence(tmp_path):
    builder = ModelBuilder()
    x, y = (builder.tensor([1, 4], 0.1, 0) for _ in range(2))
    builder.tensors[x].type = 0
    builder.operator("QUANTIZE", [x], [y])
    path = tmp_path / "float.tflite"
    path.write_bytes(builder.finish([x], [y]))
    with pytest.raises(BenchmarkError, match="not full INT8: Operator 0"):
        TflmTarget().run(path, BenchmarkRequest())


def test_the_commands_take_a_foreign_file(tmp_path, capsys):
    assert main(["benchmark", str(TINY), "--target", "tflm"]) == 0
    said = capsys.readouterr().out
    assert "arena on a 32-bit target, estimated" in said
    assert "0 CONV_2D" in said
    out = tmp_path / "sources"
    assert main(["bundle", str(TINY), "--mcu", "tflm", "--out", str(out), "--strip"]) == 0
    assert "were taken out" in (out / "README.md").read_text()
    assert (out / "op_resolver.h").is_file()
    assert main(["bundle", str(TINY), "--mcu", "c", "--out", str(tmp_path / "c")]) == 0
    assert (tmp_path / "c" / "network.c").is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["bundle", str(TINY), "--mcu", "tflm"], 2, "give --out FOLDER"),
        (["bundle", str(TINY)], 2, "does not take a single model"),
        (
            ["bundle", str(TINY), "--mcu", "ethos-u55-128", "--out", "x"],
            2,
            f"benchmark {TINY} --target ethos-u55-128 --out FOLDER` writes the compiled model",
        ),
        (["benchmark", "no.tflite", "--target", "tflm"], 2, "does not exist"),
        (["bundle", "run", "--mcu", "tflm", "--out", "x"], 2, "--out is for a single .tflite"),
        (["bundle", "run", "--strip"], 2, "goes with --mcu tflm"),
    ],
)
def test_wrong_use_is_explained(words, code, said, capsys):
    assert main(words) == code
    assert said in capsys.readouterr().err


def test_results_do_not_go_into_a_bundle(tmp_path, capsys):
    model = tmp_path / "student_int8.tflite"
    model.write_bytes(TINY.read_bytes())
    (tmp_path / "manifest.json").write_text("{}")
    assert main(["benchmark", str(model), "--target", "tflm"]) == 2
    assert "give --out FOLDER" in capsys.readouterr().err
    assert not (tmp_path / "targets").exists()


def test_the_page_shows_the_arenas_and_the_operators(tmp_path, found):
    run = write_run(tmp_path / "run", now=settings())
    write_target(run, "tflm", found.to_dict())
    facts = collect(run)
    assert facts["microcontrollers"] == []
    section = microcontrollers.render([Report("run", run, facts)])
    assert "20,528" in section.html
    assert f"{found.raw['estimate']['cmsis_nn']['arena_bytes']:,}" in section.html
    assert section.html.count(">DEPTHWISE_CONV_2D<") == 1
    assert "Simulated: TensorFlow Lite Micro" in section.html
    figures = {line["figure"] for line in facts["reproduce"]}
    assert "simulated operators and arena in TensorFlow Lite Micro" in figures


def test_damage_is_an_error_before_an_interpreter_sees_it(tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(REFERENCE.read_bytes()[:3000])
    with pytest.raises(BenchmarkError, match="damaged"):
        TflmTarget().run(path, BenchmarkRequest())
    with pytest.raises(ModelError):
        read_model(path)
