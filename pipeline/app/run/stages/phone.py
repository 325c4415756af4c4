"""phone: the bundled student in the precisions that phones run, compared with float."""

from __future__ import annotations

import json
from pathlib import Path

from hintlite.pipeline.app.run.context import (
    CONVERSION_LIBRARIES,
    Context,
    fresh_session,
    load_network,
)
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.samples import DATA, SAMPLES
from hintlite.pipeline.app.run.stages import bundle
from hintlite.pipeline.runs.layout import FLOAT, INT8, file_name

NAME = "phone"
FLOAT16, DYNAMIC_RANGE = "float16", "dynamic_range"
PRECISIONS = (FLOAT16, DYNAMIC_RANGE, INT8)


def stage(context: Context) -> Stage:
    """The stage that writes the .tflite files, labels.txt and phone.json."""
    arm = bundle.chosen_arm(context)
    return Stage(
        name=NAME,
        version=1,
        settings={"arm": arm},
        inputs=(DATA, SAMPLES, f"distill/{arm}", f"quantize/{arm}", bundle.NAME),
        libraries=CONVERSION_LIBRARIES,
        work=lambda folder: _work(context, arm, folder),
    )


def _work(context: Context, arm: str, folder: Path) -> None:
    from hintlite.deploy.bundle.phone import fits, phone_files

    data = context.kept
    bundle.int8_model(context.folder.path / bundle.DEVICE)
    with context.terminal.task("files for a phone") as bar:
        bar.update(0, 4, "converting")
        models = _models(context, arm)
        found = fits(
            models,
            context.file(f"quantize/{arm}", file_name(arm, FLOAT)).read_bytes(),
            data.fed(data.validation),
            data.labels[data.validation],
            progress=lambda done, total: bar.update(1 + done, 1 + total, "verifying"),
        )
        files = phone_files(
            models,
            conversions={file_name(arm, precision): precision for precision in PRECISIONS},
            labels=data.class_names,
            input_shape=data.input_shape,
            normalization=bundle.normalization(data),
            validation=found,
            provenance=bundle.provenance(context, arm),
        )
        for name, content in files.items():
            (folder / name).write_bytes(content)
        bar.note = ", ".join(
            f"{precision} {len(models[name]):,} bytes, as float on {found[name].agreement:.2%}"
            for precision in PRECISIONS
            if (name := file_name(arm, precision))
        )


def _models(context: Context, arm: str) -> dict[str, bytes]:
    """The bundle's INT8 file as it is; the others as quantize wrote them, or converted now."""
    int8 = file_name(arm, INT8)
    device = context.folder.path / bundle.DEVICE
    return {
        file_name(arm, FLOAT16): _precision(context, arm, FLOAT16),
        file_name(arm, DYNAMIC_RANGE): _precision(context, arm, DYNAMIC_RANGE),
        int8: (device / int8).read_bytes(),
    }


def _precision(context: Context, arm: str, precision: str) -> bytes:
    from hintlite.deploy.convert.convert import to_dynamic_range, to_float16

    written = context.file(f"quantize/{arm}", file_name(arm, precision))
    if written.is_file():
        return written.read_bytes()
    convert = {FLOAT16: to_float16, DYNAMIC_RANGE: to_dynamic_range}[precision]
    with fresh_session(0):
        return convert(load_network(context.file(f"distill/{arm}", "student.keras")))


def summary(context: Context) -> list[str]:
    """What the files are worth, in lines for the terminal."""
    described = json.loads(context.file(NAME, "phone.json").read_text())
    lines = []
    for name, entry in described["models"].items():
        fit = entry["validation"]
        lines.append(
            f"{name:32} {entry['bytes']:10,} bytes  chooses as float32 does on "
            f"{fit['agreement']:.2%} of {fit['samples']} validation samples, accuracy "
            f"{fit['accuracy']:.2%} (float32 {fit['float32_accuracy']:.2%})"
        )
    return lines
