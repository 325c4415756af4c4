"""The folders: no circle of imports, and every package installed."""

import ast
import configparser
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("hintlite", "models", "pipeline", "deploy", "benchmarks")


def modules():
    """Name -> path of every module."""
    found = {}
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[name if parts[0] == "hintlite" else f"hintlite.{name}"] = path
    return found


def imported(text, known):
    """The known modules that a text imports anywhere, in functions and for types too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_no_module_imports_itself_over_others():
    found = modules()
    graph = {name: set(imported(path.read_text(), found)) for name, path in found.items()}

    graphlib.TopologicalSorter(graph).prepare()  # the error of a circle names its modules


def test_a_circle_over_a_deferred_import_would_be_found():
    known = {"a": "import b", "b": "def later():\n    from a import x"}
    graph = {name: set(imported(text, known)) for name, text in known.items()}

    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(graph).prepare()


def test_every_folder_of_modules_is_installed():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    listed = settings["options"]["packages"].split()

    parts = (path.relative_to(ROOT).parent.parts for path in modules().values())
    names = {".".join(each if each[0] == "hintlite" else ("hintlite", *each)) for each in parts}
    assert listed == sorted(names)
