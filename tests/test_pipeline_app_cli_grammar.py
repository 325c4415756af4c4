"""The command line's grammar: settings, typos, stored settings."""

import contextlib
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.app.cli.grammar import COMMANDS, _grammar, parse
from hintlite.pipeline.app.cli.main import COMMANDS as WORK
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.cli.words import in_full
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.run.options.stages import SHORT, STAGES
from hintlite.pipeline.app.settings.text import config_from, settings_text
from hintlite.pipeline.runs.layout import SETTINGS
from hintlite.pipeline.settings.data import DataConfig
from hintlite.pipeline.settings.run import RunConfig


def test_flags_become_settings():
    command = parse(
        [
            "run",
            "runs/x",
            "--data",
            "digits",
            "--training.epochs",
            "3",
            "--arms",
            "[kd]",
            "--seed=4",
        ]
    )
    assert command.name == "run"
    assert command.options["run"] == "runs/x"
    assert command.config.training.epochs == 3
    assert command.config.arms == ("kd",)
    assert command.config.seed == 4
    assert command.config.teacher == RunConfig().teacher


def test_dict_settings_are_written_with_dots():
    command = parse(["run", "--data=digits", "--hint.pairs.stage2=stage1"])
    assert command.config.hint.pairs == {"stage2": "stage1"}


def test_a_preset_replaces_the_default_network():
    command = parse(["run", "--data=digits", "--student.preset", "fitnet1"])
    assert command.config.student == NetworkConfig(preset="fitnet1")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["rnu"], "did you mean: run"),
        (["run", "--tranining.epochs", "3"], "did you mean: --training.epochs"),
        (["run", "--training.epoch", "3"], "did you mean: --training.epochs"),
        (["run", "--training.learning.rate", "3"], "did you mean: --training.learning_rate"),
        (["run", "--quantize.weights_bits=5"], "must be one of 8, 4; got '5'"),
        (["run", "--student.preset", "fitnet9"], "Did you mean 'fitnet4'?"),
        (["bundle", "x", "--mcu", "tfml"], "Did you mean 'tflm'?"),
        (["run", "--training.epochs", "0"], "training.epochs must be 1 or more; got 0"),
        (
            ["run", "--training.epochs", "many"],
            "training.epochs: expected a whole number, got 'many'",
        ),
        (
            ["run", "--training.clip_norm", "x"],
            "training.clip_norm: expected a number or null, got 'x'",
        ),
        (["run", "--student.widths", "4,a"], "a list, each of it a whole number, got 'a'"),
        (["run", "--epochs", "3"], "did you mean: --training.epochs or"),
        (["predict", "runs/mine"], "required: IMAGE"),
        (["report"], "required: RUN"),
        (["compare", "a"], "required: B"),
        (["run", "--arms", "[hnit]"], "no method 'hnit'; did you mean 'hint'? known: scratch"),
        (["run", "--arms", "[kd,kd]"], "names one twice"),
        (["run", "--data.source", "npz"], "needs data.path"),
        (["run", "--data.source", "cifr10"], "Did you mean 'cifar10'?"),
        (["run", "--data.validation_fraction", "0.9"], "leave nothing to train on"),
        (["run", "--deploy", "hint"], "'best' or one of the arms scratch, kd, hint+kd"),
        (["run", "--hint_member", "1"], "not one of the 1 members"),
        (["run", "--teacher.times_fewer", "3"], "no reference"),
        (["run", "--config", "/nonexistent.yaml"], "nonexistent.yaml"),
        (["teacher"], "required: RUN"),
        (["run", "--quantize.max_accuracy_drop", "150"], "counts points, 0 to 100"),
        (["bundle", "x", "--name", "digits"], "goes with --mcu c"),
        (["bundle", "x", "--mcu", "c", "--check"], "give one of them"),
        (["bundle", "x", "--phone", "--check"], "give one of them"),
        (["benchmark", "x", "--serial", "A"], "goes with --target android"),
        (["benchmark", "x", "--target", "cortex-m4", "--benchmark_model", "b"], "--target android"),
        (["benchmark", "x", "--target", "androd"], "androd"),
        ([], "{run,teacher,distill"),
        (["run"], "`hintlite run --data digits` trains on the embedded digits"),
        (["run", "runs/x", "--training.epochs", "2"], "no data are named"),
        (["run", "--data", "cifr10"], "did you mean: cifar10"),
        (["run", "--data.sorce", "digits"], "did you mean: --data.source"),
        (["run", "--training.learning-rat", "1"], "did you mean: --training.learning_rate"),
        (["compare", "a", "b", "--max-dropp", "1"], "did you mean: --max_drop"),
    ],
)
def test_wrong_use_is_explained(argv, said, capsys):
    with pytest.raises(WrongUseError, match=r"(?s).*") as error:
        parse(argv)
    assert said in str(error.value)
    assert main(argv) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_typo_in_a_settings_file_is_explained(tmp_path):
    (tmp_path / "s.yaml").write_text("training:\n  epoch: 3\n")
    with pytest.raises(WrongUseError, match=r"did you mean: training.epochs"):
        parse(["run", "--config", str(tmp_path / "s.yaml")])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training: {class_weights: balance}", "Did you mean 'balanced'?"),
        ("- 1", "expected settings, names with values"),
        ("a: [", "is no YAML"),
    ],
)
def test_what_a_settings_file_cannot_say_is_explained(tmp_path, text, said):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(WrongUseError) as error:
        parse(["run", "--config", str(tmp_path / "s.yaml")])
    assert said in str(error.value)


def test_a_word_in_place_of_a_list_is_explained(tmp_path):
    (tmp_path / "s.yaml").write_text("arms: hint+kd\n")
    with pytest.raises(WrongUseError, match=r"arms is a list: write arms: \[hint\+kd\]"):
        parse(["run", "--config", str(tmp_path / "s.yaml")])


def test_a_file_is_a_network_of_the_users_own():
    config = parse(["run", "x", "--data", "digits", "--teacher.path", "/t.keras"]).config
    assert config.teacher == NetworkConfig(family="keras_file", path="/t.keras")


def test_printed_settings_can_be_read_back(tmp_path, capsys):
    words = ["--data", "digits", "--seed", "5", "--student.preset", "fitnet1"]
    assert main(["run", *words, "--print_config"]) == 0
    text = capsys.readouterr().out
    assert "run:" not in text
    (tmp_path / "s.yaml").write_text(text)
    command = parse(["run", "runs/x", "--config", str(tmp_path / "s.yaml")])
    assert command.config == RunConfig(seed=5, student=NetworkConfig(preset="fitnet1"))
    assert command.options["run"] == "runs/x"


def test_a_runs_own_settings_come_first_and_flags_change_single_ones(tmp_path):
    config = RunConfig(seed=9, arms=("kd",))
    (tmp_path / SETTINGS).write_text(settings_text(config))
    assert yaml.safe_load(settings_text(config))["seed"] == 9
    command = parse(["distill", str(tmp_path), "--kd.temperature", "5"])
    assert command.config.seed == 9
    assert command.config.arms == ("kd",)
    assert command.config.kd.temperature == 5
    assert command.notes


def test_help_and_version_are_answered(capsys):
    assert main(["--help"]) == 0
    assert "exit codes: 0 done, 1 the job failed, 2 wrong use" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("hintlite 0.")
    assert main(["distill", "--help"]) == 0
    told = capsys.readouterr().out
    assert "FitNets uses 3" in told
    assert "(default: 3.0)" in " ".join(told.split())
    assert len(told.splitlines()) < 150
    assert "--crd.negatives" not in told
    assert main(["distill", "--help=all"]) == 0
    assert "--crd.negatives" in capsys.readouterr().out


def test_a_job_that_ends_its_process_is_not_done(monkeypatch, capsys):
    monkeypatch.setitem(WORK, "doctor", lambda command: sys.exit(0))
    assert main(["doctor"]) == 1
    assert "SystemExit: 0" in capsys.readouterr().err


def test_a_flags_value_is_not_taken_for_the_run(tmp_path):
    (tmp_path / SETTINGS).write_text(settings_text(RunConfig(seed=9)))
    words = ["run", str(tmp_path / "new"), "--data.source", "folder", "--data.path", str(tmp_path)]
    assert parse(words).config.seed == 0
    assert parse(["run", "--verbose", str(tmp_path)]).config.seed == 9


def test_settings_that_are_no_text_are_refused(tmp_path, capsys):
    (tmp_path / "s.yaml").write_bytes(b"\xff\xfe")
    assert main(["run", "--config", str(tmp_path / "s.yaml")]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "arms"),
    [
        (["--arms", "hint+kd"], ("hint+kd",)),
        (["--arms=hint+kd,kd"], ("hint+kd", "kd")),
        (["--arms", "[scratch,kd]"], ("scratch", "kd")),
    ],
)
def test_a_list_needs_no_brackets(words, arms):
    assert parse(["run", "--data", "digits", *words]).config.arms == arms


def test_numbers_in_a_list_need_no_brackets_either():
    words = ["--student.widths", "4,6", "--student.depths", "1,1", "--student.times_fewer=null"]
    config = parse(["run", "--data", "digits", *words]).config
    assert config.student.widths == (4, 6)
    assert config.student.depths == (1, 1)


def test_hyphens_are_taken_for_underscores_in_flags_alone():
    words = ["--teacher-training.epochs", "3", "--data.calibration-samples=9"]
    command = parse(["run", "my-run", "--data", "digits", *words, "--hint.pairs.my-tap=a-b"])
    assert command.config.teacher_training.epochs == 3
    assert command.config.data.calibration_samples == 9
    assert command.config.hint.pairs == {"my-tap": "a-b"}
    assert command.options["run"] == "my-run"
    for flag in ("--max-drop", "--max_drop"):
        assert parse(["compare", "a", "b", flag, "2"]).options["max_drop"] == 2


@pytest.mark.parametrize("name", [*STAGES, *COMMANDS])
def test_every_option_is_taken_in_both_spellings(name):
    parser = _grammar(name)[1][name]
    flags = {*parser.flags, *SHORT.get(name, {})}
    assert not [flag for flag in flags if "-" in flag[2:]], "help writes options with underscores"
    for flag in sorted(flag for flag in flags if flag.startswith("--") and "_" in flag):
        words = [[spelling, "1"] for spelling in (flag, "--" + flag[2:].replace("_", "-"))]
        with_underscores, with_hyphens = (
            in_full(each, parser.flags, SHORT.get(name, {})) for each in words
        )
        assert with_hyphens == with_underscores


def test_documents_write_options_as_the_help_does():
    known = {flag for name in (*STAGES, *COMMANDS) for flag in _grammar(name)[1][name].flags}
    root = Path(__file__).parents[1]
    for path in (root / "README.md", root / "CHANGELOG.md", *(root / "docs").glob("*.md")):
        hyphened = re.findall(r"--[a-z][a-z.]*-[a-z.-]*[a-z]", path.read_text())
        meant = ["--" + word[2:].replace("-", "_") for word in hyphened]
        assert not known.intersection(meant), path


def test_a_run_is_said_to_be_changed_only_where_it_is(tmp_path):
    (tmp_path / SETTINGS).write_text(settings_text(RunConfig()))
    run = str(tmp_path)
    for words in (["bundle", run], ["bundle", run, "--name=a", "--mcu", "c"], ["run", run]):
        assert parse(words).notes == (f"settings: {tmp_path / SETTINGS}",)
    for flag in ("--seed=3", "--hint.pairs.stage2=stage1", "--max-drop=1"):
        (note,) = parse(["quantize", run, flag]).notes
        assert note.endswith(", changed by the flags given here")


def test_data_is_named_in_one_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    found = {
        word: parse(["run", "runs/x", f"--data={word}"]).config.data
        for word in ("photos", "things.npz", "mnist")
    }
    assert (found["photos"].source, found["photos"].path) == ("folder", str(tmp_path / "photos"))
    assert (found["things.npz"].source, found["things.npz"].path) == (
        "npz",
        str(tmp_path / "things.npz"),
    )
    assert (found["mnist"].source, found["mnist"].path) == ("mnist", None)
    assert parse(["run", "--data.path", "photos"]).config.data.source == "folder"


def test_data_of_another_kind_takes_the_place_of_a_runs_own(tmp_path):
    stored = RunConfig(data=DataConfig(source="npz", path="/gone.npz"))
    (tmp_path / SETTINGS).write_text(settings_text(stored))
    assert parse(["run", str(tmp_path), "--data", "digits"]).config.data == DataConfig()


def test_sizes_of_a_folders_pictures_are_taken_back_for_data_of_another_kind(tmp_path):
    data = DataConfig(source="folder", path="/photos", image_height=32, image_width=24, color="rgb")
    (tmp_path / SETTINGS).write_text(settings_text(RunConfig(data=data)))
    command = parse(["run", str(tmp_path), "--data", "other.npz"])
    found = command.config.data
    assert (found.image_height, found.image_width, found.color) == (None, None, "auto")
    assert "data.image_height, data.image_width, data.color: of the pictures" in command.notes[1]
    (tmp_path / "more").mkdir()
    kept = parse(["run", str(tmp_path), "--data", str(tmp_path / "more")]).config.data
    assert kept.image_height == 32


def test_settings_given_as_objects_are_refused_in_plain_words():
    for given, said in (
        ({"training": {"epochs": "ten"}}, "training.epochs: expected a whole number, got 'ten'"),
        ({"training": 3}, "training: expected settings, names with values; got 3"),
    ):
        with pytest.raises(WrongUseError) as error:
            config_from(given)
        assert str(error.value) == said


def test_paths_mean_the_same_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--data", "a.npz", "--teacher.family", "keras_file", "--teacher.path", "t.keras"]
    config = parse(["run", "runs/x", *words, "--cache.folder", "c"]).config
    assert config.data.path == str(tmp_path / "a.npz")
    assert config.teacher.path == str(tmp_path / "t.keras")
    assert config.cache.folder == str(tmp_path / "c")


@pytest.mark.parametrize("command", ["bundle", "distill", "report", "run"])
def test_a_misspelt_run_is_neither_made_nor_trained(command, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / SETTINGS).write_text(settings_text(RunConfig()))
    assert main([command, str(tmp_path / "mien")]) in (1, 2)
    assert f"did you mean {tmp_path / 'mine'}?" in capsys.readouterr().err
    assert not (tmp_path / "mien").exists()


def test_the_examples_of_every_help_are_understood(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    for place in ("runs/mine/settings.yaml", "mine.yaml", "runs/tune/best.yaml"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(settings_text(RunConfig()))
    (tmp_path / "devices.yaml").write_text("devices: [pi@raspberrypi.local]\n")
    for name in ("mine", "mobilenet", "small", "large"):
        (tmp_path / f"{name}.keras").touch()
    (tmp_path / "model.tflite").touch()
    (tmp_path / "samples.npz").touch()
    examples = set()
    for words in ([], *([name] for name in (*STAGES, *COMMANDS))):
        assert main([*words, "--help"]) == 0
        examples |= set(
            re.findall(r"^  hintlite ([a-z].*)$", capsys.readouterr().out, re.MULTILINE)
        )
    assert len(examples) > 40
    for example in examples:
        words = shlex.split(re.split(r"  | > ", example)[0])
        with contextlib.suppress(SystemExit):  # of --print_config
            assert parse(words).name == words[0]
