"""What deployed files cost: ratios worked by hand, real files, and the record."""

import hashlib
import json
import sys

import pytest

from hintlite.benchmarks.dev import deployed_speed
from tests.deploy_models import chain_float32, chain_int8


def test_speed_ups_are_medians_of_the_rounds_with_their_extremes():
    first, second = deployed_speed.speed_ups([(100.0, 200.0, 300.0), (50.0, 50.0, 50.0)])
    assert first == {"median": 1.0, "low": 1.0, "high": 1.0}
    assert second == {"median": 4.0, "low": 2.0, "high": 6.0}


def test_rounds_that_are_missing_are_no_ratio():
    with pytest.raises(ValueError, match="shorter"):
        deployed_speed.speed_ups([(1.0, 2.0), (1.0,)])


def test_the_command_measures_files_and_keeps_the_figures(tmp_path, monkeypatch, capsys):
    models = []
    for name, content in (("float.tflite", chain_float32()), ("int8.tflite", chain_int8())):
        path = tmp_path / name
        path.write_bytes(content)
        models.append(path)
    out = tmp_path / "speed.json"
    monkeypatch.setattr(deployed_speed, "TURN_S", 0.0)
    words = ["deployed_speed", *map(str, models), "--rounds", "2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    deployed_speed.main()
    record = json.loads(out.read_text())
    exact, integer = record["rows"]
    assert [exact["file"], exact["precision"]] == [str(models[0]), "float32"]
    assert integer["sha256"] == hashlib.sha256(chain_int8()).hexdigest()
    assert exact["speed_up"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    assert [integer["bytes"], integer["precision"]] == [models[1].stat().st_size, "int8"]
    assert exact["macs"] == integer["macs"] > 0
    assert exact["p50_us"] > 0 < integer["speed_up"]["low"] <= integer["speed_up"]["high"]
    assert "arena_bytes" not in exact
    # 64-bit pointers are wider than those of the estimate's target; both hold every activation.
    arena = integer["arena_bytes"]
    small, needed = (arena[k] for k in arena if "reference" in k)
    assert 0 < small < needed
    assert record["rounds"] == 2
    assert "int8.tflite" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.tflite"], r"missing\.tflite"),
        (["text.tflite"], r"text\.tflite"),
        (["text.tflite", "--rounds", "0"], "2"),
    ],
)
def test_bad_input_ends_in_a_sentence(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.tflite").write_text("not a model")
    monkeypatch.setattr(sys, "argv", ["deployed_speed", *words])
    with pytest.raises(SystemExit, match=said):
        deployed_speed.main()
