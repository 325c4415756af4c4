"""hintlite fit: limits, the gate's exit codes, what sets the peak, and the proposals."""

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from report_run import write_run

from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.models.settings import MaxoutLayer, NetworkConfig
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.fit.fit import _flags
from hintlite.pipeline.app.fit.int8_shape import sketch
from hintlite.pipeline.app.fit.limits import (
    COUNTS,
    UNITS,
    Costs,
    LimitError,
    Limits,
    amount,
    arena_bytes,
    costs_of,
    excess,
)
from hintlite.pipeline.app.fit.memory_picture import text_picture
from hintlite.pipeline.app.fit.smaller import smallest_changes
from hintlite.pipeline.app.fit.subject import converted, measure_with, subject_of

REFERENCE = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"
STUDENT = NetworkConfig(widths=(8, 12), depths=(3, 3))
SHAPE, CLASSES = (16, 16, 1), 4


@pytest.mark.parametrize(
    ("text", "units", "value"),
    [
        ("256k", UNITS, 262_144),
        ("256KB", UNITS, 262_144),
        ("1.5 MiB", UNITS, 1_572_864),
        ("4096", UNITS, 4096),
        ("5M", COUNTS, 5_000_000),
    ],
)
def test_amounts(text, units, value):
    assert amount("--x", text, units) == value


@pytest.mark.parametrize("text", ["", "k", "-4k", "4q", "1e3", "4 k k", "0x10"])
def test_what_is_no_amount_says_what_would_be(text):
    with pytest.raises(LimitError, match=r"--ram must be a number .*\(k = 1,024"):
        amount("--ram", text, UNITS)


def test_excess_names_each_limit_that_is_broken():
    costs = Costs(flash_bytes=100, arena_bytes=50, ram_bytes=60, macs=10, parameters=1)
    assert excess(costs, Limits(100, 60, 50, 10)) == {}
    assert excess(costs, Limits(99, 50, 49, 9)) == {
        "flash": 1,
        "RAM": 10,
        "arena in one block of RAM": 1,
        "MACs": 1,
    }
    assert excess(costs, Limits()) == {}


def fit(capsys, *words):
    code = main(["fit", *map(str, words)])
    return code, capsys.readouterr()


def test_a_foreign_file_that_fits(capsys):
    code, said = fit(capsys, REFERENCE, "--board", "nano33ble")
    assert code == 0
    assert "it fits" in said.out
    assert "full INT8: every operator" in said.out
    assert "983,040" in said.out
    assert "source: Arduino ABX00030" in said.out


def test_one_that_does_not_says_by_how_much_and_what_sets_the_peak(capsys):
    ram = arena_bytes(read_model(REFERENCE)) + 2048 - 1
    code, said = fit(capsys, REFERENCE, "--ram", ram, "--flash", 48_727)
    assert code == 1
    assert "it does not fit: flash by 1, RAM by 1" in said.out
    # 28x28x16 + 14x14x16 bytes, and im2col columns of the second convolution: 576 bytes.
    assert "with CMSIS-NN's kernels (vector extension): 16,256 bytes planned as TFLM" in said.out
    assert "the peak is 16,256 bytes, live at operator 1 (CONV_2D)" in said.out
    assert "scratch of CONV_2D" in said.out
    assert "of a single file the student is not known" in said.out
    assert fit(capsys, REFERENCE, "--ram", ram + 1, "--flash", 48_728)[0] == 0


def test_runtime_code_and_stack_are_counted_as_given(capsys):
    words = (REFERENCE, "--flash", 60_000, "--ram", 20_000)
    assert fit(capsys, *words, "--runtime_ram", 0)[0] == 0
    assert fit(capsys, *words, "--runtime_ram", 500)[0] == 1
    code, said = fit(capsys, *words, "--runtime_ram", 0, "--runtime_flash", "94500")
    assert code == 1
    assert "94,500 bytes of code as given" in said.out


def test_a_file_that_is_not_full_int8_says_so(capsys, tmp_path):
    from deploy_models import chain_float32

    path = tmp_path / "float.tflite"
    path.write_bytes(chain_float32())
    _, said = fit(capsys, path, "--flash", "1M")
    assert "not full INT8: Operator 0" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((REFERENCE,), "nothing to fit into"),
        ((REFERENCE, "--board", "nano33bel"), "did you mean nano33ble"),
        ((REFERENCE, "--ram", "64q"), "--ram must be a number"),
        ((REFERENCE, "--boards", "x.yaml"), "name one of them with --board"),
        ((REFERENCE, "--board", "pico", "--boards", "none.yaml"), "cannot be read"),
        (("none.tflite", "--ram", "64k"), "is not a run folder"),
        ((REFERENCE, "--ram", "64k", "--json", "--confirm"), "leave --json or --confirm out"),
        ((REFERENCE, "--rom", "64k"), "--ram"),
    ],
)
def test_wrong_use_is_2(capsys, words, said):
    code, output = fit(capsys, *words)
    assert code == 2
    assert said in output.err


def test_a_damaged_file_is_a_sentence(capsys, tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(REFERENCE.read_bytes()[:20_000])
    code, said = fit(capsys, path, "--ram", "64k")
    assert code == 2
    assert "is damaged" in said.err


def test_json_holds_lifetimes_and_offsets(capsys):
    code, said = fit(capsys, REFERENCE, "--ram", "64k", "--json")
    found = json.loads(said.out)
    assert code == 0
    assert found["fits"]
    buffers = found["activations"]["buffers"]
    assert found["activations"]["greedy_bytes"] == max(
        each["offset"] + -(-each["size_bytes"] // 16) * 16 for each in buffers
    )
    live = [b["size_bytes"] for b in buffers if b["first"] <= 2 <= b["last"]]
    assert found["activations"]["bytes_by_step"][2] == sum(live) == 15_680 + 576


def test_the_svg_shows_steps_and_tensors(capsys, tmp_path):
    path = tmp_path / "memory.svg"
    for _ in range(2):
        fit(capsys, REFERENCE, "--ram", "64k", "--svg", path)
        first = path.read_text()
    fit(capsys, REFERENCE, "--ram", "64k", "--svg", path)
    assert path.read_text() == first
    assert "DEPTHWISE_CONV_2D" in first
    assert "most live, 16,256 bytes" in first


def test_the_terminal_picture_by_hand():
    from hintlite.deploy.tflite.buffers import Buffer
    from hintlite.deploy.tflite.lifetimes import Lifetimes
    from hintlite.deploy.tflite.planner import greedy_plan

    found = Lifetimes(("input", "A", "B"), (Buffer("x", 96, 0, 1), Buffer("y", 96, 1, 2)))
    lines = text_picture(found, greedy_plan(found))
    # Of equal sizes TFLM places the one that was added last first, at the bottom.
    assert lines[0].split("|")[1] == " A A ."
    assert lines[11].split("|")[1] == " . B B"
    assert lines[0].split("|")[0].strip() == "176"
    assert lines[-1].index("^") == lines[-2].index("-") + 3  # under step 1, the second column


def measure(limits):
    def of(config):
        model = sketch(config, SHAPE, CLASSES)
        return costs_of(model, 1000, limits)

    return of


def propose(config, limits):
    of = measure(limits)
    return of(config), smallest_changes(config, of, lambda costs: not excess(costs, limits))


def test_proposals_fit_are_ordered_and_are_the_first_that_fit():
    limits = Limits(ram_bytes=6000, runtime_ram=0)
    old, changes = propose(STUDENT, limits)
    assert excess(old, limits)
    assert [change.size for change in changes] == sorted(change.size for change in changes)
    kinds = {change.kind: change for change in changes}
    assert {"narrower", "stage 1 narrower", "larger stride"} <= set(kinds)
    assert all(not excess(change.costs, limits) for change in changes)
    width = kinds["stage 1 narrower"].config.widths[0]
    wider = replace(STUDENT, widths=(width + 1, STUDENT.widths[1]))
    assert excess(measure(limits)(wider), limits)  # one channel more does not fit
    assert kinds["larger stride"].config.first_stride == 2


def test_fewer_layers_help_where_parameters_are_too_many():
    limits = Limits(macs=400_000)
    old, changes = propose(STUDENT, limits)
    kinds = {change.kind: change for change in changes}
    assert kinds["shallower"].config.depths == (2, 3)
    share = 1 - kinds["shallower"].costs.macs / old.macs
    assert kinds["shallower"].lost_macs == pytest.approx(share)


def test_nothing_is_proposed_where_nothing_fits():
    assert propose(STUDENT, Limits(ram_bytes=500, runtime_ram=0))[1] == []


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        (NetworkConfig(family="resnet8").resolved(), {"narrower", "larger stride"}),
        (NetworkConfig(family="ds_cnn").resolved(), {"narrower", "larger stride"}),
        (
            NetworkConfig(
                family="fitnet",
                layers=(MaxoutLayer(8), MaxoutLayer(8), MaxoutLayer(8, pool=2)),
                fc_units=20,
            ),
            {"narrower"},
        ),
    ],
)
def test_every_family_has_its_ways(config, kinds):
    old = measure(Limits())(config)
    _, changes = propose(config, Limits(macs=old.macs // 3))
    assert kinds <= {change.kind for change in changes}


def test_a_proposal_converts_to_what_was_computed(tmp_path):
    """The untrained network of a proposal has the arena, MACs and parameters of its drawing."""
    limits = Limits(ram_bytes=5000, runtime_ram=0)
    _, changes = propose(STUDENT, limits)
    model = converted(changes[0].config, SHAPE, CLASSES)
    found = costs_of(model, 1000, limits)
    assert found == changes[0].costs
    drawn = sketch(changes[0].config, SHAPE, CLASSES)
    subject = replace(subject_of(REFERENCE), input_shape=SHAPE, classes=CLASSES, drawn=True)
    estimate = measure_with(subject, limits)(changes[0].config).flash_bytes
    assert estimate == pytest.approx(len(model.content), rel=0.15)
    assert len(drawn.main.operators) == len(model.main.operators)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"widths": (9, 9), "depths": (3, 3), "times_fewer": 10.0},
            {"--student.widths", "--student.times_fewer", "null"},
        ),
        ({"preset": "ds_cnn"}, {"--student.preset", "--student.depths", "--student.widths"}),
    ],
)
def test_flags_undo_factors_and_presets(given, words):
    """What is printed is settings that the parser takes: a preset allows no widths beside it."""
    change = propose(STUDENT, Limits(macs=400_000))[1][0]
    subject = replace(subject_of(REFERENCE), student=STUDENT, given=NetworkConfig(**given))
    flags = shlex.split(_flags(change, subject))
    assert words <= set(flags)
    pairs = zip(flags[::2], flags[1::2], strict=True)
    changed = {word.removeprefix("--student."): yaml.safe_load(value) for word, value in pairs}
    changed = {k: tuple(v) if isinstance(v, list) else v for k, v in changed.items()}
    assert replace(NetworkConfig(**given), **changed).resolved() == change.config


SETTINGS = {
    "data": {"source": "digits"},
    "teacher": {"widths": [6, 8], "depths": [1, 1]},
    "student": {"widths": [8, 16], "depths": [2, 2], "times_fewer": None},
}


def test_settings_that_were_never_run(capsys, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(SETTINGS))
    code, said = fit(capsys, path, "--ram", "2.5k", "--runtime_ram", "0")
    assert code == 1
    assert "not trained yet" in said.out
    assert "--student.widths" in said.out
    assert fit(capsys, path, "--ram", "64k")[0] == 0


def test_a_run_uses_its_file_and_flags_that_can_be_given_back(capsys, tmp_path):
    run = write_run(tmp_path / "run")
    (run / "settings.yaml").write_text(yaml.safe_dump({**SETTINGS, "arms": ["scratch"]}))
    model = converted(NetworkConfig(widths=(8, 16), depths=(2, 2)), (8, 8, 1), 3)
    for place in (run / "bundle" / "device", run / "quantize" / "scratch"):
        (place / "student_int8.tflite").write_bytes(model.content)
    words = (run, "--macs", "50k", "--ram", "64k", "--confirm")
    code, said = fit(capsys, *words)
    assert code == 1
    assert f"{run / 'bundle/device/student_int8.tflite'}: {len(model.content):,} bytes" in said.out
    assert "it does not fit: MACs by" in said.out
    assert "1. flash" in said.out.split("converted with random weights:")[1]
    assert "it does not fit" not in said.out.split("converted with random weights:")[1]
    flags = [line.strip() for line in said.out.splitlines() if line.strip().startswith("--student")]
    assert flags
    other = {**SETTINGS, "arms": ["scratch"], "student": {**SETTINGS["student"], "widths": [8, 17]}}
    (run / "settings.yaml").write_text(yaml.safe_dump(other))
    code, said = fit(capsys, *words)
    assert code == 2
    assert "made with other settings" in said.err
    shutil.rmtree(run)


def test_a_recurrent_student_is_read_from_its_file_alone_and_says_why(capsys, tmp_path):
    import numpy as np

    x = np.random.default_rng(0).normal(size=(30, 16, 2)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(30) % 2)
    config = {
        "data": {"source": "npz", "path": str(tmp_path / "x.npz"), "kind": "series"},
        "student": {"family": "conv_lstm", "widths": [4], "depths": [1], "times_fewer": None},
    }
    place = tmp_path / "mine.yaml"
    place.write_text(yaml.safe_dump(config))
    assert main(["fit", str(place), "--board", "nano33ble"]) == 2
    said = capsys.readouterr().err
    assert "its recurrent layer are known of the converted file alone" in said
    assert f"`hintlite run RUN --config {place}` makes the file" in said
