"""What `hintlite qat` prints of its outcome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hintlite.pipeline.app.run.qat.acceptance import sentence
from hintlite.pipeline.runs.layout import INT8


def show(place: Path, as_json: bool) -> None:
    """Prints what a record says.

    Args:
        place: of the record, beside the files.
        as_json: print all of it.
    """
    record = json.loads(place.read_text())
    if as_json:
        print(json.dumps(record, indent=1))
        return
    print(
        f"{sentence(record)}\n{_likeness(record)}\n"
        f"full INT8, {record['bytes'][INT8]:,} bytes: {place.parent / record['files'][INT8]}\n"
        f"record: {place}"
    )


def _likeness(record: dict[str, Any]) -> str:
    """How near the file is to what it was made of."""
    qat = record["qat"]
    if record["job"] is None:
        return (
            f"file and float network choose alike on {record['figures']['agreement']:.2%} of it; "
            "calibrated alone, nothing was trained (--epochs)"
        )
    return (
        f"file and fake-quantized network choose alike on {qat['agreement']:.2%} of it, at most "
        f"{qat['max_difference_steps']:.1f} steps of the output apart"
    )
