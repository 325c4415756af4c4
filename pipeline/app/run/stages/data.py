"""data: who is trained on, validated on, calibrated with; the test part's place is only noted."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from hintlite.files import write_whole
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import Stage

NAME = "data"


def stage(context: Context) -> Stage:
    """The stage that writes splits.npz and data.json."""
    settings = asdict(context.config.data)
    settings.pop("augmentation")
    return Stage(
        name=NAME,
        version=1,
        settings={"data": settings, "fingerprint": context.data.fingerprint},
        inputs=(),
        libraries=("numpy",),
        work=lambda folder: _work(context, folder),
    )


def _work(context: Context, folder: Path) -> None:
    data = context.data
    data.split_indices().save(folder / "splits.npz")
    facts = {
        "source": context.config.data.source,
        "fingerprint": data.fingerprint,
        "input_shape": list(data.input_shape),
        "raw_dtype": data.raw_dtype,
        "class_names": list(data.class_names),
        "normalization": data.normalization.to_dict(),
        "train": len(data.train),
        "validation": len(data.validation),
        "calibration": len(data.calibration),
    }
    write_whole(folder / "data.json", json.dumps(facts, indent=1))
    context.terminal.say(
        f"data: {context.config.data.source}, {len(data.train)} to train on, "
        f"{len(data.validation)} to validate, {len(data.calibration)} of the training part to "
        f"calibrate, images {data.input_shape}, {len(data.class_names)} classes"
    )
