"""The section of the page that tells where INT8's error comes from."""

import json
import re

import pytest
from explanation_facts import SENTENCE, content, explain, operator
from report_run import settings, write_run

from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.page import write_report
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.report.subjects import explanation


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "mine")


def page_of(run):
    write_report([run], run.parent / "report.html", run.parent / "report.json")
    return (run.parent / "report.html").read_text()


EXPLAINED = "error of each INT8 operator, accuracy regained"


def section_of(page):
    start = page.index('<section id="explanation"')
    return page[start : page.index("</section>", start)]


def test_an_explained_model_has_sentence_pictures_and_table(run):
    explain(run)
    section = section_of(page_of(run))
    assert "student, hints + KD, INT8" in section
    assert "operator 1 (CONV_2D, &lt;b&gt;conv&lt;/b&gt;) costs 1.2 points" in section
    assert "A remark." in section
    labels = re.findall(r'<svg role="img" aria-label="([^"]*)"', section)
    assert len(labels) == 2
    assert "1 CONV_2D 21.5 dB; 2 MAX_POOL_2D 22.5 dB" in labels[0]
    assert "0 CONV_2D \u22120.5 points; 1 CONV_2D 1.2 points" in labels[1]
    rows = re.findall(r"<tr>(.*?)</tr>", section, re.DOTALL)
    cells = [re.sub("<[^>]*>", "", c) for c in re.findall(r"<t[hd].*?</t[hd]>", rows[3])]
    expected = ["1", "CONV_2D", "&lt;i&gt;layer1&lt;/i&gt;", "21.5", "1.25\u00a0%", "50.00\u00a0%"]
    assert cells[:6] == expected
    assert cells[6:] == ["3", "98.7", "12.5", "+1.20", "4", "1", "25.00\u00a0%"]
    assert "Accuracy on 1,234 validation samples: float file 95.00" in section
    facts = json.loads((run.parent / "report.json").read_text())
    assert facts["explanations"][0]["content"] == content()
    lines = {line["figure"]: line["command"] for line in facts["reproduce"]}
    assert lines[EXPLAINED].endswith("--explain")


def test_pages_without_an_explanation_have_no_such_section(run):
    page = page_of(run)
    assert 'id="explanation"' not in page
    assert EXPLAINED not in page  # nor a command for figures that the page does not have
    facts = collect(run)
    assert facts["explanations"] == []
    assert not any("explain" in line["files"] for line in facts["reproduce"])
    assert facts["reproduce"][-1]["figure"] == "this page"


def test_an_explanation_of_other_files_is_not_shown(run):
    explain(run)
    explain(run, "teacher")
    write_run(run, now=settings(seed=8))  # as it was: the stages did not change
    (run / "explain" / "teacher" / "explain.json").write_text(json.dumps(content()) + " ")
    model = run / "quantize" / "hint+kd" / "stage.json"
    record = json.loads(model.read_text())
    record["outputs"]["student_int8.tflite"] = "0" * 64
    model.write_text(json.dumps(record))
    page = page_of(run)
    section = section_of(page)
    assert section.count("The explanation is out of date") == 2
    assert "made from other files than those that are there now" in section
    assert "its file was changed" in section
    assert f"hintlite quantize {run} --explain" in section
    assert EXPLAINED in page  # the section is there, so how to make it is
    assert SENTENCE[:20] not in section


def test_accuracies_of_two_kernels_are_told_apart(run):
    explain(run, found=content() | {"builtin_accuracy": 0.875})
    assert "INT8 file 90.00\xa0% (with XNNPACK, as in every table; 87.50\xa0% with" in page_of(run)


def test_of_a_deep_network_the_costliest_are_drawn_in_their_order(run):
    operators = [operator(i, "CONV_2D", 0.01 * (i % 40), 0.0) for i in range(60)]
    shown = [each["index"] for each in explanation.costliest(operators)]
    assert shown == sorted(sorted(range(60), key=lambda i: -(i % 40))[: explanation.MOST_BARS])
    explain(run, found=content(operators))
    section = section_of(page_of(run))
    assert "the 24 costliest" in section
    assert section.count("<tr>") == 61


def test_where_nothing_is_regained_the_picture_says_so(run):
    explain(run, found=content([operator(0, "CONV_2D", 0.0), operator(1, "MEAN", 0.0)]))
    assert "0 CONV_2D 0 points; 1 MEAN 0 points" in section_of(page_of(run))
    explain_again = content([operator(0, "CONV_2D", None)])
    report = Report("mine", run, {"explanations": [{"model": "kd", "content": explain_again}]})
    assert explanation.render([report]).html.count("<svg role") == 1


def test_one_explanation_of_several_runs_is_told_apart(tmp_path):
    runs = [write_run(tmp_path / name) for name in ("a", "b")]
    explain(runs[1])
    reports = [Report(run.name, run, collect(run)) for run in runs]
    html = explanation.render(reports).html
    assert "Run b" in html
    assert "Run a" not in html
