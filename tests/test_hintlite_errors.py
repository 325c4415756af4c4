"""Every refusal is a HintliteError, and what is none is called a fault of hintlite."""

import ast
from pathlib import Path

import pytest

from hintlite.errors import DataError, HintliteError, NetworkError, SettingsError
from hintlite.pipeline.app.errors import sentence

ROOT = Path(__file__).parents[1]
FOLDERS = ("hintlite", "models", "pipeline", "deploy", "benchmarks")
ALONE = {  # they run where there is no hintlite
    "benchmarks/bench_tflite.py",
    "benchmarks/targets/ssh/agent.py",
}
PLAIN = {"Exception", "ValueError", "RuntimeError"}


def sources():
    """Path in the repository -> its syntax tree."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    names = {str(path.relative_to(ROOT)): path for path in paths}
    return {name: ast.parse(path.read_text()) for name, path in names.items() if name not in ALONE}


def plain(tree):
    """The lines of a tree that raise or derive from a class that says nothing of hintlite."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(raised, ast.Name) and raised.id in PLAIN:
                yield node.lineno
        if isinstance(node, ast.ClassDef) and node.name != "HintliteError":
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            if PLAIN.intersection(bases) and "HintliteError" not in bases:
                yield node.lineno


def test_no_refusal_is_a_plain_exception():
    found = {name: [*plain(tree)] for name, tree in sources().items()}

    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "text",
    [
        'raise ValueError("no")',
        "raise RuntimeError",
        "class MineError(Exception):\n    pass",
        "class MineError(ValueError):\n    pass",
    ],
)
def test_a_plain_exception_would_be_found(text):
    assert [*plain(ast.parse(text))] == [1]


@pytest.mark.parametrize("kind", [HintliteError, SettingsError, DataError, NetworkError])
def test_a_refusal_is_told_as_it_is(kind):
    assert sentence(kind("give another")) == "give another"


def test_too_little_memory_is_no_fault():
    assert "memory (a request for more was refused): a smaller batch" in sentence(MemoryError())
    assert "(Unable to allocate 9 GiB)" in sentence(MemoryError("Unable to allocate 9 GiB"))


def test_only_what_is_no_refusal_is_called_a_fault():
    assert "a fault of hintlite" in sentence(KeyError("x"))
    assert "a fault of hintlite" not in sentence(FileNotFoundError(2, "No such file", "x.npz"))
