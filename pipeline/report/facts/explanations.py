"""Where the error of each INT8 file comes from, for the models that were explained."""

from __future__ import annotations

import shlex
from typing import Any

from hintlite.pipeline.runs.reading import RunFiles

FOLDER, FILE = "explain", "explain.json"


def explanations(run: RunFiles) -> list[dict[str, Any]]:
    """One entry a model that an explanation was begun for.

    Returns:
        model; content, what explain.json holds, or null where that no longer fits the run; state
        and reason of the stage; command, which makes it anew.
    """
    entries = []
    for model in run.models:
        stage = f"{FOLDER}/{model}"
        if run.state(stage).state == "missing":
            continue
        content = run.json(stage, FILE)
        entries.append(
            {
                "model": model,
                "state": run.state(stage).state,
                "reason": run.state(stage).reason,
                "content": content,
                "command": f"hintlite quantize {shlex.quote(str(run.path))} --explain",
            }
        )
    return entries
