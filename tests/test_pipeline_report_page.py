"""The page as text: what stands in it, that it is escaped, self-contained and reproducible."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from report_run import settings, write_run

from hintlite.pipeline.report import formats
from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.confusion_picture import draw
from hintlite.pipeline.report.figure import drawing, to_picture
from hintlite.pipeline.report.images import image_uri
from hintlite.pipeline.report.page import json_text, write_report
from hintlite.pipeline.report.palette import COLOURS
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.report.subjects import comparison
from hintlite.pipeline.report.subjects.hint_maps import mean_map
from hintlite.pipeline.runs.reading import UnreadableError

HOSTILE = "<script>alert(1)</script>\"'&$x_1$"
EMPTY = {"meta", "link", "img", "path", "use", "br"}


class Page(HTMLParser):
    """Elements by tag, ids, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.text = [], [], text
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def page_of(*runs, folder):
    write_report(runs, folder / "report.html", folder / "report.json")
    return Page((folder / "report.html").read_text())


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    folder = tmp_path_factory.mktemp("complete")
    return page_of(write_run(folder / "mine", targets=("cortex-m4",)), folder=folder), folder


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    first = write_run(folder / "first")
    half = write_run(folder / "half", stages=8, now=settings(seed=8))
    return page_of(first, half, folder=folder)


def anchors(page):
    return [attributes["id"] for attributes in page.all("section")]


def test_a_complete_run_has_every_section(complete):
    page, folder = complete
    assert anchors(page) == [
        *("summary", "table", "accuracy", "training", "confusion", "hints", "quantization"),
        *("latency", "microcontrollers", "machine", "reproduce"),
    ]
    assert page.open == []
    assert sorted(path.name for path in folder.iterdir()) == ["mine", "report.html", "report.json"]


def test_ids_are_unique_and_pictures_have_names(complete, several):
    for page in (complete[0], several):
        ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
        assert len(ids) == len(set(ids))
        pictures = [svg for svg in page.all("svg") if svg.get("class") != "symbol"]
        assert len(pictures) > 8
        assert all(svg["role"] == "img" and len(svg["aria-label"]) > 20 for svg in pictures)
        assert all(image["alt"] for image in page.all("img"))


def test_every_reference_leads_somewhere_on_the_page(complete):
    page, _ = complete
    ids = {attributes["id"] for _, attributes in page.found if "id" in attributes}
    targets = set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", page.text))
    assert targets
    assert targets <= ids


def test_the_page_asks_for_nothing_from_outside(complete):
    page, _ = complete
    outside = re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*", page.text)
    assert outside == []
    assert "@import" not in page.text
    assert re.findall(r"url\((?!#)", page.text) == []
    policy = page.all("meta")[1]["content"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_placeholder_colours_became_variables(complete):
    page, _ = complete
    assert not [colour for colour in COLOURS if colour in page.text.lower()]
    used = set(re.findall(r"var\((--[a-z0-9]+)", page.text))
    assert used <= set(re.findall(r"(--[a-z0-9]+):", page.text))


def test_same_folders_same_bytes_without_tensorflow(complete, tmp_path):
    page, folder = complete
    code = (
        "import sys; from pathlib import Path;"
        "from hintlite.pipeline.report.page import write_report; "
        "write_report([Path(sys.argv[1])], Path(sys.argv[2]), Path(sys.argv[3])); "
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    made = [tmp_path / "report.html", tmp_path / "report.json"]
    command = [sys.executable, "-c", code, str(folder / "mine"), *map(str, made)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"
    assert made[0].read_text() == page.text  # though the other process has another hash seed
    assert made[1].read_text() == (folder / "report.json").read_text()


def test_report_json_holds_the_facts_of_one_run_or_of_several(complete, several, tmp_path):
    content = json.loads((complete[1] / "report.json").read_text())
    assert content["schema"] == "hintlite-report/1"
    assert content["run"] == "mine"
    run = write_run(tmp_path / "a", stages=1)
    write_report([run, run], tmp_path / "x.html", tmp_path / "x.json")
    assert [each["run"] for each in json.loads((tmp_path / "x.json").read_text())["runs"]] == [
        "a"
    ] * 2


def test_json_keeps_strings_and_shortens_lists():
    content = {"a": [1, 2.5, None, -3e-7], "b": "[\n 1,\n 2\n]", "c": [[1], ["x"]]}
    text = json_text(content)
    assert json.loads(text) == content
    assert '"a": [1, 2.5, null, -3e-07]' in text


@pytest.mark.parametrize("stages", [0, 2, 5, 8])
def test_a_page_of_what_there_is(tmp_path, stages):
    page = page_of(write_run(tmp_path / "half", stages), folder=tmp_path)
    found = anchors(page)
    assert found[0] == "unfinished"
    assert {"machine", "reproduce"} <= set(found)
    assert ("training" in found) == (stages > 1)
    assert ("accuracy" in found) == ("confusion" in found) == (stages > 7)
    assert "latency" not in found
    assert "benchmark has not run" in page.text
    assert f"hintlite run {tmp_path}/half" in page.text
    assert page.open == []


def test_names_are_escaped(tmp_path):
    run = write_run(tmp_path / "<img src=x onerror=alert(1)>", classes=(HOSTILE, "dog", "ant"))
    page = page_of(run, folder=tmp_path)
    assert len(page.all("script")) == 1  # ours
    assert "alert(1)" not in page.text.split("<script>")[1]
    assert not [image for image in page.all("img") if "onerror" in image]
    assert "A &lt;b&gt;CPU&lt;/b&gt;" in page.text
    assert "&lt;script&gt;alert(1)" in page.text


def test_a_class_label_is_no_formula():
    entry = {"model": "teacher", "precision": "int8", "counts": [[1, 0], [1, 1]]}
    svg = draw("x", entry, ["$\\frac", "a<b>"]).svg
    assert "$\\frac" in svg
    assert "a&lt;b&gt;" in svg


def test_many_classes_become_a_raster_with_tables():
    counts = np.eye(200, dtype=int).tolist()
    picture = draw("x", {"model": "teacher", "precision": "int8", "counts": counts}, ["c"] * 200)
    assert picture.svg.startswith('<img class="raster" src="data:image/png;base64,')
    assert "200 of 200 on the diagonal" in picture.svg


def test_runs_are_compared_with_the_first(several):
    assert anchors(several)[:2] == ["unfinished", "table"]
    text = re.sub(r"<[^>]+>", " ", several.text)
    assert "compares with the same model and precision of run first" in text
    table = several.text[several.text.index("Every run, model and precision") :]
    rows = re.findall(r"<tr>(.*?)</tr>", table[: table.index("</table>")], re.DOTALL)
    assert len(rows) == 1 + 6 + 6
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    last = dict(zip(cells[0], (re.sub("<.*?>", "", c) for c in cells[-1]), strict=False))
    assert (last["run"], last["model"], last["precision"]) == (
        "half",
        "student, hints + KD",
        "INT8",
    )
    assert last["points against first"] == "0.00"
    assert last["p50, µs"] == formats.DASH
    assert "Settings that differ" in text
    seeds = '<span>seed</span></th><td data-key="7">7</td><td data-key="8">8</td>'
    assert seeds in several.text


def test_other_test_samples_are_pointed_out(tmp_path):
    reports = [
        Report(name, run, collect(run))
        for name, run in (
            ("a", write_run(tmp_path / "a")),
            ("b", write_run(tmp_path / "b", test="u" * 64)),
            ("c", write_run(tmp_path / "c")),
        )
    ]
    assert "tested on different samples" in comparison.render(reports[:2]).note
    assert "different samples" not in comparison.render([reports[0], reports[2]]).note
    reports[1].facts["machines"][0]["cores"] = 4
    assert "compare no latencies" in comparison.render(reports[:2]).note


def test_runs_of_one_name_are_told_apart(tmp_path):
    runs = [write_run(tmp_path / where / "run", stages=1) for where in ("x", "y")]
    assert "<h1>x/run, y/run</h1>" in page_of(*runs, folder=tmp_path).text
    assert "<h1>run, run (2)</h1>" in page_of(runs[0], runs[0], folder=tmp_path).text


def test_no_run_and_no_run_folder_are_refused(tmp_path):
    with pytest.raises(UnreadableError, match="at least one"):
        write_report([], tmp_path / "x.html", None)
    with pytest.raises(UnreadableError, match="expected a run folder"):
        write_report([tmp_path], tmp_path / "x.html", None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("shape", "expected"), [((2, 3, 4), (2, 3)), ((5, 4), (1, 5)), ((7,), (1, 7))]
)
def test_maps_are_means_over_channels(shape, expected):
    features = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    found = mean_map(features)
    assert found.shape == expected
    reference = features if len(shape) == 1 else features.sum(axis=-1) / shape[-1]
    np.testing.assert_allclose(found.ravel(), reference.ravel())


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_channels_are_shown(channels):
    import base64
    import io

    from PIL import Image

    image = np.zeros((2, 3, channels), np.uint8)
    image[0, 0] = 200
    uri = image_uri(image, 0, 200)
    with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as shown:
        assert shown.size == (3, 2)
        assert shown.getpixel((0, 0)) == (255, 255, 255)
        assert shown.getpixel((2, 1)) == (0, 0, 0)


def test_ids_of_two_pictures_differ():
    texts = []
    for anchor in ("one", "two"):
        with drawing() as (figure, axes):
            axes.plot([1, 2], [3, 4], marker="o")
            texts.append(to_picture(figure, anchor, "A caption", "a description").svg)
    ids = [set(re.findall(r'id="([^"]*)"', text)) for text in texts]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert "<style" not in texts[0]
    assert ">A caption" not in texts[0]


def test_numbers_as_the_page_writes_them():
    assert formats.count(1234567) == "1,234,567"
    assert formats.percent(0.97214) == "97.21\u00a0%"
    assert formats.signed_points(-0.00836) == "\u22120.84"
    assert formats.signed_points(-0.00001) == "0.00"
    assert formats.signed_percent(0.5) == "+50.0\u00a0%"
    assert formats.microseconds(27.738) == "27.7"
    assert formats.microseconds(4272.1) == "4,272"
    assert {formats.count(None), formats.percent(None), formats.text(None)} == {formats.DASH}
    assert formats.text(True) == "yes"
