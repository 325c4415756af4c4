"""Slow tests that have not passed since their modules changed are listed."""

import json
import shutil
from pathlib import Path

import last_passes
import pytest

pytest_plugins = ["pytester"]

SLOW = """
import helper, pytest

@pytest.mark.slow(modules=["hintlite.models.net"])
@pytest.mark.parametrize("case", [1, 2])
def test_it(case):
    assert case < helper.LIMIT
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A folder with a module, a slow test of it and a file that the test imports."""
    monkeypatch.setattr(last_passes, "ROOT", pytester.path)
    monkeypatch.setattr(last_passes, "TESTS", pytester.path)
    monkeypatch.setattr(last_passes, "RECORD", pytester.path / "last_passes.json")
    pytester.makeini("[pytest]\nmarkers = slow(modules): minutes\n")
    pytester.makepyfile(test_slow=SLOW, helper="LIMIT = 3")
    (pytester.path / "models").mkdir()
    (pytester.path / "models" / "net.py").write_text("LAYERS = 1\n")
    return pytester


def run(project, *words):
    return project.runpytest_inprocess("-p", "last_passes", "-p", "no:cacheprovider", *words)


def listed(project):
    """The test's line in the list, without its name."""
    lines = run(project, "--stale", "list").outlines
    return [line.split(": ", 1)[1] for line in lines if line.startswith("test_slow.py::test_it: ")]


def test_a_test_is_listed_until_it_passes_and_when_its_module_changes(project):
    assert listed(project) == ["no pass is recorded"]
    run(project).assert_outcomes(passed=2)
    assert listed(project) == []
    (project.path / "models" / "net.py").write_text("LAYERS = 2\n")
    (line,) = listed(project)
    assert line.startswith("last passed on 2")
    assert line.endswith("before hintlite.models.net changed")
    assert run(project, "--stale", "fail").ret == pytest.ExitCode.TESTS_FAILED


def test_what_the_test_imports_counts_too(project):
    run(project)
    (project.path / "helper.py").write_text("LIMIT = 4\n")
    assert len(listed(project)) == 1


def shared(project, *words):
    """Two processes share the tests, each of which imports a copy of the plugin that lies there."""
    path = Path(last_passes.__file__)
    shutil.copy(path, project.path)
    source = (project.path / path.name).read_text()
    source = source.replace("TESTS.parent", "TESTS")
    (project.path / path.name).write_text(source)
    plugins = ("-p", "xdist", "-p", "last_passes", "-p", "no:cacheprovider")
    return project.runpytest_subprocess(*plugins, "-n", "2", *words)


def test_processes_that_share_the_tests_keep_one_record(project):
    shared(project).assert_outcomes(passed=2)
    assert listed(project) == []
    (project.path / "models" / "net.py").write_text("LAYERS = 2\n")
    before = (project.path / "last_passes.json").read_text()
    shared(project, "-k", "1").assert_outcomes(passed=1)  # some cases are none
    (project.path / "helper.py").write_text("LIMIT = 2\n")
    shared(project).assert_outcomes(passed=1, failed=1)
    assert (project.path / "last_passes.json").read_text() == before
    result = shared(project, "--stale", "list")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--stale runs no test: leave -n and --dist out*"])


@pytest.mark.parametrize("words", [("-k", "1"), ("--deselect", "test_slow.py::test_it[2]")])
def test_a_pass_of_some_cases_is_none(project, words):
    run(project, *words).assert_outcomes(passed=1, deselected=1)
    assert listed(project) == ["no pass is recorded"]


def test_a_failure_is_no_pass_and_leaves_the_record(project):
    run(project)
    before = (project.path / "last_passes.json").read_text()
    (project.path / "helper.py").write_text("LIMIT = 2\n")
    run(project).assert_outcomes(passed=1, failed=1)
    assert (project.path / "last_passes.json").read_text() == before
    assert json.loads(before).keys() == {"test_slow.py::test_it"}


@pytest.mark.parametrize(
    ("mark", "match"),
    [
        ("slow", "names no modules"),
        ('slow(modules=["hintlite.models.gone"])', "there is no module hintlite.models.gone"),
        ('slow(modules=["models.net"])', "there is no module models.net"),
    ],
)
def test_a_slow_test_must_name_modules_that_are_there(project, mark, match):
    project.makepyfile(test_slow=f"import pytest\n@pytest.mark.{mark}\ndef test_it(): pass")
    result = run(project)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any(match in line for line in result.errlines)
