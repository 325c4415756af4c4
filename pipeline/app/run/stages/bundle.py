"""bundle: the chosen student's files for a device."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hintlite.pipeline.app.run.context import Context, StageError, commit
from hintlite.pipeline.app.run.folder import RunError, Stage
from hintlite.pipeline.app.run.samples import DATA, FACTS, SAMPLES
from hintlite.pipeline.app.run.stages.quantize import SCORES, quantized
from hintlite.pipeline.app.run.validation import is_collapsed, sentence, worth
from hintlite.pipeline.runs.layout import INT8, file_name

if TYPE_CHECKING:
    from hintlite.pipeline.data.training_data import KeptData

NAME = "bundle"
DEVICE = "bundle/device"  # the folder that is copied to a device
PROVENANCE_LIBRARIES = ("keras", "tensorflow", "ai-edge-litert", "numpy")


def stage(context: Context) -> Stage:
    """The stage that writes device/, the bundle."""
    config = context.config
    settings = context.settings("seed", "bundle_samples", "deploy")
    settings["arms"] = list(config.arms)
    return Stage(
        name=NAME,
        version=2,
        settings=settings,
        inputs=(DATA, SAMPLES, *(f"quantize/{arm}" for arm in config.arms)),
        libraries=("ai-edge-litert", "numpy"),
        work=lambda folder: _work(context, folder),
    )


def chosen_arm(context: Context) -> str:
    """The arm that is deployed.

    The named one, or of those that have not collapsed the best on validation data, quantized, by
    what `training.choose_by` names.

    Raises:
        StageError: every student has collapsed, and `accept_chance` is not set.
    """
    config = context.config
    if config.deploy != "best":
        return config.deploy
    scores = {
        arm: json.loads(context.file(f"quantize/{arm}", SCORES).read_text()) for arm in config.arms
    }
    usable = {arm: found for arm, found in scores.items() if not is_collapsed(found)}
    if not usable and not config.accept_chance:
        report = shlex.join(["hintlite", "report", str(context.folder.path)])
        updates = _updates(context)
        raise StageError(
            "there is no best student to bundle: each answers one class whatever it sees, or no "
            "finite number ("
            + "; ".join(sentence(arm, found, updates) for arm, found in scores.items())
            + f")\n`{report}` shows how they were trained; "
            "--accept_chance true bundles one all the same"
        )
    finite = {arm: found for arm, found in (usable or scores).items() if found["finite"]}
    by = config.training.chosen_by
    return max(finite, key=lambda arm: worth(finite[arm], by), default=config.arms[0])


def int8_model(device: Path) -> Path:
    """The full-INT8 student of a bundle.

    Raises:
        RunError: the bundle holds a student of another precision.
    """
    found = next(device.glob(f"*_{INT8}.tflite"), None)
    if found is None:
        others = ", ".join(sorted(path.name for path in device.glob("*.tflite"))) or "no model"
        raise RunError(
            f"{device} holds {others}, expected student_{INT8}.tflite, from which alone files for "
            "microcontrollers, NPUs and phones are made: set quantize.method to ptq and "
            "quantize.activations to int8, then bundle again"
        )
    return found


def _work(context: Context, folder: Path) -> None:
    import hintlite.benchmarks.bench_tflite
    from hintlite.deploy.bundle.bundle import write_bundle

    data, config = context.kept, context.config
    arm = chosen_arm(context)
    rows = samples(data.labels, data.validation, config.bundle_samples)
    name = file_name(arm, quantized(context, arm))
    with context.terminal.task("bundle") as bar:
        write_bundle(
            folder / Path(DEVICE).name,
            models={name: context.file(f"quantize/{arm}", name).read_bytes()},
            labels=data.class_names,
            input_shape=data.input_shape,
            normalization=normalization(data),
            samples_raw=data.images[rows],
            sample_labels=data.labels[rows],
            bench_script=Path(hintlite.benchmarks.bench_tflite.__file__),
            provenance=provenance(context, arm),
        )
        bar.note = f"{arm}, chosen on the validation part" if config.deploy == "best" else arm
    found = json.loads(context.file(f"quantize/{arm}", SCORES).read_text())
    if is_collapsed(found):
        context.terminal.say(f"bundle: {sentence(arm, found, _updates(context))}")


def _updates(context: Context) -> int:
    """Steps that each student was trained for."""
    facts = json.loads(context.file(DATA, FACTS).read_text())
    return context.config.training.updates(int(facts["train"]))


def samples(labels: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """The first samples of each class in turn, so that a few samples show many classes.

    Args:
        labels: int64 [n], of all images.
        rows: int64, where to choose from.
        count: how many; all if there are fewer.
    """
    order: list[tuple[int, int]] = []
    seen: dict[int, int] = {}
    for row in rows:
        label = int(labels[row])
        order.append((seen.get(label, 0), int(row)))
        seen[label] = seen.get(label, 0) + 1
    return np.array([row for _, row in sorted(order)[:count]], np.int64)


def normalization(data: KeptData) -> dict[str, Any]:
    """How the device makes the input of raw values, for a manifest."""
    return {
        **data.normalization.to_dict(),
        "raw_dtype": data.raw_dtype,
        "raw_max": data.raw_max,
    }


def provenance(context: Context, arm: str) -> dict[str, object]:
    """Where the files come from."""
    from importlib import metadata

    facts = json.loads(context.file(DATA, FACTS).read_text())
    return {
        "hintlite": metadata.version("hintlite"),
        "commit": commit(),
        "arm": arm,
        "seed": context.config.seed,
        "data": facts.get("name") or facts["source"],
        "data_sha256": context.kept.fingerprint,
        "versions": {name: metadata.version(name) for name in PROVENANCE_LIBRARIES},
    }
