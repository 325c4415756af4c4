"""The documents: the site builds without a warning, the tutorial runs, each function has a page."""

import json
import os
import re
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


PAGES = [
    "distill",
    "methods",
    "quantize",
    "quantize_aware",
    "bundle",
    "export_c",
    "evaluate",
    "explain",
]
PAGES += ["inspect", "fits_board", "benchmark", "distiller"]


def examples(page):
    text = (ROOT / "docs" / "api" / f"{page}.md").read_text()
    assert len(re.findall(r"\.\s", text.split("```")[0])) >= 2, "two sentences come first"
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


def run_examples(pages):
    """The code of the pages, one after the other, as a reader has it in one notebook."""
    names = {}
    for page in pages:
        code = examples(page)
        assert code, page
        for block in code:
            exec(compile(block, f"docs/api/{page}.md", "exec"), names)
    return names


@pytest.mark.whole
def test_the_code_of_the_pages_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_examples(PAGES)
    assert names["found"].finding
    assert names["files"].labels == ("top", "middle", "bottom")
    assert (tmp_path / "out_c" / "Makefile").is_file()
    assert (tmp_path / "out" / "manifest.json").is_file()
    manifest = json.loads((tmp_path / "out_pixels" / "manifest.json").read_text())
    assert manifest["normalization"]["raw_dtype"] == "uint8"


def test_every_page_of_the_face_has_code_that_is_run():
    pages = {path.stem for path in (ROOT / "docs" / "api").glob("*.md")}
    assert pages == {*PAGES, "run"}


@pytest.mark.slow(modules=["hintlite.pipeline.app.python", "hintlite.pipeline.app.run"])
def test_the_code_about_runs_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_examples(["distill", "run"])
    assert set(names["found"].files) == {"teacher", "scratch", "kd"}
    assert (tmp_path / "runs" / "mine" / "report.html").is_file()


@pytest.mark.timeout(300)
@pytest.mark.processes
def test_the_tutorial_runs_and_says_what_it_said():
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(TUTORIAL, as_version=4)
    stored = [cell.get("outputs") for cell in notebook.cells if cell.cell_type == "code"]
    assert all(stored[1:])  # the first cell shows nothing
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 25
    NotebookClient(notebook, timeout=280, kernel_name="python3").execute()
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert "of 599 samples, the first time" in _text(outputs[4])
    assert "it fits" in _text(outputs[5])
    assert "student_int8.tflite" in _text(outputs[6])


def _text(outputs):
    said = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs]
    return "".join(said)
