"""A tuning's page: its tables, its pictures, and what it says of trials that failed."""

import re
import xml.etree.ElementTree as ET

import pytest
from tuning_facts import facts_of

from hintlite.pipeline.report.tuning.tables import value
from hintlite.pipeline.report.tuning.write import write_tuning


@pytest.fixture
def facts():
    """A tuning of five trials, the third of them the best."""
    return facts_of()


def table(page, caption):
    """The text of a table's rows."""
    part = page[page.index(f"{caption}</caption>") :]
    rows = re.findall(r"<tr.*?</tr>", part[: part.index("</table>")], re.DOTALL)
    return [" | ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in rows]


def test_everything_is_written_and_twice_the_same(facts, tmp_path):
    names = {"report.html", "report.json", "history.svg", "importance.svg"}
    for place in ("a", "b"):
        write_tuning(facts, tmp_path / place)
        assert {path.name for path in (tmp_path / place).iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    page = (tmp_path / "a" / "report.html").read_text()
    assert page.count("<svg role=") == 2
    assert "the test data was not opened" in page
    assert "trials differ in their commit" in page


def test_the_tables_hold_the_best_once_and_every_trial(facts, tmp_path):
    write_tuning(facts, tmp_path)
    page = (tmp_path / "report.html").read_text()
    _, *best = table(page, "Best trials")
    assert [row.split(" | ")[0] for row in best] == ["2", "0"]
    assert "93.00" in best[0]
    _, *every = table(page, "Every trial")
    assert len(every) == 5
    assert "given | up | at | 50.00" in every[1]
    assert "&lt;b&gt;" in page
    assert "<b>;" not in page
    _, rate, depths = table(page, "Searched settings")
    assert "0.001 | to | 0.01, | logarithmic | 0.002 | 0.003 | 75" in rate
    assert "[2, | 2]" in depths


def test_pictures_show_the_best_so_far_and_the_shares(facts, tmp_path):
    write_tuning(facts, tmp_path)
    for name in ("history.svg", "importance.svg"):
        text = (tmp_path / name).read_text()
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in text
    described = (tmp_path / "importance.svg").read_text()
    assert "training.learning_rate 75 %, student.depths 25 %" in described


def test_losses_are_shown_as_losses(facts, tmp_path):
    losses = [t | {"value": t["value"] and -t["value"], "last": -0.5} for t in facts["trials"]]
    write_tuning(facts | {"chosen_by": "loss", "trials": losses, "best": losses[0]}, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "searched for the int8 validation cross-entropy" in page
    _, *best = table(page, "Best trials")
    assert "0.8100" in best[0]
    _, *every = table(page, "Every trial")
    assert "given | up | at | 0.5000" in every[1]
    assert "the best is trial 0 with 0.8100" in (tmp_path / "history.svg").read_text()


def test_a_tuning_without_complete_trials_has_a_page_too(facts, tmp_path):
    nothing = facts | {"best": None, "importance": None, "trials": facts["trials"][3:4]}
    write_tuning(nothing, tmp_path)
    assert not list(tmp_path.glob("*.svg"))
    page = (tmp_path / "report.html").read_text()
    assert "must be above 0" in page
    assert "Best trials" not in page


def test_values_are_written_as_people_write_them():
    assert [value(each) for each in (0.00214, [3, 4], True, 5, None, "cosine")] == [
        "0.00214",
        "[3, 4]",
        "yes",
        "5",
        "–",  # noqa: RUF001
        "cosine",
    ]
