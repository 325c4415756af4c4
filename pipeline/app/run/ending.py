"""The end of a complete run, from the command line as from Python: its page and its figures."""

from __future__ import annotations

from typing import Any

from hintlite.pipeline.app.run.context import Context


def conclude(context: Context) -> dict[str, Any]:
    """Writes report.html and report.json into the run's folder.

    A single stage does not come here, so that it need not wait for matplotlib.

    Returns:
        What report.json says.
    """
    from hintlite.pipeline.report.page import write_report

    path = context.folder.path
    with context.terminal.task("report"):
        (facts,) = write_report([path], path / "report.html", path / "report.json")
    return facts
