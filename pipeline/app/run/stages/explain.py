"""explain: where the error of each INT8 file comes from, on validation data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hintlite.files import write_whole
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.samples import DATA, SAMPLES
from hintlite.pipeline.app.run.stages.quantize_teacher import missing
from hintlite.pipeline.runs.layout import EXPLANATION, FLOAT, INT8, TEACHER, file_name

MOST = 1000  # of the validation part, unless more or fewer are asked for


def name(model: str) -> str:
    """The stage of one model."""
    return f"explain/{model}"


def stages(context: Context, samples: int | None) -> list[Stage]:
    """One stage a model, each writing explain.json.

    Args:
        context: of a run whose models are quantized.
        samples: how many of the validation part, evenly spread; `MOST` by default.
    """
    return [_stage(context, model, samples or MOST) for model in _models(context)]


def _models(context: Context) -> list[str]:
    """Those with a float and an INT8 file: a teacher may have none."""
    lacking = TEACHER in context.models and missing(context)
    return [model for model in context.models if not (model == TEACHER and lacking)]


def _stage(context: Context, model: str, samples: int) -> Stage:
    return Stage(
        name=name(model),
        version=3,
        settings={"samples": samples},
        inputs=(DATA, SAMPLES, f"quantize/{model}"),
        libraries=("ai-edge-litert", "numpy"),
        work=lambda folder: _work(context, model, samples, folder),
    )


def _work(context: Context, model: str, samples: int, folder: Path) -> None:
    from hintlite.deploy.explain.explain import explain
    from hintlite.pipeline.data.kept import spread

    data = context.kept
    rows = spread(data.validation, samples)
    files = [
        context.file(f"quantize/{model}", file_name(model, precision)).read_bytes()
        for precision in (FLOAT, INT8)
    ]
    with context.terminal.task(f"where the error comes from, {model}") as bar:
        result = explain(
            *(files[0], files[1], data.normalized(rows), data.labels[rows]),
            progress=lambda done, total: bar.update(done, total, f"{done:,} of {total:,} runs"),
        )
        bar.note = f"{len(rows)} validation samples, {len(result.operators) - 1} operators"
    write_whole(folder / EXPLANATION, json.dumps(result.to_dict(), indent=1, allow_nan=False))


def results(context: Context) -> dict[str, dict[str, Any]]:
    """Model -> what its explain.json says."""
    return {
        model: json.loads(context.file(name(model), EXPLANATION).read_text())
        for model in _models(context)
    }
