"""The end of a complete run, from the command line as from Python: its page and its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hintlite.pipeline.app.run.context import Context

if TYPE_CHECKING:
    from hintlite.pipeline.app.run.table import Row


def conclude(context: Context) -> list[Row]:
    """Writes report.html and report.json into the run's folder.

    A single stage does not come here, so that it need not wait for matplotlib.

    Returns:
        The rows of the table: every model, float32 and INT8.
    """
    from hintlite.pipeline.app.run.table import rows
    from hintlite.pipeline.report.page import write_report

    path = context.folder.path
    with context.terminal.task("report"):
        write_report([path], path / "report.html", path / "report.json")
    return rows(context)
