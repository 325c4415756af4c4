"""targets/android: the student's files measured on a phone, anew each time it is asked for."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.stages import bundle, phone
from hintlite.pipeline.app.run.stages.measured import request, verdict_text, write_result

TARGET = "android"
NAME = f"targets/{TARGET}"


def stage(context: Context, serial: str | None, benchmark_model: str | None) -> Stage:
    """The stage that writes one <model>.json a file: the bundle's, and those of the phone stage.

    Raises:
        BenchmarkError: there is no adb, or no phone that can be used.
    """
    from hintlite.benchmarks.targets.android import AndroidTarget

    AndroidTarget(serial).connect()  # before anything is begun
    inputs = (bundle.NAME, phone.NAME) if _has_phone_files(context) else (bundle.NAME,)
    return Stage(
        name=NAME,
        version=1,
        # A phone's state is no setting: a new question is a new measurement.
        settings={"target": TARGET, "asked": secrets.token_hex(8)} | context.settings("benchmark"),
        inputs=inputs,
        libraries=(),
        work=lambda folder: _work(context, folder, serial, benchmark_model),
    )


def _has_phone_files(context: Context) -> bool:
    """Whether `hintlite bundle --phone` has written files of this very student."""
    return context.folder.place(phone.NAME).is_dir() and context.folder.is_fresh(
        phone.stage(context)
    )


def _models(context: Context) -> list[Path]:
    folder = context.folder.path / bundle.DEVICE
    if _has_phone_files(context):
        folder = context.folder.place(phone.NAME)
    return sorted(folder.glob("*.tflite"))


def _work(context: Context, folder: Path, serial: str | None, benchmark_model: str | None) -> None:
    from hintlite.benchmarks.targets.android import AndroidTarget

    models = _models(context)
    with context.terminal.task("benchmark on the phone") as bar:
        for done, model in enumerate(models):
            progress = partial(bar.update, done, len(models), line=True)
            target = AndroidTarget(serial, benchmark_model, progress=progress)
            result = target.run(model, request(context))
            write_result(result, folder / f"{model.stem}.json")
        bar.note = f"{len(models)} files"


def summary(context: Context) -> list[str]:
    """What the phone said, in lines for the terminal."""
    return lines([json.loads(path.read_text()) for path in _result_files(context)])


def lines(results: Sequence[dict[str, Any]]) -> list[str]:
    """The results of one phone in lines for the terminal."""
    return [_phone_line(results[0]), *map(_line, results)]


def _result_files(context: Context) -> list[Path]:
    files = context.folder.place(NAME).glob("*.json")
    return sorted(path for path in files if path.name != "stage.json")


def _phone_line(result: dict[str, Any]) -> str:
    facts, kind = result["raw"]["phone"], result["kind"]
    name = " ".join(facts[key] or "" for key in ("manufacturer", "model")).strip() or "unknown"
    return f"{kind} on {name}, Android {facts['android'] or 'unknown'}, {facts['abi'] or 'unknown'}"


def _line(result: dict[str, Any]) -> str:
    file, verdict = result["raw"]["model"]["file"], verdict_text(result["verdict"])
    latency = result["latency_us"]
    if latency is None:
        return f"{file}: no times of an emulator; {verdict}"
    median = f"p50 {latency['p50']:,.1f} us, " if "p50" in latency else ""
    return (
        f"{file}: {median}mean {latency['mean']:,.1f} us, first {latency['first']:,.1f} us; "
        f"{verdict}"
    )
