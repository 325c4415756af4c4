"""What the ways of quantizing are worth: the table, the settings, and the spoiled network."""

import hashlib
import json

import numpy as np
import pytest

from hintlite.benchmarks.dev import quantization_methods as methods
from hintlite.benchmarks.dev.quantization_table import table, won_back
from hintlite.errors import HintliteError
from hintlite.pipeline.app.cli.grammar import parse
from hintlite.pipeline.app.run.stages.post_training import UNCHANGED
from hintlite.pipeline.app.settings.text import config_from, settings_text
from hintlite.pipeline.runs.layout import SETTINGS


def entry(percent, size):
    return {"accuracy": percent / 100, "bytes": size}


def record(seed, exact, calibrated, tuned):
    qat = {"float32": entry(exact, 4000), "int8_ptq": entry(calibrated, 1000)}
    qat |= {"int8": entry(tuned - 1, 1100), "float32_control": entry(exact + 0.5, 4000)}
    return {
        "seed": seed,
        "methods": {
            "qat": {"test": qat},
            "qat+kd": {"test": qat | {"int8": entry(tuned, 1100)}},
            "ptq+equalization": {"test": {"int8": entry(calibrated, 1000)}},
            "mixed": {"refused": "no file is small enough"},
        },
    }


def test_the_table_has_means_spreads_and_losses():
    text = table({"hard": [record(0, 90, 80, 89), record(1, 92, 84, 91)]})
    # Worked by hand: the deviation of two values is their distance over the square root of 2.
    assert "| hard | float | 91.00 ± 1.41 % |  | 4,000 |" in text
    assert "|  | PTQ | 82.00 ± 2.83 % | 9.00 ± 1.41 | 1,000 |" in text
    assert "|  | QAT | 89.00 ± 1.41 % | 2.00 ± 0.00 | 1,100 |" in text
    assert "|  | QAT + KD | 90.00 ± 1.41 % | 1.00 ± 0.00 | 1,100 |" in text
    assert "|  | float, trained on as long | 91.50 ± 1.41 % | -0.50 ± 0.00 | 4,000 |" in text
    assert "| mixed | refused | | |" in text
    assert "- hard, mixed, seed 1: no file is small enough" in text
    assert "- hard: PTQ loses 9.00 points; QAT + KD wins back 89% of them." in text


def test_an_easy_case_has_nothing_to_win_back():
    easy = [record(0, 90, 89.5, 90), record(1, 90, 89.2, 90)]
    assert won_back(easy) is None
    assert "wins back" not in table({"easy": easy})
    assert won_back([record(0, 90, 88, 90.5)]) == pytest.approx(1.25)
    assert won_back([record(0, 90, 88, 87)]) == pytest.approx(-0.5)


def test_a_seed_that_is_missing_is_counted_and_proves_nothing():
    half = record(1, 92, 84, 91)
    del half["methods"]["qat+kd"]
    both = [record(0, 90, 80, 89), half]
    assert "|  | QAT + KD | 89.00 % (1 of 2 seeds) | 1.00 | 1,100 |" in table({"case": both})
    assert won_back(both) is None


def test_settings_are_changed_where_named_and_nowhere_else():
    settings = {"data": {"source": "digits", "limit": 5}, "arms": ["kd"]}
    assert methods.merged(settings, {"data": {"limit": 9}, "seed": 2}) == {
        "data": {"source": "digits", "limit": 9},
        "arms": ["kd"],
        "seed": 2,
    }
    assert settings["data"]["limit"] == 5


@pytest.mark.whole
@pytest.mark.parametrize("case", methods.CASES)
def test_every_method_is_a_command_that_hintlite_takes(tmp_path, case):
    bench = methods.Bench(tmp_path, tmp_path / "out", 100.0, quick=False, jobs=1)
    settings = bench.settings(methods.Piece(case, 2))
    (tmp_path / SETTINGS).write_text(settings_text(config_from(settings)))
    # "mixed" comes last: what it has changed is put back by every other method.
    for method in ("mixed", *methods.CASES[case].methods):
        changed = methods.PLAIN | methods.METHODS[method] | dict(methods.CASES[case].flags)
        words = [word for key, value in changed.items() for word in (f"--{key}", value)]
        config = parse(["quantize", str(tmp_path), *words]).config
        assert config is not None
        assert (config.seed, config.teacher_seed) == (2, 0)
        assert (config.quantize.min_agreement, config.quantize.max_accuracy_drop) == (0, 100)
        assert config.quantize.max_drop == (0.3 if method == "mixed" else 0.5)
        assert config.quantize.equalize == (method == "ptq+equalization")
        assert config.qat.control == (method != "qat+kd" or case == "thin_deep")
        soft = {"qat": "never", "qat+kd": "always"}
        assert config.qat.soft_targets == soft.get(method, "as_arm")
        (tmp_path / SETTINGS).write_text(settings_text(config))


def test_a_record_made_under_other_conditions_does_not_count(tmp_path):
    piece = methods.Piece("ds_cnn", 0)
    bench = methods.Bench(tmp_path, tmp_path, 100.0, quick=False, jobs=1)
    assert bench.missing(piece) == list(methods.METHODS)
    known = bench._record(piece)
    known["methods"]["qat"] = {"test": {}}
    (tmp_path / "ds_cnn-0.json").write_text(json.dumps(known))
    assert bench.missing(piece) == ["qat+kd", "ptq+equalization", "mixed"]
    known["versions"]["keras"] = "0.1"
    (tmp_path / "ds_cnn-0.json").write_text(json.dumps(known))
    assert bench.missing(piece) == list(methods.METHODS)


def test_a_command_that_fails_says_why(tmp_path):
    with pytest.raises(methods.CommandError, match="is not a run folder"):
        methods.run(["-m", "hintlite", "evaluate", str(tmp_path)], threads=1)


@pytest.mark.parametrize(
    ("said", "is_outcome"),
    [
        ("No mixed file that is smaller than the float one stays within 0.3 points", True),
        ("the mixed file of 'kd' is not good enough:\n  it is wrong", True),
        ("no room left to write: No space left on device", False),
    ],
)
def test_a_refusal_is_an_outcome_and_a_failure_is_none(tmp_path, monkeypatch, said, is_outcome):
    def failing(words, threads):
        raise methods.CommandError(said)

    monkeypatch.setattr(methods, "run", failing)
    monkeypatch.setattr(methods.Bench, "_student", lambda self, piece, place: {})
    bench = methods.Bench(tmp_path, tmp_path, 100.0, quick=False, jobs=1)
    piece = methods.Piece("ds_cnn", 0)
    failures = bench.measure(piece)
    assert len(failures) == (0 if is_outcome else len(methods.METHODS))
    assert bench.missing(piece) == ([] if is_outcome else list(methods.METHODS))


@pytest.fixture(scope="module")
def maxout_network():
    import keras

    from hintlite.models.settings import MaxoutLayer, NetworkConfig
    from hintlite.models.student import build_student
    from hintlite.models.taps import logits_only

    keras.utils.set_random_seed(3)
    layers = (MaxoutLayer(4, pool=2), MaxoutLayer(5, pool=2), MaxoutLayer(4))
    network = logits_only(
        build_student(NetworkConfig(family="fitnet", layers=layers), (8, 8, 1), 3)
    )
    for layer in network.layers:  # biases begin at 0, where a wrong factor would not show
        if isinstance(layer, keras.layers.Conv2D):
            layer.bias.assign(np.linspace(-0.3, 0.5, layer.filters))
    return network


def _maps(network, layer, images):
    import keras

    return np.asarray(keras.Model(network.inputs, network.get_layer(layer).output)(images))


def test_a_spoiled_network_computes_the_same_with_one_wide_channel(maxout_network):
    from hintlite.benchmarks.dev import quantization_spoiler as spoiler

    images = np.random.default_rng(0).random((6, 8, 8, 1), dtype=np.float32)
    changed = spoiler.spoiled(maxout_network, "layer2_maxout", 1, 100.0)
    exact, after = (np.asarray(each(images)) for each in (maxout_network, changed))
    assert spoiler.difference(exact, after) < 1e-5
    before, spoiled = (_maps(each, "layer2_maxout", images) for each in (maxout_network, changed))
    factors = np.full(5, 1.0)
    factors[1] = 100.0
    np.testing.assert_allclose(spoiled, before * factors, rtol=1e-4, atol=1e-5)


def test_a_factor_on_one_side_alone_is_seen(maxout_network):
    from hintlite.benchmarks.dev import quantization_spoiler as spoiler

    images = np.random.default_rng(0).random((6, 8, 8, 1), dtype=np.float32)
    changed = spoiler.spoiled(maxout_network, "layer2_maxout", 1, 100.0)
    whole = maxout_network.get_layer("layer3_piece1").get_weights()
    changed.get_layer("layer3_piece1").set_weights(whole)
    exact, after = (np.asarray(each(images)) for each in (maxout_network, changed))
    assert spoiler.difference(exact, after) > UNCHANGED


def test_what_would_change_the_network_is_refused(maxout_network):
    from hintlite.benchmarks.dev import quantization_spoiler as spoiler

    with pytest.raises(HintliteError, match="above 0"):
        spoiler.spoiled(maxout_network, "layer2_maxout", 1, -2.0)
    with pytest.raises(HintliteError, match="one Maximum called 'layer9'"):
        spoiler.spoiled(maxout_network, "layer9", 1, 2.0)


def test_the_table_says_how_many_pairs_were_equalized_and_a_refusal_hides_no_other_figure():
    def file(accuracy):
        return {"accuracy": accuracy, "bytes": 100}

    test = {"float32": file(0.9), "int8_ptq": file(0.89), "int8": file(0.895)}
    record = {
        "seed": 0,
        "methods": {
            "qat": {"refused": "a bound"},
            "qat+kd": {"test": test},
            "ptq+equalization": {
                "test": {"int8": file(0.89)},
                "equalized": {"pairs": 9, "done": 0},
            },
        },
    }
    text = table({"net": [record]})
    assert "| net | float | 90.00 % |" in text
    assert "| QAT | refused | | |" in text
    assert "- net: 0 of 9 pairs of layers were equalized; between the others stands a ReLU6" in text
    assert "- net, QAT, seed 0: a bound" in text


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def quantized(tmp_path):
    """A run folder's files, as `quantize` and `evaluate` leave them."""
    scores = {"accuracy": 0.75, "correct": 3, "total": 4, "low": 0.2, "high": 0.9}
    figures = {f"{model}:int8": scores for model in ("teacher", "kd", "hint+kd")}
    write_json(tmp_path / "evaluate/metrics.json", figures)
    place = tmp_path / "quantize/kd"
    qat = {"validation_accuracy": 0.8, "best_epoch": 2, "agreement": 1.0}
    report = {"figures": {"int8": 0.7}, "qat": qat | {"max_difference_steps": 3, "files": []}}
    write_json(place / "verify.json", report)
    (place / "student_int8.tflite").write_bytes(b"a file")
    return tmp_path


def test_the_outcome_is_the_arm_s_own_with_the_hash_of_its_file(quantized):
    found = methods.outcome(quantized, "kd")
    assert found["test"] == {
        "int8": {"accuracy": 0.75, "correct": 3, "total": 4, "bytes": 6}
        | {"sha256": hashlib.sha256(b"a file").hexdigest()}
    }
    assert found["validation"] == {"int8": 0.7}
    assert found["qat"] == {
        "validation_accuracy": 0.8,
        "best_epoch": 2,
        "agreement": 1.0,
        "max_difference_steps": 3,
    }
    assert "equalized" not in found
    assert "mixed" not in found


def test_the_outcome_counts_what_was_equalized_and_how_operators_are_kept(quantized):
    place = quantized / "quantize/kd"
    pairs = [{"skipped": "a ReLU6"}, {"skipped": None}, {"skipped": None}]
    write_json(place / "equalize.json", {"pairs": pairs})
    choice = [{"precision": name} for name in ("int8", "float32", "int8")]
    write_json(place / "mixed.json", {"choice": choice})
    found = methods.outcome(quantized, "kd")
    assert found["equalized"] == {"pairs": 3, "done": 2}
    assert found["mixed"] == {"float32": 1, "int8": 2}


def test_a_teacher_that_fails_stops_its_own_students_alone(tmp_path, monkeypatch):
    measured = []

    def train(bench, piece):
        if piece.case.teacher == "teacher_20000":
            raise methods.CommandError("no images")
        return 1.0

    def measure(bench, piece):
        measured.append((piece.name, piece.seed))
        return ["too slow"] if piece.seed == 1 else []

    monkeypatch.setattr(methods.Bench, "train_teacher", train)
    monkeypatch.setattr(methods.Bench, "measure", measure)
    bench = methods.Bench(tmp_path, tmp_path, 100.0, quick=False, jobs=2)
    pieces = [methods.Piece(name, seed) for seed in (0, 1) for name in ("ds_cnn", "thin_deep")]
    failures = methods.carry_out(bench, pieces, 2)
    assert sorted(failures) == ["teacher_20000: no images", "too slow"]
    assert sorted(measured) == [("thin_deep", 0), ("thin_deep", 1)]
