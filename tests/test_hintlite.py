"""The door: what `import hintlite` offers, and what it costs."""

import subprocess
import sys

import pytest

import hintlite


def test_the_import_loads_nothing_heavy():
    code = (
        "import hintlite, sys; hintlite.methods.KD(temperature=4) + hintlite.methods.Hint(); "
        "print([name for name in ('keras', 'tensorflow', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_is_found_and_documented():
    for name in hintlite.__all__:
        assert getattr(hintlite, name).__doc__, name
        assert name in dir(hintlite)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'distil'"):
        _ = hintlite.distil
