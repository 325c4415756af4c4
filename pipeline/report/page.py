"""The report: one self-contained HTML file, and the same figures as JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hintlite.files import write_whole
from hintlite.pipeline.report.collect import SCHEMA, collect
from hintlite.pipeline.report.formats import count
from hintlite.pipeline.report.markup import FOLDER, environment
from hintlite.pipeline.report.palette import css_variables
from hintlite.pipeline.report.section import Report, Section
from hintlite.pipeline.report.subjects import (
    accuracy,
    comparison,
    confusion,
    curves,
    devices,
    doubts,
    explanation,
    hint_maps,
    latency,
    machine,
    microcontrollers,
    phones,
    quantization,
    reproduce,
    summary,
    table,
    training,
    unfinished,
)
from hintlite.pipeline.runs.reading import UnreadableError

# The subjects of the page in their order.
SUBJECTS: tuple[Any, ...] = (
    unfinished,
    doubts,
    summary,
    table,
    comparison,
    accuracy,
    training,
    confusion,
    curves,
    hint_maps,
    quantization,
    explanation,
    latency,
    devices,
    microcontrollers,
    phones,
    machine,
    reproduce,
)
_NUMBERS = re.compile(r"\[\n\s*((?:-?[\d.eE+-]+|null)(?:,\n\s*(?:-?[\d.eE+-]+|null))*)\n\s*\]")


def write_report(
    runs: Sequence[Path],
    html: Path,
    json_path: Path | None = None,
    measured: Sequence[Path] = (),
) -> list[dict[str, Any]]:
    """Writes the page of one run, or of several compared with the first.

    Args:
        runs: run folders, complete or not; the same folders give the same bytes.
        html: the page.
        json_path: the figures: what collect() returns, or for several runs a table with a list of
            these under "runs".
        measured: results and logs from other devices, shown with the first run.

    Returns:
        What collect() returned of each run.

    Raises:
        UnreadableError: one of them is no run folder, or none is given.
    """
    reports = read_reports(runs)
    if measured:
        reports[0].facts["measured"] = phones.measured_elsewhere(measured)
    write_whole(html, page(reports))
    facts = [report.facts for report in reports]
    if json_path is not None:
        content = facts[0] if len(facts) == 1 else {"schema": SCHEMA, "runs": facts}
        write_whole(json_path, json_text(content))
    return facts


def read_reports(runs: Sequence[Path]) -> list[Report]:
    """What the page says of some runs.

    Raises:
        UnreadableError: one of them is no run folder, or none is given.
    """
    if not runs:
        raise UnreadableError("expected at least one run folder, got none")
    names = report_names(runs)
    return [Report(name, run, collect(run)) for name, run in zip(names, runs, strict=True)]


def page(reports: Sequence[Report]) -> str:
    """The page's HTML."""
    return html_page(
        [report.name for report in reports],
        [_about(report, len(reports) > 1) for report in reports],
        [section for subject in SUBJECTS if (section := subject.render(reports))],
    )


def html_page(names: Sequence[str], about: Sequence[str], sections: Sequence[Section]) -> str:
    """A page of any sections.

    Args:
        names: of what it shows.
        about: lines below the title.
        sections: in their order.
    """
    script = (FOLDER / "page.js").read_text()
    template = environment().get_template("page.html.j2")
    return template.render(
        title="hintlite: " + ", ".join(names),
        names=names,
        about=about,
        sections=sections,
        style=Markup((FOLDER / "page.css").read_text()),
        light=Markup(css_variables(dark=False)),
        dark=Markup(css_variables(dark=True)),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _about(report: Report, several: bool) -> str:
    """A line below the title: the data and the seed."""
    data, seed = report.facts["data"], report.facts["seeds"]["seed"]
    name = f"{report.name}: " if several else ""
    if data is None:
        return f"{name}{report.facts['settings'].get('data', {}).get('source')}; seed {seed}"
    shape = " x ".join(str(size) for size in data["input_shape"])
    return (
        f"{name}{data['name']}, {shape}, {len(data['class_names'])} classes; "
        f"{count(data['train'])} training, {count(data['validation'])} validation, "
        f"{count(data['test'])} test samples; seed {seed}"
    )


def json_text(content: Any) -> str:
    """JSON with lists of numbers on one line each."""
    text = json.dumps(content, indent=1, allow_nan=False)
    # A line break within a string is written \n, so no string can match.
    return _NUMBERS.sub(lambda found: "[" + re.sub(r",\n\s*", ", ", found[1]) + "]", text) + "\n"


def report_names(runs: Sequence[Path]) -> list[str]:
    """A name for each run: its folder's, with the folders above it as far as names are equal."""
    paths = [run.resolve() for run in runs]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    seen: Counter[str] = Counter()  # the same folder twice
    for i, name in enumerate(names):
        seen[name] += 1
        names[i] = Path(name).name + (f" ({seen[name]})" if seen[name] > 1 else "")
    return names
