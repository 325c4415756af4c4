"""evaluate: the test data, opened here and nowhere else, once for each final model."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.files import write_whole
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunError, Stage
from hintlite.pipeline.app.run.samples import DATA, DIGESTS, SAMPLES
from hintlite.pipeline.app.run.stages.quantize import precisions
from hintlite.pipeline.runs.evaluations import note_evaluation
from hintlite.pipeline.runs.layout import file_name
from hintlite.pipeline.settings.data import FROM_PYTHON

if TYPE_CHECKING:
    import numpy as np

    from hintlite.pipeline.data.rows import LazyRows
    from hintlite.pipeline.data.sources.source import Labelled

NAME = "evaluate"
VERSION = 2
TEST = "test.npz"  # the test samples of a run from Python, for another evaluation


def stage(context: Context) -> Stage:
    """The stage that writes predictions.npz (per sample) and metrics.json (derived from it)."""
    test = cache(lambda: _open_test(context))
    return Stage(
        name=NAME,
        version=VERSION,
        settings={
            "data": context.samples.settings(),
            "test": _recorded(context) or _fingerprint(test()),
        },
        inputs=(DATA, SAMPLES, *(f"quantize/{model}" for model in context.models)),
        libraries=("ai-edge-litert", "numpy"),
        work=lambda folder: _work(context, test(), folder),
    )


def _recorded(context: Context) -> str | None:
    """The fingerprint that an earlier evaluation has noted, where the samples need no look."""
    record = context.folder.found(NAME)
    if record is None or context.samples.kept_fingerprint is None:
        return None
    same = record["settings"]["data"] == context.samples.settings()
    return str(record["settings"]["test"]) if same else None


def _open_test(context: Context) -> Labelled:
    import numpy as np

    from hintlite.pipeline.data.held_out import load_test
    from hintlite.pipeline.data.sources.source import Labelled

    if not context.samples.is_gone:
        return load_test(
            context.config.data, context.kept, context.samples.source, context.samples.disk
        )
    kept = context.folder.place(NAME) / TEST
    if not kept.is_file():
        raise RunError(context.samples.gone("the evaluation"))
    with np.load(kept, allow_pickle=False) as file:
        return Labelled(**{name: file[name] for name in file.files})


def _fingerprint(test: Labelled) -> str:
    import numpy as np

    from hintlite.pipeline.data.rows import chunks

    digest = hashlib.sha256()
    for chunk in chunks(test.images):
        digest.update(np.ascontiguousarray(chunk).data)
    digest.update(test.labels.tobytes())
    return digest.hexdigest()


def _work(context: Context, test: Labelled, folder: Path) -> None:
    import numpy as np

    from hintlite.deploy.interpret.runtime import Runner
    from hintlite.pipeline.data.kept import MOST_BYTES

    images = _fed(context, test)
    arrays = {"labels": test.labels, "rows": test.rows, **_copied(context, test)}
    pairs = [(model, each) for model in context.models for each in precisions(context, model)]
    with context.terminal.task("evaluation on the test part") as bar:
        for done, (model, precision) in enumerate(pairs):
            bar.update(done, len(pairs), f"{model} {precision}", line=True)
            path = context.file(f"quantize/{model}", file_name(model, precision))
            logits = Runner(path, threads=2).predict(images)
            arrays[f"{model}:{precision}"] = logits.astype(np.float32)
        bar.note = f"{len(test.labels)} samples, {len(pairs)} files"
    np.savez_compressed(str(folder / "predictions.npz"), allow_pickle=False, **arrays)
    if context.config.data.source == FROM_PYTHON and test.images.nbytes <= MOST_BYTES:
        _keep(test, folder / TEST)
    write_whole(folder / "metrics.json", json.dumps(metrics(arrays), indent=1))
    names = [f"{model}:{precision}" for model, precision in pairs]
    note_evaluation(context.folder.path, _fingerprint(test), names)


def _fed(context: Context, test: Labelled) -> LazyRows:
    """The test samples as networks are fed them."""
    import numpy as np

    from hintlite.pipeline.data.rows import lazy

    return lazy(test.images, np.arange(len(test.labels)), context.kept.normalization.apply)


def _keep(test: Labelled, path: Path) -> None:
    """Writes what `np.savez` would, samples larger than memory too."""
    from hintlite.pipeline.data.rows import write_npy

    with zipfile.ZipFile(path, "w") as archive:
        for name, array in vars(test).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                write_npy(file, array)


def _copied(context: Context, test: Labelled) -> dict[str, np.ndarray]:
    """Which test samples were trained or chosen on too, and a line where there are any."""
    from hintlite.pipeline.data.copies import are_copies

    marks = context.file(DATA, DIGESTS)
    if not marks.is_file():  # of a run that did not keep them
        return {}
    copied = are_copies(test.images, marks)
    if copied.any():
        context.terminal.say(
            f"copies: {copied.sum()} of the {len(copied)} test samples are in the training or the "
            "validation part too (equal in every value): on these the accuracy is no measure of "
            "new data"
        )
    return {"copied": copied}


def alone(context: Context, file: Path) -> tuple[dict[str, Any], str]:
    """The test data asked of one file, for a student of which there is no other.

    Args:
        context: for the test data.
        file: `.tflite`, float.

    Returns:
        The figures of `figures`, and the fingerprint of the test samples.
    """
    from hintlite.deploy.interpret.runtime import Runner

    test = _open_test(context)
    logits = Runner(file, threads=2).predict(_fed(context, test))
    note_evaluation(context.folder.path, _fingerprint(test), [file.name])
    return figures(test.labels, logits), _fingerprint(test)


def metrics(arrays: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """From per-sample predictions to figures.

    Args:
        arrays: "labels" `[n]`, and "<model>:<precision>" -> logits `[n, classes]`.

    Returns:
        "<model>:<precision>" -> what `figures` returns.
    """
    labels = arrays["labels"]
    return {name: figures(labels, logits) for name, logits in arrays.items() if ":" in name}


def figures(labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
    """What a file is worth.

    Args:
        labels: int `[n]`.
        logits: `[n, classes]`.

    Returns:
        correct, total, accuracy, its 95 % Wilson interval low and high; balanced_accuracy and
        macro_f1; and by class recall, precision, f1 (null where a share is undefined) and support.
    """
    from hintlite.pipeline.tasks.classification import scores

    chosen = logits.argmax(axis=1)
    by_class = asdict(scores(labels, chosen, logits.shape[1]))
    return by_class | share(int((chosen == labels).sum()), len(labels))


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
