"""Writes report.html, report.md, report.json and the pictures of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hintlite.files import write_whole
from hintlite.pipeline.report.figure import Picture, standalone
from hintlite.pipeline.report.markup import cells_of, details, entries, figures, join
from hintlite.pipeline.report.markup import table as html_table
from hintlite.pipeline.report.page import html_page, json_text
from hintlite.pipeline.report.section import Section
from hintlite.pipeline.report.study import forest, tables, words
from hintlite.pipeline.report.study.tables import Table
from hintlite.pipeline.runs.layout import FLOAT, INT8

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
    compared = [_markdown(tables.differences(facts, p)) for p in (INT8, FLOAT)]
    if any(compared):
        parts += ["## Differences", words.REFERENCE_NOTE, *compared]
    parts += ["## From float to INT8", words.DROPS_NOTE, _markdown(tables.drops(facts))]
    if facts["doubts"]:
        parts += ["## Doubts", _bullets(facts["doubts"])]
    if facts["missing"]:
        parts += ["## Missing", _bullets(facts["missing"])]
    parts += ["## Runs", _markdown(tables.runs(facts))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _pictures(facts: Facts) -> dict[str, Picture]:
    """File name -> picture."""
    drawn = {"means.svg": forest.means(facts)}
    for place, reference in enumerate(facts["compare_with"], start=1):
        anchor = f"study-forest-{place}"
        drawn[f"forest-{place}.svg"] = forest.differences(facts, reference, anchor)
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _sections(facts: Facts, pictures: Sequence[Picture]) -> list[Section]:
    sections = [Section("summary", "In short", entries(facts["findings"]))]
    if facts["doubts"]:
        sections.append(Section("doubts", "Doubts", entries(facts["doubts"])))
    if facts["missing"]:
        missing = details(f"{len(facts['missing'])} runs", entries(facts["missing"]))
        sections.append(Section("missing", "Missing", missing))
    if not facts["runs"]:
        return sections
    sections += [
        Section("arms", "Arms", _html(tables.arms(facts)), words.ARMS_NOTE),
        Section("pictures", "Means and differences", figures(pictures), words.PICTURE_NOTE),
    ]
    compared = join(*(_html(tables.differences(facts, p)) for p in (INT8, FLOAT)))
    if compared:
        sections.append(Section("differences", "Differences", compared, words.REFERENCE_NOTE))
    return [
        *sections,
        Section("drops", "From float to INT8", _html(tables.drops(facts)), words.DROPS_NOTE),
        Section("runs", "Runs", details("Every run", _html(tables.runs(facts)))),
    ]


def _html(table: Table) -> Markup:
    return html_table(table.caption, table.columns, table.rows)


def _markdown(table: Table) -> str:
    if not table.rows:
        return ""
    lines = [[column.title for column in table.columns]]
    lines.append(["--:" if column.number else "---" for column in table.columns])
    cells = cells_of(table.columns, table.rows)
    lines += [[each.text.replace("|", "\\|") for each in row] for row in cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
