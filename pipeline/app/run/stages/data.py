"""data: who is trained on, validated on, calibrated with; the test part's place is only noted.

Its second stage, samples, keeps what the stages after the training read, so that a finished run
needs the training data no more.
"""

from __future__ import annotations

import json
from pathlib import Path

from hintlite.files import write_whole
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.samples import DATA, DIGESTS, FACTS, SAMPLES, SPLITS
from hintlite.pipeline.settings.data import FROM_PYTHON


def stages(context: Context) -> list[Stage]:
    """The stages that write splits.npz and data.json, and the samples that are kept."""
    return [stage(context), _samples(context)]


def stage(context: Context) -> Stage:
    """The stage that writes splits.npz, digests.npy and data.json."""
    return Stage(
        name=DATA,
        version=1,
        settings={
            "data": context.samples.settings(),
            "fingerprint": context.samples.fingerprint,
        },
        inputs=(),
        libraries=("numpy",),
        work=lambda folder: _work(context, folder),
        origin={"path": context.config.data.path},
    )


def _samples(context: Context) -> Stage:
    return Stage(
        name=SAMPLES,
        version=1,
        settings={},
        inputs=(DATA,),
        libraries=(),
        work=lambda folder: _keep(context, folder),
    )


def _work(context: Context, folder: Path) -> None:
    from hintlite.pipeline.data.copies import write_digests
    from hintlite.pipeline.data.kinds import BY_RANK

    data = context.data
    write_digests(data.images, folder / DIGESTS)
    data.split_indices().save(folder / SPLITS)
    facts = {
        "source": context.config.data.source,
        "name": data.name,
        "fingerprint": data.fingerprint,
        "input_shape": list(data.input_shape),
        "raw_dtype": data.raw_dtype,
        "class_names": list(data.class_names),
        "normalization": data.normalization.to_dict(),
        "train": len(data.train),
        "validation": len(data.validation),
        "calibration": len(data.calibration),
        "values": None if data.values is None else data.values.to_dict(),
        "notes": list(data.notes),
    }
    write_whole(folder / FACTS, json.dumps(facts, indent=1))
    for note in data.notes:
        context.terminal.say(note)
    apart = len(data.test_rows)  # where the test set is one of its own, it is not opened yet
    held_out = f", {apart} set aside for the test" if apart else ""
    context.terminal.say(
        f"data: {data.name}, {len(data.train)} to train on, "
        f"{len(data.validation)} to validate, {len(data.calibration)} of the training part to "
        f"calibrate{held_out}, {BY_RANK[len(data.input_shape)]} {data.input_shape}, "
        f"{len(data.class_names)} classes"
    )


def _keep(context: Context, folder: Path) -> None:
    from hintlite.pipeline.data.calibration import check_calibration
    from hintlite.pipeline.data.kept import fits, keep

    data = context.data
    check_calibration(data)
    from_python = context.config.data.source == FROM_PYTHON
    kept = keep(data, folder, whole=from_python and fits(data))
    if kept < len(data.validation):
        context.terminal.say(
            f"samples: {kept} of the {len(data.validation)} validation samples are kept in the "
            "run; files are verified on these"
        )
    if from_python and not fits(data):
        context.terminal.say(
            f"samples: the training part, {data.images.nbytes / 1e6:,.0f} MB, is not kept: for "
            "another training, give the same samples again"
        )
