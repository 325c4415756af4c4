"""Pictures that stand alone: what a README shows must be legible on any page, and true."""

import re
from xml.etree import ElementTree

import pytest
from markupsafe import Markup
from report_run import settings, write_run

from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.report.figure import Picture, standalone
from hintlite.pipeline.report.palette import COLOURS
from hintlite.pipeline.report.pictures import write_pictures
from hintlite.pipeline.runs.reading import UnreadableError

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["accuracy-bytes.svg", "accuracy-latency.svg", "accuracy-macs.svg"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The command's pictures of one run, parsed."""
    folder = tmp_path_factory.mktemp("pictures")
    run = write_run(folder / "mine")
    assert main(["report", str(run), "--pictures", str(folder / "out")]) == 0
    assert sorted(path.name for path in (folder / "out").iterdir()) == NAMES
    return {path.name: ElementTree.parse(path).getroot() for path in (folder / "out").iterdir()}


def test_each_has_a_name_and_a_description_for_those_who_do_not_see_it(pictures):
    for root in pictures.values():
        assert root.tag == f"{SVG}svg"
        assert root.get("role") == "img"
        named = {child.get("id"): child.text for child in root if child.get("id")}
        assert root.get("aria-labelledby").split() == ["title", "description"]
        assert named["title"].startswith("Accuracy against")
        assert "6 points" in named["description"]  # teacher and two arms, float and INT8
        assert "the highest has 100.00 %" in named["description"]


def test_each_has_paper_below_everything_and_no_placeholder_colour(pictures):
    for root in pictures.values():
        drawn = [child for child in root if child.tag not in (f"{SVG}title", f"{SVG}desc")]
        assert drawn[0].tag == f"{SVG}rect"
        assert drawn[0].get("fill") == "#ffffff"
        text = ElementTree.tostring(root, encoding="unicode").lower()
        assert not [colour for colour in COLOURS if colour in text]
        assert "var(--" not in text
        assert COLOURS["#070701"][1][0] in text  # the first student's, for light paper


def test_each_carries_its_legend_and_nothing_from_outside(pictures):
    for root in pictures.values():
        texts = {element.text for element in root.iter(f"{SVG}text")}
        assert {"teacher", "student alone", "student, hints + KD"} <= texts
        assert {"hollow: float", "filled: integers", "test accuracy, %"} <= texts
        text = ElementTree.tostring(root, encoding="unicode")
        assert re.findall(r"(?:src|href)=\"(?!#)[^\"]*", text) == []
        assert "sans-serif" in text


def test_same_runs_same_bytes_and_several_runs_are_told_apart(tmp_path):
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", now=settings(seed=8))]
    first = [path.read_bytes() for path in write_pictures(runs, tmp_path / "one")]
    again = [path.read_bytes() for path in write_pictures(runs, tmp_path / "two")]
    assert first == again
    assert b"run a" in first[0]
    assert b"run b" in first[0]


def test_a_run_that_was_not_evaluated_gives_no_picture_but_a_sentence(tmp_path):
    run = write_run(tmp_path / "early", stages=4)
    with pytest.raises(UnreadableError, match="no model of these runs was evaluated yet"):
        write_pictures([run], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_titles_are_escaped():
    svg = Markup('<svg role="img" viewBox="0 0 9 9"><g/></svg>')
    text = standalone(Picture(svg, "a < b", "c & d"))
    root = ElementTree.fromstring(text)
    assert [child.text for child in root][:2] == ["a < b", "c & d"]
