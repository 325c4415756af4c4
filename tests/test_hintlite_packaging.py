"""The wheel: what it holds, and that it works beside a user's packages of the same names."""

import configparser
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import SMALL_RUN

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("hintlite", "benchmarks", "deploy", "models", "pipeline")
MODEL = Path(__file__).parent / "data" / "tiny_int8.tflite"
THEIRS = "raise SystemExit('the wrong package was imported')\n"
READS_DATA = """
import sys
from pathlib import Path
from hintlite.benchmarks.targets.bench_json import __file__ as benchmarks
from hintlite.deploy.boards import load_boards
from hintlite.deploy.c_export.export import export_c
assert load_boards()
assert (Path(benchmarks).parents[1] / "bench_tflite.schema.json").is_file()
print(len(list(export_c(Path(sys.argv[1]), Path("out"), "net").folder.iterdir())))
"""


def in_wheel(path):
    """Where a file of ours is in the wheel."""
    name = path.relative_to(ROOT).as_posix()
    return name if name.split("/")[0] == "hintlite" else f"hintlite/{name}"


def ours():
    """Every source and data file of our folders."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    return [path for path in found if path.is_file() and path.suffix != ".pyc"]


def test_setup_cfg_lists_every_package():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    folders = {in_wheel(path.parent) for path in ours() if path.name == "__init__.py"}
    listed = parser["options"]["packages"].split()
    assert listed == sorted(listed)
    assert {name.replace(".", "/") for name in listed} == folders


def test_the_import_alone_loads_neither_tensorflow_nor_keras():
    code = "import hintlite, sys; print([n for n in ('tensorflow', 'keras') if n in sys.modules])"
    words = [sys.executable, "-c", code]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this source, built in a copy: setuptools writes beside what it builds."""
    place = tmp_path_factory.mktemp("wheel")
    leave_out = shutil.ignore_patterns("__pycache__")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, place / "source" / folder, ignore=leave_out)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place / "source")
    isolated = [] if find_spec("setuptools") is None else ["--no-build-isolation"]
    words = ["wheel", "--quiet", "--no-deps", *isolated, "--wheel-dir", place, place / "source"]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of an environment with the wheel and, of all else, what this one has."""
    place = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    program = place / "bin" / "python"
    words = ["install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, "-m", "pip", "--python", program, *words], check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    # Its .pth files, such as the one of an editable hintlite, are not read from a path so added.
    paths = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "of_this_environment.pth").write_text("".join(f"{path}\n" for path in paths))
    return program


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A working folder that holds packages and modules with the names of our folders."""
    for folder in ("models", "benchmarks"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(THEIRS)
    for name in ("pipeline.py", "deploy.py"):
        (tmp_path / name).write_text(THEIRS)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.packaging
def test_the_wheel_holds_hintlite_alone_and_all_of_it(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    apart = {name for name in names if ".dist-info/" in name}
    name, version, *_ = wheel.name.split("-")
    assert {path.split("/")[0] for path in apart} == {f"{name}-{version}.dist-info"}
    assert names - apart == {in_wheel(path) for path in ours()}


@pytest.mark.packaging
def test_it_is_imported_beside_packages_of_the_same_names(python, beside):
    code = "import hintlite, sys; print(hintlite.__file__); print(*sys.modules)"
    place, loaded = answer(python, "-c", code).splitlines()
    assert Path(place).is_relative_to(python.parents[1])
    assert not {"tensorflow", "keras", "models", "pipeline"} & set(loaded.split())


@pytest.mark.packaging
def test_its_commands_answer_there(python, beside):
    found = json.loads(answer(python, "-m", "hintlite", "doctor", "--json"))
    assert found
    assert "usage" in answer(python.with_name("hintlite"), "--help").lower()
    report = json.loads(answer(python, "-m", "hintlite", "inspect", MODEL, "--json"))
    assert report


@pytest.mark.packaging
def test_its_data_files_are_found_there(python, beside):
    assert int(answer(python, "-c", READS_DATA, MODEL)) > 10
    assert (beside / "out" / "net.c").exists()


@pytest.mark.packaging
def test_a_run_and_its_page_are_made_there(python, beside):
    (beside / "mine.yaml").write_text(SMALL_RUN)
    answer(python, "-m", "hintlite", "run", "runs/mine", "--config", "mine.yaml")
    assert "<style>" in (beside / "runs" / "mine" / "report.html").read_text()
    assert os.listdir(beside / "runs" / "mine" / "bundle")
