"""When each slow or emulated test last passed, and which have not since their modules changed.

Such a test names the modules that it tests: `@pytest.mark.slow(modules=["hintlite.pipeline.qat"])`;
a package stands for all that is in its folder. Where it passes, `last_passes.json` gets the hash of
those sources, of the test's file and of the files of this folder that it imports. Workers of
pytest-xdist hand back what they collected; the process that started them writes.
`pytest --stale list` names the tests whose hash is another by now; `--stale fail` fails over them.
"""

import ast
import datetime
import hashlib
import json
from functools import cache
from pathlib import Path

import pytest

from hintlite.files import write_whole

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
RECORD = TESTS / "last_passes.json"
MARKS = ("slow", "emulated")
AT_THE_TOP = ("benchmarks", "deploy", "models", "pipeline")  # see package_dir in setup.cfg


def pytest_addoption(parser):
    help = "names the slow and emulated tests that are older than their modules, and runs nothing"
    parser.addoption("--stale", choices=("list", "fail"), help=help)


def pytest_configure(config):
    told = getattr(config, "workeroutput", None)  # what a worker of pytest-xdist hands back
    if told is None and config.getoption("--stale") and config.getoption("dist", "no") != "no":
        raise pytest.UsageError("--stale runs no test: leave -n and --dist out")
    config.pluginmanager.register(Passes(told), "passes")


class Passes:
    """Follows the tests of one session, or of one worker's part of it."""

    def __init__(self, told):
        self.told = told
        self.expected = {}  # test -> its cases, run or not
        self.modules = {}
        self.passed = set()

    @pytest.hookimpl(tryfirst=True)  # before those that were not chosen are left out
    def pytest_collection_modifyitems(self, items):
        for item in items:
            modules = named_modules(item)
            if modules is not None:
                test = test_of(item.nodeid)
                self.modules[test] = modules
                self.expected.setdefault(test, set()).add(item.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        asked = session.config.getoption("--stale")
        if asked is None:
            return None
        found = stale(self.modules, read())
        for line in found:
            print(line)
        print(f"{len(found)} of {len(self.modules)} slow and emulated tests are to be run again")
        session.testsfailed += len(found) if asked == "fail" else 0
        return True

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        """Takes what a worker collected; all collect the same, so one that died is not missed."""
        modules, expected = getattr(node, "workeroutput", {}).get("passes", ({}, {}))
        self.modules |= modules
        self.expected |= {test: set(cases) for test, cases in expected.items()}

    def pytest_sessionfinish(self):
        if self.told is not None:
            cases = {test: sorted(nodes) for test, nodes in self.expected.items()}
            self.told["passes"] = (self.modules, cases)
            return
        done = [test for test, cases in self.expected.items() if cases <= self.passed]
        if done:
            day = datetime.date.today().isoformat()
            new = {
                test: {"hash": fingerprint(test, self.modules[test]), "day": day} for test in done
            }
            write(read() | new)


def test_of(node):
    """The test that a case of it belongs to."""
    return node.split("[", 1)[0]


def named_modules(item):
    """What its markers name; None if it is neither slow nor emulated.

    Raises:
        pytest.UsageError: a marker names nothing, or what is not there.
    """
    marks = [mark for name in MARKS for mark in item.iter_markers(name)]
    if not marks:
        return None
    modules = sorted({name for mark in marks for name in mark.kwargs.get("modules", ())})
    if not modules:
        raise pytest.UsageError(f"{item.nodeid}: its marker names no modules=[...] that it tests")
    for name in modules:
        if place(name) is None:
            raise pytest.UsageError(f"{item.nodeid}: there is no module {name}")
    return modules


def place(module):
    """The file or folder of one of our modules; None if there is none."""
    top, *parts = module.split(".")
    if top != "hintlite":
        return None
    base = ROOT if parts and parts[0] in AT_THE_TOP else ROOT / "hintlite"
    folder = base.joinpath(*parts)
    return next((each for each in (folder.with_suffix(".py"), folder) if each.exists()), None)


@cache
def sources(path):
    """The files of a folder, or the file."""
    if path.is_file():
        return (path,)
    found = (each for each in path.rglob("*") if each.is_file() and each.suffix != ".pyc")
    return tuple(sorted(found))


@cache
def helpers(path):
    """A file of this folder and those of it that it imports, at any depth."""
    names, found = set(), {path}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    for each in (TESTS / f"{name}.py" for name in sorted(names)):
        if each.exists():
            found |= helpers(each)
    return frozenset(found)


def fingerprint(test, modules):
    """sha256 of everything that the test's outcome depends on, as far as it is named."""
    files = {file for name in modules for file in sources(place(name))}
    files |= helpers(ROOT / test.split("::", 1)[0])
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(file.relative_to(ROOT).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


def stale(modules, record):
    """A line for each test that did not pass with its modules as they are."""
    found = []
    for test, names in sorted(modules.items()):
        last = record.get(test)
        if last is None:
            found.append(f"{test}: no pass is recorded")
        elif last["hash"] != fingerprint(test, names):
            found.append(f"{test}: last passed on {last['day']}, before {', '.join(names)} changed")
    return found


def read():
    """Test -> hash and day of its last pass."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def write(record):
    """Keeps the record of tests that are still there."""
    there = {test: entry for test, entry in record.items() if (ROOT / test.split("::")[0]).exists()}
    write_whole(RECORD, json.dumps(there, indent=1, sort_keys=True) + "\n")
