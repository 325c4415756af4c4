"""`hintlite quantize --explain`, on a run and on two files."""

import json
import shutil

import numpy as np
import pytest
from rich.console import Console

from hintlite.errors import DataError
from hintlite.pipeline.app.cli.grammar import parse
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.run.explanation import show, summary, worst_first
from hintlite.pipeline.app.run.folder import RunError
from hintlite.pipeline.app.run.single_file.explain import read_samples
from hintlite.pipeline.data.kept import spread

MODELS = ("teacher", "hint+kd")


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of the finished run, to be changed."""
    shutil.copytree(finished_run[1], tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def without_determinism():
    """The finished run is deterministic; the tests after these are not to inherit that."""
    yield
    from tensorflow.python.framework import config

    config.disable_op_determinism()


def test_a_run_is_explained_on_the_terminal_as_json_and_on_the_page(run, capfd):
    paths = [path for path in (run / "quantize").rglob("*") if path.is_file()]
    quantized = {path: path.read_bytes() for path in paths}
    assert main(["quantize", str(run), "--explain", "--samples", "10"]) == 0
    printed = capfd.readouterr()
    for model in MODELS:
        content = json.loads((run / "explain" / model / "explain.json").read_text())
        assert content["samples"] == 10
        assert content["finding"]["sentence"] in printed.out
        assert f"{model}, INT8" in printed.out
        kinds = [each["operator"] for each in content["operators"]]
        assert kinds[0] == "INPUT"
        assert "CONV_2D" in kinds
        assert content["agreement"]["trusted"]
    assert "SQNR: signal to quantization noise" in printed.out
    assert all(path.read_bytes() == content for path, content in quantized.items())
    assert main(["quantize", str(run), "--explain", "--samples", "10"]) == 0
    assert "explain/teacher: up to date" in capfd.readouterr().err
    assert main(["report", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert page.count('<svg role="img" aria-label="Signal to quantization noise') == len(MODELS)
    assert not list((run / "explain").glob("*.partial"))


@pytest.mark.whole
def test_new_files_make_an_explanation_outdated(run, capfd):
    words = ["quantize", str(run), "--explain", "--samples", "5"]
    assert main(words) == 0
    before = (run / "explain" / "teacher" / "stage.json").read_bytes()
    assert main(["quantize", str(run), "--data.calibration_samples", "25"]) == 0
    assert main(["report", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert "The explanation is out of date" in page
    assert "Signal to quantization noise" not in page
    assert main(words) == 0
    assert (run / "explain" / "teacher" / "stage.json").read_bytes() != before


def test_two_files_are_explained(run, tmp_path, capfd):
    with np.load(run / "bundle" / "device" / "samples.npz", allow_pickle=False) as file:
        raw = file["inputs"]
    np.savez(tmp_path / "x.npz", x=(raw / 16).astype(np.float32), y=np.arange(len(raw)) % 10)
    folder = run / "quantize" / "hint+kd"
    pair = [str(folder / f"student_{precision}.tflite") for precision in ("float32", "int8")]
    words = ["quantize", *pair, "--explain", "--samples", str(tmp_path / "x.npz")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    content = json.loads((tmp_path / "out" / "student_int8.explain.json").read_text())
    assert content["samples"] == len(raw)
    assert content["labelled"]
    assert content["finding"]["sentence"] in capfd.readouterr().out
    assert main(["quantize", pair[0], str(tmp_path / "no.tflite"), *words[3:]]) == 2
    assert "no.tflite" in capfd.readouterr().err
    (tmp_path / "bad.tflite").write_bytes((folder / "student_int8.tflite").read_bytes()[:900])
    assert main(["quantize", pair[0], str(tmp_path / "bad.tflite"), *words[3:]]) == 2
    error = capfd.readouterr().err
    assert "damaged" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs/x", "--samples", "5"], "goes with --explain"),
        (["runs/x", "int8.tflite"], "goes with --explain"),
        (["runs/x", "int8.tflite", "--explain"], "give a run, or two"),
        (["runs/x", "--explain", "--samples", "0"], "1 or more; got 0"),
        (["runs/x", "--explain", "--samples", "many"], "1 or more; got many"),
        (["float.tflite", "--explain"], "FLOAT.tflite INT8.tflite --explain --samples"),
        (["float.tflite", "int8.tflite", "--explain"], "--samples SAMPLES.npz"),
        (["runs/x", "--explain", "--out", "place"], "single .tflite file"),
    ],
)
def test_wrong_use_is_explained(words, said):
    with pytest.raises(WrongUseError) as error:
        parse(["quantize", *words])
    assert said in str(error.value)


def test_samples_of_another_kind_are_refused(tmp_path):
    place = tmp_path / "s.npz"
    with pytest.raises(DataError, match=r"no such file; set --samples to an \.npz file"):
        read_samples(place)
    place.write_text("text")
    with pytest.raises(DataError, match=r"not a readable \.npz file"):
        read_samples(place)
    np.savez_compressed(place, x=np.arange(1000))
    content = place.read_bytes()
    place.write_bytes(content[:60] + bytes(100) + content[160:])
    with pytest.raises(DataError, match="array x cannot be read"):
        read_samples(place)
    np.savez(place, x=np.array([{}], object))
    with pytest.raises(DataError, match="array x cannot be read"):
        read_samples(place)
    for arrays, said in (
        ({"y": np.zeros(3, int)}, "got nothing"),
        ({"x": np.zeros((3, 8, 8, 1), np.uint8)}, "got uint8"),
        ({"x": np.full((3, 8, 8, 1), np.nan, np.float32)}, "expected x as finite"),
        ({"x": np.zeros((3, 8, 8, 1), np.float32), "y": np.zeros(2, int)}, "expected y"),
    ):
        np.savez(place, **arrays)
        with pytest.raises(RunError, match=said):
            read_samples(place)


def test_samples_are_spread_over_all():
    rows = np.arange(100, 110)
    assert spread(rows, 3).tolist() == [100, 103, 106]
    assert spread(rows, 10).tolist() == spread(rows, 99).tolist() == rows.tolist()


def entry(index, operator, points, share):
    gain = {"won": 3, "lost": 1, "points": points, "p_value": 0.5, "error_share": share}
    return {
        "index": index,
        "operator": operator,
        "layer": f"[bold]layer{index}",
        "output": {
            "sqnr_db": 31.25,
            "clipped": 0.0125,
            "range_use": 0.5,
            "widest_channel": 3,
            "channel_ratio": 1234.5,
        },
        "weights": None,
        "regained": gain if points is not None else None,
    }


def test_the_worst_operator_comes_first_and_the_table_says_what_is_unknown():
    operators = [
        entry(-1, "INPUT", 0.0, 0.01),
        entry(0, "CONV_2D", 0.0, 0.2),
        entry(1, "MAX_POOL_2D", None, None),
        entry(2, "CONV_2D", 1.5, None),
    ]
    assert [each["index"] for each in worst_first(operators)] == [2, 0, -1, 1]
    content = {
        "operators": operators,
        "finding": {"sentence": "Look at operator 2."},
        "agreement": {
            **{"same_choice": 0.99, "equal_outputs": 0.98},
            **{"largest_steps": None, "missed_error": 0.03},
        },
        "remarks": ["Nothing matched."],
        **{"samples": 1200, "labelled": False, "against": "own weights", "float_accuracy": 1.0},
        **{"int8_accuracy": 0.9, "simulated_accuracy": 0.89, "builtin_accuracy": 0.9},
    }
    console = Console(record=True, width=150)
    with console.capture() as capture:
        show(console, "mine", content, legend=True)
    text = capture.get()
    lines = [line.split() for line in text.splitlines() if "[bold]layer" in line]
    assert lines[0] == [
        *("2", "CONV_2D", "[bold]layer2", "31.2", "1.25%", "50%", "1,234.5", "-"),
        *("+1.50", "3", "1", "-"),
    ]
    assert lines[3][-4:] == ["-"] * 4
    assert "Look at operator 2." in text
    assert "share of the float file's choices: float 100.00%" in text
    assert "Nothing matched." in text
    assert "against the file's own weights" in text
    assert "INT8 90.00%, INT8 simulated" in text
    told = " ".join(summary(content | {"builtin_accuracy": 0.875}))
    assert "INT8 90.00% (with XNNPACK, as in every table; 87.50% with LiteRT's" in told
