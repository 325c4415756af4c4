"""evaluate: the test data, opened here and nowhere else, once for each final model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.files import write_whole
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.stages.data import NAME as DATA
from hintlite.pipeline.app.run.stages.quantize import precisions
from hintlite.pipeline.runs.layout import file_name

if TYPE_CHECKING:
    import numpy as np

    from hintlite.pipeline.data.sources.source import Labelled

NAME = "evaluate"
VERSION = 1


def stage(context: Context) -> Stage:
    """The stage that writes predictions.npz (per sample) and metrics.json (derived from it)."""
    test = _open_test(context)
    return Stage(
        name=NAME,
        version=VERSION,
        settings={"data": asdict(context.config.data), "test": _fingerprint(test)},
        inputs=(DATA, *(f"quantize/{model}" for model in context.models)),
        libraries=("ai-edge-litert", "numpy"),
        work=lambda folder: _work(context, test, folder),
    )


def _open_test(context: Context) -> Labelled:
    from hintlite.pipeline.data.held_out import load_test

    return load_test(context.config.data, context.data, context.source)


def _fingerprint(test: Labelled) -> str:
    digest = hashlib.sha256(test.images.tobytes())
    digest.update(test.labels.tobytes())
    return digest.hexdigest()


def _work(context: Context, test: Labelled, folder: Path) -> None:
    import numpy as np

    from hintlite.deploy.interpret.runtime import Runner

    images = context.data.normalization.apply(test.images)
    arrays = {"labels": test.labels, "rows": test.rows}
    pairs = [(model, each) for model in context.models for each in precisions(context, model)]
    with context.terminal.task("evaluation on the test part") as bar:
        for done, (model, precision) in enumerate(pairs):
            bar.update(done, len(pairs), f"{model} {precision}", line=True)
            path = context.file(f"quantize/{model}", file_name(model, precision))
            logits = Runner(path, threads=2).predict(images)
            arrays[f"{model}:{precision}"] = logits.astype(np.float32)
        bar.note = f"{len(test.labels)} samples, {len(pairs)} files"
    np.savez_compressed(str(folder / "predictions.npz"), allow_pickle=False, **arrays)
    write_whole(folder / "metrics.json", json.dumps(metrics(arrays), indent=1))


def alone(context: Context, file: Path) -> tuple[dict[str, Any], str]:
    """The test data asked of one file, for a student of which there is no other.

    Args:
        context: for the test data.
        file: `.tflite`, float.

    Returns:
        The figures of `share`, and the fingerprint of the test samples.
    """
    from hintlite.deploy.interpret.runtime import Runner

    test = _open_test(context)
    logits = Runner(file, threads=2).predict(context.data.normalization.apply(test.images))
    right = int((logits.argmax(axis=1) == test.labels).sum())
    return share(right, len(test.labels)), _fingerprint(test)


def metrics(arrays: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """From per-sample predictions to figures.

    Args:
        arrays: "labels" `[n]`, and "<model>:<precision>" -> logits `[n, classes]`.

    Returns:
        "<model>:<precision>" -> correct, total, accuracy, and its 95 % Wilson interval.
    """
    labels = arrays["labels"]
    figures: dict[str, dict[str, Any]] = {}
    for name, logits in arrays.items():
        if ":" not in name:
            continue
        figures[name] = share(int((logits.argmax(axis=1) == labels).sum()), len(labels))
    return figures


def share(correct: int, total: int) -> dict[str, Any]:
    """Accuracy with its 95 % Wilson interval (Wilson 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(correct, total).proportion_ci(method="wilson")
    return {
        "correct": correct,
        "total": total,
        "accuracy": correct / total,
        "low": float(interval.low),
        "high": float(interval.high),
    }
