"""A study's report: what its facts say, and what the page, the Markdown and the pictures show."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from study_facts import KEY, facts_of, plan, record, values

from hintlite.pipeline.app.experiments.studies.doubts import doubts
from hintlite.pipeline.app.experiments.studies.records import Records
from hintlite.pipeline.report import formats
from hintlite.pipeline.report.study.write import write_study


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    """A study in which KD is really better than the student alone, and hints really worse."""
    return facts_of(tmp_path_factory.mktemp("facts"), values())


def by_arm(rows, reference):
    return {row["arm"]: row for row in rows if row["reference"] == reference}


def test_means_are_those_of_the_records(facts):
    arm = next(arm for arm in facts["arms"] if arm["name"] == "kd")
    expected = np.array(values()["kd"]["int8"]) / 1000
    assert (arm["n"], arm["planned"]) == (5, 5)
    assert arm["int8"]["mean"] == pytest.approx(expected.mean())
    assert arm["int8"]["sd"] == pytest.approx(expected.std(ddof=1))
    assert arm["wall_s"] == pytest.approx(100 + 20)
    assert facts["teachers"][0]["students"] == 17


def test_wins_and_losses_are_found_alike(facts):
    found = by_arm(facts["comparisons"]["int8"], "scratch")
    assert {arm: row["verdict"] for arm, row in found.items()} == {
        "kd": "significant",
        "hint+kd": "significant",
        "few": "too few pairs",
    }
    assert found["kd"]["mean"] > 0 > found["hint+kd"]["mean"]
    assert any("INT8: kd is" in line and "above scratch" in line for line in facts["findings"])
    assert any("hint+kd is" in line and "below scratch" in line for line in facts["findings"])
    assert by_arm(facts["comparisons"]["float32"], "scratch")["kd"]["verdict"] == "not significant"


def test_the_headline_is_chosen_by_what_choose_by_names(tmp_path):
    chosen = {arm: values()[arm] for arm in ("scratch", "kd")}

    def judged(record):
        worth = -0.3 if record["arm"] == "scratch" else -0.4
        record["validation"] |= {"int8": 0.9, "chosen_by": "loss", "worth": worth}

    (headline, *_) = facts_of(tmp_path, chosen, change=judged)["findings"]
    assert headline.startswith(
        "INT8: validation data chooses scratch by validation cross-entropy, with 90.04 % on test"
    )


def test_the_headline_is_chosen_on_validation_data(tmp_path):
    chosen = {arm: values()[arm] for arm in ("scratch", "kd")}

    def flattered(record):
        if record["arm"] == "scratch":
            record["validation"]["int8"] = 0.99

    (headline, *_) = facts_of(tmp_path, chosen, change=flattered)["findings"]
    assert headline == (
        "INT8: validation data chooses scratch, with 90.04 % on test data (mean of 5 runs, 95 % "
        "interval 89.74 to 90.34); the float teacher has 93.50 %"
    )


def test_what_int8_costs_is_compared_over_the_same_students(facts):
    lost = {row["arm"]: row for row in facts["drops"]["arms"]}
    given = values()["hint+kd"]
    expected = np.array(given["int8"]) / 1000 - np.array(given["float32"]) / 1000
    assert lost["hint+kd"]["mean"] == pytest.approx(expected.mean())
    beyond = {row["arm"]: row for row in facts["drops"]["comparisons"]}
    assert beyond["hint+kd"]["verdict"] == "significant"
    assert beyond["hint+kd"]["mean"] < 0


def test_everything_is_written_and_twice_the_same(facts, tmp_path):
    names = {"report.html", "report.md", "report.json", "means.svg", "forest-1.svg", "forest-2.svg"}
    for place in ("a", "b"):
        write_study(facts, tmp_path / place)
        assert {path.name for path in (tmp_path / place).iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    page = (tmp_path / "a" / "report.html").read_text()
    text = (tmp_path / "a" / "report.md").read_text()
    for line in facts["findings"]:
        assert line in text
    row = next(line for line in text.splitlines() if line.startswith("| kd | scratch | 5 |"))
    assert row.endswith("| significantly higher |")
    assert not re.search(r"\breal\b|told apart|told from", text)
    assert "| hint+kd | scratch | 5 |" in text
    assert page.count("<svg role=") == 3


def test_pictures_are_files_of_their_own(facts, tmp_path):
    write_study(facts, tmp_path)
    for path in tmp_path.glob("*.svg"):
        root = ET.fromstring(path.read_text())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert float(root.get("height")) > 60
        assert "var(" not in path.read_text()
    forest = (tmp_path / "forest-1.svg").read_text()
    # Blue for what is really higher, orange for what is really lower, in this order of lines.
    places = [
        [float(y) for y in re.findall(rf'y="([\d.]+)" style="fill: {colour}', forest)]
        for colour in ("#0067a5", "#c04a00")
    ]
    assert all(places)
    assert max(places[0]) < min(places[1])


def test_a_study_without_runs_is_reported_too(tmp_path):
    facts = facts_of(tmp_path / "records", {})
    assert facts["findings"] == ["unfinished: 0 of 17 runs are there"]
    write_study(facts, tmp_path / "report")
    assert "kd, seed 0, teacher 0" in (tmp_path / "report" / "report.md").read_text()
    assert not list((tmp_path / "report").glob("*.svg"))


def test_a_student_whose_layer_died_counts_in_float_alone(tmp_path):
    def kill(record):
        if record["arm"] == "few" or (record["arm"], record["seed"]) == ("kd", 2):
            record["test"]["int8"] = None
            record["validation"] |= {"int8": None, "agreement": None}
            record["bytes"]["int8"] = None
            record["unquantized"] = "a tensor was 0 on every calibration sample"

    facts = facts_of(tmp_path / "records", values(), kill)
    arms = {arm["name"]: arm for arm in facts["arms"]}
    assert (arms["kd"]["float32"]["n"], arms["kd"]["int8"]["n"]) == (5, 4)
    assert arms["kd"]["bytes"]["int8"] == 37_000
    assert (arms["few"]["int8"], arms["few"]["validation"], arms["few"]["n"]) == (None, None, 2)
    kd = by_arm(facts["comparisons"]["int8"], "scratch")["kd"]
    given = np.array(values()["kd"]["int8"]) - np.array(values()["scratch"]["int8"])
    assert kd["n"] == 4
    assert kd["mean"] == pytest.approx(np.delete(given, 2).mean() / 1000)
    assert by_arm(facts["comparisons"]["float32"], "scratch")["kd"]["n"] == 5
    assert [row["n"] for row in facts["drops"]["arms"] if row["arm"] == "kd"] == [4]
    (doubt,) = [line for line in facts["doubts"] if line.startswith("No INT8 file")]
    assert {"kd seed 2", "few seed 0", "few seed 1"} <= set(re.split(r": |, |\.", doubt))
    write_study(facts, tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("| few |"))
    assert "91.05" in line  # its float mean; of INT8 there is none
    dashes = " | ".join(formats.DASH * 4)
    assert f"| {dashes} | 27,000 | {formats.DASH} |" in line
    assert (tmp_path / "report" / "means.svg").exists()


def test_a_study_that_compares_nothing_has_no_section_on_differences(facts, tmp_path):
    nothing = {"int8": [], "float32": []}
    write_study(dict(facts) | {"compare_with": [], "comparisons": nothing}, tmp_path)
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text()
        assert "Differences are paired" not in text
        assert "INT8 minus float" in text


def said(*changed):
    """The doubts about two runs of KD, the second with changes."""
    first, second = plan().runs[1], plan().runs[5]
    records = {first.id: record(first, 900, 900), second.id: record(second, 900, 900)}
    for change in changed:
        change(records[second.id])
    runs = [{"id": run.id, "arm": run.arm, "seed": run.seed} for run in (first, second)]
    return "\n".join(doubts(plan(), Records(records, ()), runs))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r["teacher"].update(weights_sha256="f" * 64), "was trained 2 times"),
        (lambda r: r["versions"].update(keras="3.99"), "keras (3.15.1, 3.99)"),
        (lambda r: r.update(commit="abc+changes"), "uncommitted changes"),
        (lambda r: r.update(test_sha256="other"), "the test samples"),
        (lambda r: r["machine"].update(processor="another"), "the machine"),
        (lambda r: r["validation"].update(agreement=0.5), "kd seed 1 (agreement 50.00%"),
        (lambda r: r["validation"].update(int8=0.7), "points lost"),
    ],
)
def test_what_makes_a_comparison_doubtful_is_said(change, sentence):
    assert sentence not in said()
    assert sentence in said(change)


def test_runs_of_different_teachers_are_named():
    text = said(lambda r: r["teacher"].update(weights_sha256="f" * 64))
    assert "0" * 8 + " taught kd seed 0" in text
    assert "f" * 8 + " taught kd seed 1" in text


def test_arms_that_ask_for_another_teacher_are_named():
    made = plan()
    runs = [replace(r, teacher="other") if r.arm == "few" else r for r in made.runs]
    found = "\n".join(doubts(replace(made, runs=tuple(runs)), Records({}, ()), []))
    assert f"scratch, kd, hint+kd (teacher {KEY}); few (teacher other)" in found
    assert "do not share" not in said()
