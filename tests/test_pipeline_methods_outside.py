"""Methods that are named by their place: what is taken, what is refused, what retrains them."""

from pathlib import Path

import outside_method
import pytest

from hintlite.errors import SettingsError
from hintlite.pipeline.app.cli.grammar import parse
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.methods import build_method, method_names
from hintlite.pipeline.methods.base import Sum
from hintlite.pipeline.methods.kd import KD
from hintlite.pipeline.methods.outside import fingerprint
from hintlite.pipeline.settings.run import RunConfig

ARM = "outside_method:PooledMatching"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes modules that can be imported, and returns what writes them."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


def test_a_method_of_ones_own_takes_fewer_than_30_lines():
    assert len(Path(outside_method.__file__).read_text().splitlines()) < 30


def test_an_arm_names_a_method_by_its_place(tiny_pair):
    assert method_names(ARM + "+kd") == [ARM, "kd"]
    method = build_method(ARM + "+kd", RunConfig(), *tiny_pair)
    assert isinstance(method, Sum)
    assert {type(each) for each in method.methods} == {outside_method.PooledMatching, KD}


def test_the_command_line_takes_it():
    command = parse(["run", "runs/x", "--data", "digits", "--arms", f"[{ARM}+kd, scratch]"])
    assert command.config.arms == (f"{ARM}+kd", "scratch")
    with pytest.raises(WrongUseError, match="has no 'Pooled'"):
        parse(["run", "runs/x", "--data", "digits", "--arms", "[outside_method:Pooled]"])


def test_a_class_is_given_the_settings_by_its_own_of(module, tiny_pair):
    module("own_kd", "from hintlite.pipeline.methods.kd import KD\nclass Mine(KD):\n    pass\n")
    config = RunConfig()
    assert build_method("own_kd:Mine", config, *tiny_pair).config is config.kd


def test_a_function_is_given_the_settings(module, tiny_pair):
    module(
        "own_function",
        "from hintlite.pipeline.methods.kd import KD\n"
        "def softer(config, teacher, student):\n    return KD(config.kd)\n"
        "def nothing(config, teacher, student):\n    return 3\n",
    )
    config = RunConfig()
    assert build_method("own_function:softer", config, *tiny_pair).config is config.kd
    with pytest.raises(SettingsError, match=r"own_function:nothing.*made a int"):
        build_method("own_function:nothing", config, *tiny_pair)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module:Method", "no module 'no_such_module'.*PYTHONPATH"),
        ("outside_method:", "expected package.module:name"),
        ("../outside_method:PooledMatching", "expected package.module:name"),
        ("outside_method:keras", "is a module"),
        ("pathlib:Path", "no complete subclass"),
        ("hintlite.pipeline.methods.base:Method", "no complete subclass"),
        ("hintlite.pipeline.methods.base:Sum", "missing a required argument: 'methods'"),
        ("own_broken:Method", "its module fails: ZeroDivisionError"),
        ("own_script:Method", "its module fails: SystemExit: 0"),
    ],
)
def test_what_makes_no_method_is_refused(module, name, why):
    module("own_broken", "1 / 0\n")
    module("own_script", "import sys\nsys.exit(0)\n")
    with pytest.raises(SettingsError, match=why):
        method_names(name)


def test_an_edited_method_is_trained_anew(module):
    module("own_edited", "def one(config, teacher, student):\n    return 1\n")
    before = fingerprint("own_edited:one")
    assert fingerprint("own_edited:one") == before
    module("own_edited", "def one(config, teacher, student):\n    return 1 + 1\n")
    assert fingerprint("own_edited:one") != before
