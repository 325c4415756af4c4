"""What docs/raspberry-pi.md has typed on the Pi, typed there: from a fresh Python to the result."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from json_schema import faults
from tiny_bundle import COUNT, SCRIPT, write_bundle

from hintlite.benchmarks.dev.emulated_pi.device import emulated_pi
from hintlite.benchmarks.dev.emulated_pi.userland import INSTALL, missing_tools
from hintlite.pipeline.app.run.stages.by_hand import to_zip

pytestmark = pytest.mark.timeout(3600)
DOC = (Path(__file__).parents[1] / "docs" / "raspberry-pi.md").read_text()
SCHEMA = json.loads(SCRIPT.with_suffix(".schema.json").read_text())
BY_HAND = """
python3 -m venv hintlite-python
hintlite-python/bin/pip install ai-edge-litert numpy
python3 -m zipfile -e hintlite-mine.zip .
cd hintlite-mine
../hintlite-python/bin/python bench_tflite.py --json result.json
"""
# What the packages bring is imported under emulation anyway: compiling all of it takes a minute.
QUIET = {"PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


@pytest.fixture(scope="module")
def tools():
    if missing := missing_tools():
        assert "CI" not in os.environ, (missing, INSTALL)
        pytest.skip(f"missing: {', '.join(missing)}; {INSTALL}")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """What `hintlite bundle --for-device` packs, for a bundle that is quickly made."""
    bundle = write_bundle(tmp_path_factory.mktemp("made") / "bundle")
    return to_zip("hintlite-mine", {path.name: path.read_bytes() for path in bundle.iterdir()})


def test_the_commands_are_those_of_the_page():
    for line in BY_HAND.strip().split("\n"):
        assert f"    {line}\n" in DOC


@pytest.mark.emulated(
    modules=[
        "hintlite.benchmarks.bench_tflite",
        "hintlite.benchmarks.dev.emulated_pi",
        "hintlite.pipeline.app.run.stages.by_hand",
    ]
)
@pytest.mark.slow(
    modules=[
        "hintlite.benchmarks.bench_tflite",
        "hintlite.benchmarks.dev.emulated_pi",
        "hintlite.pipeline.app.run.stages.by_hand",
    ]
)  # pip under emulation: one to two minutes
def test_a_zip_on_a_fresh_pi(tools, archive, tmp_path):
    # Not on Trixie: Python 3.13's venv reads extended attributes, and QEMU gives that system call
    # the path of the host's file.
    pi = emulated_pi("pi4", None, tmp_path / "board", "bookworm")
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    (programs / "python3").write_text(pi.script())
    (programs / "python3").chmod(0o755)
    (home / "hintlite-mine.zip").write_bytes(archive)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    kept = {word: os.environ[word] for word in os.environ if word.startswith("PIP_")}
    done = subprocess.run(
        ["sh", "-euxc", BY_HAND],
        cwd=home,
        env={**kept, **QUIET, "PATH": path, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((home / "hintlite-mine" / "result.json").read_text())
    assert list(faults(report, SCHEMA, SCHEMA)) == []
    assert report["machine"]["emulator"] == pi.emulator
    assert report["python"]["version"].startswith(pi.debian.python + ".")
    assert report["runtime"]["name"] == "ai-edge-litert"
    assert report["runtime"]["delegate_applied"] is True
    reference = report["exactness"]["checks"][1]
    assert (reference["kernels"], reference["equal"]) == ("reference", COUNT)
