"""Writes report.html, report.md, report.json and the pictures of a study."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hintlite.files import write_whole
from hintlite.pipeline.report.figure import Picture
from hintlite.pipeline.report.markup import details, figures, join, part
from hintlite.pipeline.report.markup import table as html_table
from hintlite.pipeline.report.page import html_page, json_text
from hintlite.pipeline.report.palette import COLOURS
from hintlite.pipeline.report.section import Section
from hintlite.pipeline.report.study import forest, tables, words
from hintlite.pipeline.report.study.tables import Table

Facts = Mapping[str, Any]


def write_study(facts: Facts, folder: Path) -> None:
    """Writes the report of a study, finished or not; the same facts give the same bytes.

    Args:
        facts: of the study, plain data.
        folder: gets report.html, report.md, report.json, means.svg and forest-1.svg, ...
    """
    pictures = _pictures(facts)
    for name, picture in pictures.items():
        write_whole(folder / name, standalone(picture))
    write_whole(folder / "report.html", page(facts, list(pictures.values())))
    write_whole(folder / "report.md", markdown(facts, pictures))
    write_whole(folder / "report.json", json_text(facts))


def page(facts: Facts, pictures: Sequence[Picture]) -> str:
    """The page's HTML."""
    return html_page([f"study {facts['study']}"], [words.about(facts)], _sections(facts, pictures))


def markdown(facts: Facts, pictures: Mapping[str, Picture]) -> str:
    """The same as Markdown, with the pictures beside it."""
    parts = [f"# Study {facts['study']}", words.about(facts), _bullets(facts["findings"])]
    parts += ["## Arms", words.ARMS_NOTE, _markdown(tables.arms(facts))]
    parts += [f"![{picture.caption}]({name})" for name, picture in pictures.items()]
    compared = [_markdown(tables.differences(facts, p)) for p in (tables.INT8, tables.FLOAT)]
    if any(compared):
        parts += ["## Differences", words.REFERENCE_NOTE, *compared]
    parts += ["## From float to INT8", words.DROPS_NOTE, _markdown(tables.drops(facts))]
    if facts["doubts"]:
        parts += ["## Doubts", _bullets(facts["doubts"])]
    if facts["missing"]:
        parts += ["## Missing", _bullets(facts["missing"])]
    parts += ["## Runs", _markdown(tables.runs(facts))]
    return "\n\n".join(part for part in parts if part) + "\n"


def standalone(picture: Picture) -> str:
    """A picture as a file of its own: light colours on white, its size, its font."""
    text = str(picture.svg)
    for variable, (light, _) in COLOURS.values():
        text = text.replace(f"var({variable})", light)
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert found is not None, "matplotlib's SVG has a viewBox"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{float(found[1]):.0f}" '
        f'height="{float(found[2]):.0f}" font-family="DejaVu Sans, Verdana, sans-serif"'
    )
    text = text.replace("<svg", head, 1)
    end = text.index(">") + 1
    return text[:end] + '<rect width="100%" height="100%" fill="#ffffff"/>' + text[end:] + "\n"


def _pictures(facts: Facts) -> dict[str, Picture]:
    """File name -> picture."""
    drawn = {"means.svg": forest.means(facts)}
    for place, reference in enumerate(facts["compare_with"], start=1):
        anchor = f"study-forest-{place}"
        drawn[f"forest-{place}.svg"] = forest.differences(facts, reference, anchor)
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _sections(facts: Facts, pictures: Sequence[Picture]) -> list[Section]:
    sections = [Section("summary", "In short", part("list", entries=facts["findings"]))]
    if facts["doubts"]:
        sections.append(Section("doubts", "Doubts", part("list", entries=facts["doubts"])))
    if facts["missing"]:
        missing = details(f"{len(facts['missing'])} runs", part("list", entries=facts["missing"]))
        sections.append(Section("missing", "Missing", missing))
    if not facts["runs"]:
        return sections
    sections += [
        Section("arms", "Arms", _html(tables.arms(facts)), words.ARMS_NOTE),
        Section("pictures", "Means and differences", figures(pictures), words.PICTURE_NOTE),
    ]
    compared = join(*(_html(tables.differences(facts, p)) for p in (tables.INT8, tables.FLOAT)))
    if compared:
        sections.append(Section("differences", "Differences", compared, words.REFERENCE_NOTE))
    return [
        *sections,
        Section("drops", "From float to INT8", _html(tables.drops(facts)), words.DROPS_NOTE),
        Section("runs", "Runs", details("Every run", _html(tables.runs(facts)))),
    ]


def _html(table: Table) -> Markup:
    if not table.rows:
        return Markup("")
    return html_table(table.caption, table.columns, table.rows)


def _markdown(table: Table) -> str:
    if not table.rows:
        return ""
    lines = [[column.title for column in table.columns]]
    lines.append(["--:" if column.number else "---" for column in table.columns])
    lines += [[each.text.replace("|", "\\|") for each in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
