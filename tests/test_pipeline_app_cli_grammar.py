"""The command line's grammar: settings, typos, stored settings."""

import pytest
import yaml

from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.app.cli.grammar import parse
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.settings.text import settings_text
from hintlite.pipeline.runs.layout import SETTINGS
from hintlite.pipeline.settings.run import RunConfig


def test_flags_become_settings():
    command = parse(["run", "runs/x", "--training.epochs", "3", "--arms", "[kd]", "--seed=4"])
    assert command.name == "run"
    assert command.options["run"] == "runs/x"
    assert command.config.training.epochs == 3
    assert command.config.arms == ("kd",)
    assert command.config.seed == 4
    assert command.config.teacher == RunConfig().teacher


def test_dict_settings_are_written_with_dots():
    command = parse(["run", "--hint.pairs.stage2=stage1"])
    assert command.config.hint.pairs == {"stage2": "stage1"}


def test_a_preset_replaces_the_default_network():
    command = parse(["run", "--student.preset", "fitnet1"])
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
        (["run", "--training.epochs", "many"], "many"),
        (["run", "--arms", "[hnit]"], "no method 'hnit'; known: scratch, kd, hint"),
        (["run", "--arms", "[kd,kd]"], "names one twice"),
        (["run", "--data.source", "npz"], "needs data.path"),
        (["run", "--data.source", "cifr10"], "Did you mean 'cifar10'?"),
        (["run", "--data.validation_fraction", "0.9"], "leave nothing to train on"),
        (["run", "--deploy", "hint"], "'best' or one of the arms scratch, kd, hint+kd"),
        (["run", "--hint_member", "1"], "not one of the 1 members"),
        (["run", "--teacher.times_fewer", "3"], "no reference"),
        (["run", "--config", "/nonexistent.yaml"], "nonexistent.yaml"),
        (["teacher"], "run"),
        (["run", "--quantize.max_accuracy_drop", "150"], "counts points, 0 to 100"),
        (["bundle", "x", "--name", "digits"], "goes with --mcu c"),
        (["bundle", "x", "--mcu", "c", "--check"], "give one of them"),
        (["bundle", "x", "--phone", "--check"], "give one of them"),
        (["benchmark", "x", "--serial", "A"], "goes with --target android"),
        (["benchmark", "x", "--target", "cortex-m4", "--benchmark_model", "b"], "--target android"),
        (["benchmark", "x", "--target", "androd"], "androd"),
        ([], "{run,teacher,distill"),
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


def test_printed_settings_can_be_read_back(tmp_path, capsys):
    assert main(["run", "--print_config", "--seed", "5", "--student.preset", "fitnet1"]) == 0
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
    assert "--kd.temperature" in capsys.readouterr().out


def test_a_flags_value_is_not_taken_for_the_run(tmp_path):
    (tmp_path / SETTINGS).write_text(settings_text(RunConfig(seed=9)))
    words = ["run", str(tmp_path / "new"), "--data.source", "folder", "--data.path", str(tmp_path)]
    assert parse(words).config.seed == 0
    assert parse(["run", "--verbose", str(tmp_path)]).config.seed == 9


def test_settings_that_are_no_text_are_refused(tmp_path, capsys):
    (tmp_path / "s.yaml").write_bytes(b"\xff\xfe")
    assert main(["run", "--config", str(tmp_path / "s.yaml")]) == 2
    assert "Traceback" not in capsys.readouterr().err
