"""Seeded damage to real models, and what every command that reads a `.tflite` makes of it.

    python -m hintlite.benchmarks.dev.flatbuffer_fuzz --out docs/results/flatbuffer_fuzz.json

Each mutated file goes through what `inspect`, `fit`, `bundle --mcu c`, `bundle --mcu tflm` and the
target tflm do with it. Expected is an answer or an error of ours. Counted are *escapes* (an
exception of another kind, which would be a crash of the command), *slow* files (more than SLOW_S in
Python) and *deaths* of the worker that runs native interpreters, from which the command recovers.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.benchmarks.machine import processor
from hintlite.deploy.c_export.errors import ExportError
from hintlite.deploy.c_export.export import lower_network
from hintlite.deploy.interpret.worker import Worker, WorkerAnswerError, WorkerDiedError
from hintlite.deploy.mcu.arena import cmsis_nn_arena, estimate_arena
from hintlite.deploy.mcu.export import read_int8_model
from hintlite.deploy.mcu.strip import strip_model
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import ModelError
from hintlite.deploy.tflite.inspect import inspect
from hintlite.deploy.tflite.kernel_limits import check_scales
from hintlite.pipeline.app.fit.fit import answer, as_text
from hintlite.pipeline.app.fit.limits import Limits
from hintlite.pipeline.app.fit.subject import file_subject
from hintlite.pipeline.app.run.context import commit

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
MODELS = {"tiny_int8.tflite": 0.7, "reference_cnn_int8.tflite": 0.3}  # name -> share of the files
SLOW_S = 5.0
_WORKER_LIMIT_S = 10.0
_ARENA_BYTES = 1 << 20
_EXTREMES = (0, 1, 2, 3, 4, 0x7F, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC, 0x10000)


def mutations(model: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(kind, damaged file), the same for the same seed.

    Kinds: truncated; identifier changed; bytes flipped; a word set to an extreme (offsets past the
    end, negative sizes); a word made an offset to itself or backwards (cycles); a stretch copied
    over another.
    """
    rng = np.random.default_rng(seed)
    kinds = list(_KINDS)
    for _ in range(count):
        kind = kinds[int(rng.integers(len(kinds)))]
        data = bytearray(model)
        for _ in range(int(rng.integers(1, 4))):
            data = _KINDS[kind](data, rng)
        yield kind, bytes(data)


def _truncate(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: int(rng.integers(0, len(data) + 1))]


def _identifier(data: bytearray, rng: np.random.Generator) -> bytearray:
    data[4 + int(rng.integers(4)) % max(len(data) - 4, 1)] ^= int(rng.integers(1, 256))
    return data


def _flip(data: bytearray, rng: np.random.Generator) -> bytearray:
    for place in rng.integers(0, len(data), int(rng.integers(1, 6))):
        data[int(place)] ^= int(rng.integers(1, 256))
    return data


def _word(data: bytearray, rng: np.random.Generator) -> bytearray:
    value = _EXTREMES[int(rng.integers(len(_EXTREMES)))]
    struct.pack_into("<I", data, 4 * int(rng.integers(len(data) // 4)), value)
    return data


def _cycle(data: bytearray, rng: np.random.Generator) -> bytearray:
    place = 4 * int(rng.integers(len(data) // 4))
    back = -4 * int(rng.integers(0, 64))
    struct.pack_into("<i", data, place, back)
    return data


def _splice(data: bytearray, rng: np.random.Generator) -> bytearray:
    size = int(rng.integers(1, 64))
    source, target = (int(rng.integers(max(len(data) - size, 1))) for _ in range(2))
    data[target : target + size] = data[source : source + size]
    return data


_KINDS: dict[str, Callable[[bytearray, np.random.Generator], bytearray]] = {
    "truncated": _truncate,
    "identifier": _identifier,
    "flipped": _flip,
    "extreme word": _word,
    "cycle": _cycle,
    "spliced": _splice,
}


class Tally:
    """Counts what happened.

    Args:
        worker: runs the native interpreters.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.counts: Counter[str] = Counter()
        self.escapes: list[dict[str, Any]] = []

    def take(self, number: int, kind: str, content: bytes) -> None:
        """One damaged file through every reader."""
        begin = time.perf_counter()
        accepted = [self._try(name, number, kind, content) for name in _READERS]
        self.counts["slow"] += time.perf_counter() - begin > SLOW_S
        if sum(self.counts[name] for name in ("refused", "accepted")) % 500 == 499:
            print(f"{dict(self.counts)}, {len(self.escapes)} escapes", file=sys.stderr, flush=True)
        self.counts["accepted"] += any(accepted)
        self.counts["refused"] += not any(accepted)
        if accepted[-1]:
            self._native(content)

    def _try(self, reader: str, number: int, kind: str, content: bytes) -> bool:
        try:
            _READERS[reader](content)
        except (ModelError, ExportError):
            return False
        except Exception as error:  # what is looked for
            text = f"{type(error).__name__}: {error}"[:200]
            entry = {"file": number, "kind": kind, "reader": reader, "error": text}
            self.escapes.append(entry)
            return False
        return True

    def _native(self, content: bytes) -> None:
        """What the readers accept goes to TFLM, in the worker."""
        self.counts["given to the interpreter"] += 1
        try:
            self.worker.ask("fits", content, arena_bytes=_ARENA_BYTES)
        except WorkerDiedError as error:
            self.counts["timeouts" if "did not answer" in str(error) else "deaths"] += 1
        except WorkerAnswerError:
            self.counts["refused by the interpreter"] += 1


def _inspect(content: bytes) -> None:
    json.dumps(inspect(content, optimal=True).to_dict())


def _fit(content: bytes) -> None:
    """The whole answer of a model that does not fit, as text."""
    subject = file_subject("model.tflite", read_model(content))
    limits = Limits(flash_bytes=1, ram_bytes=1, block_bytes=1, macs=1)
    as_text(answer(subject, limits))


def _plain_c(content: bytes) -> None:
    lower_network(content, "network")


def _tflm(content: bytes) -> None:
    model = read_int8_model(content)
    check_scales(model.main)
    estimate_arena(model)
    cmsis_nn_arena(model)
    strip_model(content)


# The last one decides what the interpreter is given.
_READERS: dict[str, Callable[[bytes], object]] = {
    "inspect": _inspect,
    "fit": _fit,
    "bundle --mcu c": _plain_c,
    "bundle --mcu tflm, benchmark --target tflm": _tflm,
}


def fuzz(count: int, seed: int) -> dict[str, Any]:
    """Damages models and counts.

    Args:
        count: files in all.
        seed: of the damage.

    Returns:
        counts, escapes and times, for JSON.
    """
    begin = time.perf_counter()
    kinds: Counter[str] = Counter()
    with Worker(_WORKER_LIMIT_S) as worker, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tally = Tally(worker)
        for place, (name, share) in enumerate(MODELS.items()):
            model = (DATA / name).read_bytes()
            files = mutations(model, round(share * count), seed + place)
            for number, (kind, content) in enumerate(files):
                kinds[kind] += 1
                tally.take(number, kind, content)
        starts = worker.starts
    return {
        "files": count,
        "seed": seed,
        "models": MODELS,
        "kinds": dict(sorted(kinds.items())),
        "crashes_of_the_command": len(tally.escapes),
        "escapes": tally.escapes[:20],
        "slow": tally.counts["slow"],
        "refused_by_every_reader": tally.counts["refused"],
        "given_to_the_interpreter": tally.counts["given to the interpreter"],
        "refused_by_the_interpreter": tally.counts["refused by the interpreter"],
        "worker_deaths": tally.counts["deaths"],
        "worker_timeouts": tally.counts["timeouts"],
        "worker_starts": starts,
        "seconds": round(time.perf_counter() - begin, 1),
        "processor_seconds": round(sum(os.times()[:4]), 1),
    }


def main() -> None:
    """Fuzzes, prints and keeps the counts; exit code 1 if a command would have crashed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where to keep the counts as JSON")
    arguments = parser.parse_args()
    found = fuzz(arguments.files, arguments.seed)
    print(json.dumps(found, indent=1))
    if arguments.out:
        record = {
            "command": "python -m hintlite.benchmarks.dev.flatbuffer_fuzz"
            f" --files {arguments.files} --seed {arguments.seed}",
            "commit": commit(),
            "machine": processor(),
            **found,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")
    raise SystemExit(1 if found["crashes_of_the_command"] else 0)


if __name__ == "__main__":
    main()
