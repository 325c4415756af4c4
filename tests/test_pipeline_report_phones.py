"""Phones on the page: results of the run, logs that the user names, and nothing made up."""

import json
import re

import pytest
from report_run import TINY, benchmark, write_run
from stand_in_adb import StandIn, sample_log

from hintlite.benchmarks.targets.android import AndroidTarget
from hintlite.benchmarks.targets.base import BenchmarkRequest
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.run.folder import RunFolder, Stage
from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.page import write_report
from hintlite.pipeline.runs.reading import UnreadableError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose student was measured on the stand-in's phone, which was hot."""
    folder = tmp_path_factory.mktemp("phone")
    path = write_run(folder / "mine")
    phone = StandIn(folder / "adb")
    phone.install()
    phone.thermal(2)
    result = AndroidTarget(adb=phone.adb).run(TINY, BenchmarkRequest(threads=4))

    def work(place):
        (place / "student_int8.json").write_text(json.dumps(result.to_dict()))

    settings = {"target": "android", "asked": "x"}
    RunFolder(path).complete(Stage("targets/android", 1, settings, ("bundle",), (), work))
    return path


def section_of(text):
    found = re.search(r'<section id="phones".*?</section>', text, re.DOTALL)
    return found and re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0]))


def test_the_runs_phone_is_on_the_page_with_its_doubts(run, tmp_path):
    (entry,) = collect(run)["phones"]
    assert entry["device"] == "Google Pixel 8a"
    assert entry["kind"] == "measured"
    assert entry["latency_us"]["p50"] == 2781
    assert entry["latency_us"]["p99"] is None
    assert entry["accuracy"] is None
    assert collect(run)["microcontrollers"] == []
    write_report([run], tmp_path / "r.html", None)
    shown = section_of((tmp_path / "r.html").read_text())
    assert "Google Pixel 8a" in shown
    assert "2,781" in shown
    assert "doubtful" in shown
    assert "thermal status was 2" in shown


def test_how_to_measure_it_again_is_said(run):
    (line,) = [each for each in collect(run)["reproduce"] if "phone" in each["figure"]]
    assert line["command"].endswith("--target android")
    assert line["files"] == "targets/android/*.json"


def test_logs_and_results_that_the_user_names_are_shown(tmp_path):
    path = write_run(tmp_path / "run")
    (tmp_path / "pixel.log").write_text(sample_log(graph="/data/local/tmp/a<b.tflite"))
    (tmp_path / "pi.json").write_text(json.dumps(benchmark(33.0)))
    files = [str(tmp_path / name) for name in ("pixel.log", "pi.json")]
    assert main(["report", str(path), "--measured", *files]) == 0
    measured = json.loads((path / "report.json").read_text())["measured"]
    assert [each["source"] for each in measured] == ["pixel.log", str(tmp_path / "pi.json")]
    assert measured[0]["device"] is None
    assert measured[0]["latency_us"]["init"] == 6395
    assert measured[0]["verdict"] is None
    assert measured[1]["latency_us"]["p50"] == 33.0
    shown = section_of((path / "report.html").read_text())
    assert "a&lt;b.tflite" in shown
    assert "not judged" in shown
    assert "2,942" in shown


def test_without_phones_there_is_no_section(tmp_path):
    path = write_run(tmp_path / "run")
    write_report([path], tmp_path / "r.html", None)
    assert section_of((tmp_path / "r.html").read_text()) is None
    assert collect(path)["phones"] == []


def test_a_file_that_is_no_result_is_refused(tmp_path, capsys):
    path = write_run(tmp_path / "run", stages=1)
    (tmp_path / "x.log").write_text("INFO: STARTING!\n")
    with pytest.raises(UnreadableError, match=r"x.log: expected a line"):
        write_report([path], tmp_path / "r.html", None, [tmp_path / "x.log"])
    assert main(["report", str(path), "--measured", str(tmp_path / "none.log")]) == 2
    assert "cannot be read" in capsys.readouterr().err
