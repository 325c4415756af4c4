"""Writes report.html, report.json and the pictures of a tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hintlite.files import write_whole
from hintlite.pipeline.report.figure import Picture, standalone
from hintlite.pipeline.report.markup import details, entries, figures
from hintlite.pipeline.report.page import html_page, json_text
from hintlite.pipeline.report.section import Section
from hintlite.pipeline.report.tuning import pictures, tables
from hintlite.pipeline.report.tuning.score import TITLES

Facts = Mapping[str, Any]
SUMMARY_NOTE = (
    "All scores are on validation data; the test data was not opened. The best of many trials "
    "looks better than it is, for it was chosen by this very figure: a run or a study with the "
    "settings of best.yaml says what they are worth."
)
SETTINGS_NOTE = (
    "Importance is the setting's share of the variance of the complete trials' scores (fANOVA, "
    "Hutter et al. 2014): within this search, for this base. With few trials it moves a lot."
)
HISTORY_NOTE = "Filled: complete; hollow: given up early, at its last epoch. The line: best so far."


def write_tuning(facts: Facts, folder: Path) -> None:
    """Writes the report of a tuning, finished or not; the same facts give the same bytes.

    Args:
        facts: of the tuning, plain data.
        folder: gets report.html, report.json, history.svg and importance.svg.
    """
    drawn = {
        "history.svg": pictures.history(facts),
        "importance.svg": pictures.importance(facts),
    }
    found = {name: picture for name, picture in drawn.items() if picture is not None}
    for name, picture in found.items():
        write_whole(folder / name, standalone(picture))
    write_whole(folder / "report.html", page(facts, list(found.values())))
    write_whole(folder / "report.json", json_text(facts))


def page(facts: Facts, drawn: Sequence[Picture]) -> str:
    """The page's HTML."""
    return html_page([f"tuning {facts['tuning']}"], [_about(facts)], _sections(facts, drawn))


def _about(facts: Facts) -> str:
    seeds = ", ".join(map(str, facts["seeds"]))
    return (
        f"{facts['arm']}, {len(facts['search'])} settings searched for the {facts['objective']} "
        f"{TITLES[facts['chosen_by']]}; {facts['validation_samples']} validation samples; seed "
        f"{seeds}"
    )


def _sections(facts: Facts, drawn: Sequence[Picture]) -> list[Section]:
    sections = [Section("summary", "In short", entries(facts["findings"]), SUMMARY_NOTE)]
    if facts["doubts"]:
        sections.append(Section("doubts", "Doubts", entries(facts["doubts"])))
    sections.append(Section("settings", "Settings", tables.settings(facts), SETTINGS_NOTE))
    if drawn:
        sections.append(Section("pictures", "Trials", figures(drawn), HISTORY_NOTE))
    if facts["best"] is not None:
        sections.append(Section("best", "Best trials", tables.best(facts)))
    if facts["trials"]:
        every = details(f"{len(facts['trials'])} trials", tables.every(facts))
        sections.append(Section("trials", "Every trial", every))
    return sections
