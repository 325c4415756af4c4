"""The documents: the site builds without a warning, the tutorial runs, each function has a page."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hintlite

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.ipynb"
LINKED = ("models", "pipeline", "deploy", "benchmarks")


def link_package():
    """What `make docs` does first: the package as a folder of links."""
    place = ROOT / ".types" / "hintlite"
    place.mkdir(parents=True, exist_ok=True)
    modules = [path.relative_to(ROOT) for path in (ROOT / "hintlite").glob("*.py*")]
    for name, target in [(path.name, path) for path in modules] + [(n, n) for n in LINKED]:
        if not (place / name).is_symlink():
            (place / name).symlink_to(Path("..", "..", target))


@pytest.mark.processes
def test_the_site_builds_without_a_warning(tmp_path):
    link_package()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    tutorial = (tmp_path / "tutorial" / "index.html").read_text()
    assert "hintlite.distill" in tutorial
    assert "samples, the first time" in tutorial  # a stored output


def test_every_name_of_the_door_has_a_page():
    pages = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    for name in set(hintlite.__all__) - {"methods", "HintliteError"}:
        found = getattr(hintlite, name)
        assert f"::: {found.__module__}.{name}" in pages, name
    assert "::: hintlite.pipeline.app.python.methods" in pages


@pytest.mark.timeout(300)
@pytest.mark.processes
def test_the_tutorial_runs_and_says_what_it_said():
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(TUTORIAL, as_version=4)
    stored = [cell.get("outputs") for cell in notebook.cells if cell.cell_type == "code"]
    assert all(stored)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    NotebookClient(notebook, timeout=280, kernel_name="python3").execute()
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert "of 360 samples, the first time" in _text(outputs[4])
    assert "it fits" in _text(outputs[5])
    assert "student_int8.tflite" in _text(outputs[6])


def _text(outputs):
    said = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs]
    return "".join(said)
