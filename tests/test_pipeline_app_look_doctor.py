"""What hintlite asks for, and what doctor says of it."""

import configparser
import inspect
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
