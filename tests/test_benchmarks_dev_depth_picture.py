"""The picture of depths: from a study's file and report to lines, verdicts and a table."""

import json
import sys
from xml.etree import ElementTree

import pytest

from hintlite.benchmarks.dev import depth_picture
from hintlite.pipeline.app.experiments.studies.definition import read_study

STUDY = """
base: {student: {depths: [9, 9, 9]}, data: {source: digits}}
arms:
  shallow: {arm: scratch, settings: {student: {depths: [1, 1, 1]}}}
  deep: {arm: scratch, settings: {student: {depths: [4, 4, 4]}}}
  deeper: {arm: scratch, settings: {student: {depths: [8, 8, 8]}}}
  hinted: {arm: hint+kd, settings: {student: {depths: [4, 4, 4], batch_norm: false}}}
  never run: {arm: kd}
"""
ACCURACIES = {
    "shallow": (0.90, 0.92),
    "deep": (0.88, 0.86),
    "deeper": (0.90, 0.10),
    "hinted": (0.10, 0.30),
}


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    runs = [
        {"arm": arm, "float32": value} for arm, values in ACCURACIES.items() for value in values
    ]
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"runs": runs}))
    return path, report


def found(study):
    path, report = study
    read = read_study(path)
    return depth_picture.series(read.arms, read.base, json.loads(report.read_text()))


def test_runs_are_sorted_by_method_normalization_and_depth(study):
    plain, hinted = found(study)
    assert (plain.method, plain.batch_norm) == ("scratch", True)
    assert plain.accuracies == {3: (0.90, 0.92), 12: (0.88, 0.86), 24: (0.90, 0.10)}
    assert (hinted.method, hinted.batch_norm) == ("hint+kd", False)
    assert hinted.accuracies == {12: (0.10, 0.30)}


def test_one_seed_that_fails_means_that_a_depth_does_not_train(study):
    plain, hinted = found(study)
    assert depth_picture.verdict(plain) == "plain: trains up to 12 convolutions"
    said = depth_picture.verdict(hinted)
    assert said == "hints + KD, no normalization: trains at none of its depths"


def test_a_depth_that_was_not_run_is_not_called_a_failure():
    shallow = depth_picture.Series("scratch", True, {3: (0.9,), 6: (0.85,)})
    said = depth_picture.verdict(shallow)
    assert said == "plain: trains at every depth that was run, up to 6 convolutions"


def test_a_deeper_success_after_a_failure_does_not_count():
    gap = depth_picture.Series("kd", True, {24: (0.9,), 3: (0.9,), 12: (0.1,)})
    assert gap.deepest == 3


def test_the_table_has_the_mean_and_the_worst_seed(study):
    lines = depth_picture.table(found(study)).splitlines()
    assert lines[0] == "| method | normalization | 3 | 12 | 24 |"
    assert lines[2] == "| plain | yes | 91.00 (90.00) | 87.00 (86.00) | 50.00 (10.00) |"
    assert lines[3] == "| hints + KD | no |  | 20.00 (10.00) |  |"


def test_the_command_draws_both_panels(study, tmp_path, monkeypatch, capsys):
    out = tmp_path / "depth.svg"
    words = ["depth_picture", *map(str, study), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    depth_picture.main()
    assert "- plain: trains up to 12 convolutions" in capsys.readouterr().out
    root = ElementTree.fromstring(out.read_text())
    texts = {"".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("text")}
    assert {"with batch normalization", "without", "plain", "hints + KD", "12"} <= texts
    described = root.find("{http://www.w3.org/2000/svg}desc").text
    assert "plain: trains up to 12 convolutions" in described
    assert float(root.attrib["width"]) > float(root.attrib["height"])


def test_a_study_without_runs_is_told_of(study, monkeypatch):
    path, report = study
    report.write_text(json.dumps({"runs": []}))
    monkeypatch.setattr(sys, "argv", ["depth_picture", str(path), str(report)])
    with pytest.raises(SystemExit, match="no finished run"):
        depth_picture.main()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("depths: [4, 4, 4]}}}", "preset: fitnet1}}}", "'deep' does not say student.depths"),
        ("depths: [8, 8, 8]", "depths: [6, 6]", "'deeper' has method and depth of another one"),
        ("arms:", "arms: [", "study.yaml"),
    ],
)
def test_a_study_that_is_none_of_depths_is_told_of(study, monkeypatch, before, after, said):
    path, report = study
    text = path.read_text().replace("base: {student: {depths: [9, 9, 9]}, ", "base: {")
    assert before in text
    path.write_text(text.replace(before, after, 1))
    monkeypatch.setattr(sys, "argv", ["depth_picture", str(path), str(report)])
    with pytest.raises(SystemExit, match=said):
        depth_picture.main()


def test_a_missing_report_is_told_of(study, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["depth_picture", str(study[0]), "missing.json"])
    with pytest.raises(SystemExit, match=r"missing\.json cannot be read"):
        depth_picture.main()
