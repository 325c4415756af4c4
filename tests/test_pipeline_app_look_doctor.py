"""What hintlite asks for, and what doctor says of it."""

import configparser
import inspect
import json
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement

from hintlite.pipeline.app.look import doctor

SETUP = Path(__file__).parents[1] / "setup.cfg"


def required():
    """Name -> requirement of what is installed with hintlite."""
    parser = configparser.ConfigParser()
    parser.read(SETUP)
    lines = parser["options"]["install_requires"].split()
    return {each.name: each for each in map(Requirement, lines)}


def test_numpy_is_one_that_saves_without_pickles():
    """numpy 2.1 writes an array of the name allow_pickle instead; 2.2 knows the keyword."""
    numpy = required()["numpy"]
    assert "2.1.3" not in numpy.specifier
    assert "2.2.0" in numpy.specifier
    assert "allow_pickle" in inspect.signature(np.savez).parameters
    assert doctor.package(numpy).state == "ok"
    assert doctor.package(Requirement("numpy<2.2")).state == "problem"


def test_every_extra_is_listed_with_its_packages_and_the_command_that_installs_it(capsys):
    parser = configparser.ConfigParser()
    parser.read(SETUP)
    extras = dict(parser["options.extras_require"])
    del extras["dev"]
    doctor.doctor(as_json=True)
    findings = {each["what"]: each for each in json.loads(capsys.readouterr().out)}
    assert {what.removeprefix("extra ") for what in findings if what.startswith("extra ")} == {
        *extras
    }
    for name, lines in extras.items():
        found = findings[f"extra {name}"]
        for line in lines.split():
            assert Requirement(line).name in found["detail"]
        assert (found["state"] == "ok") == (found["cure"] == "")


def test_an_extra_with_a_missing_package_tells_which_and_how_to_get_it():
    found = doctor.extra("qat", [Requirement("numpy>=2"), Requirement("no-such-package<1")])
    assert found.state == "optional"
    assert "no-such-package not installed" in found.detail
    assert found.cure.endswith("-m pip install 'hintlite[qat]'")
    old = doctor.extra("qat", [Requirement("numpy<2")])
    assert "<2 was tried" in old.detail
    assert doctor.extra("qat", [Requirement("numpy>=2")]).state == "ok"


def test_the_brackets_of_an_extra_are_printed(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(doctor, "LOOKS", (lambda: [doctor.extra("qat", [Requirement("no-such")])],))
    assert doctor.doctor(as_json=False) == 0
    assert "-m pip install 'hintlite[qat]'" in capsys.readouterr().out
