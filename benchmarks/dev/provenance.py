"""What a record says of where its figures come from."""

import os
import platform
from typing import Any

from hintlite.benchmarks.machine import processor
from hintlite.pipeline.app.run.context import commit
from hintlite.pipeline.app.run.folder import versions


def provenance(command: str, libraries: tuple[str, ...]) -> dict[str, Any]:
    """Command, commit, machine and versions, as plain data.

    Args:
        command: that makes the record.
        libraries: packages whose versions decide its figures.
    """
    return {
        "command": command,
        "commit": commit(),
        "machine": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "versions": versions(libraries),
    }
