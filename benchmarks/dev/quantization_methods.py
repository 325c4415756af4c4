"""What each way of quantizing is worth: float, PTQ, equalization, QAT, QAT + KD, mixed precision.

Students of several seeds are distilled from one teacher and quantized by each method in turn; the
test data is only measured, nothing is chosen on it. Of each case and seed one small record is kept
and written after each method, so that the same command goes on where it was stopped; a method
whose record was made with these settings, versions and processor is passed over.

    python -m hintlite.benchmarks.dev.quantization_methods --jobs 2
    python -m hintlite.benchmarks.dev.quantization_methods --table

A teacher that is there already, from a run with the same settings of data and teacher, can be put
into the folder `teacher_20000` or `teacher_60000` below --folder: it is not trained again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hintlite.benchmarks.dev.quantization_cases import CASES, METHODS, PLAIN, QUICK, Case, merged
from hintlite.benchmarks.dev.quantization_table import table
from hintlite.benchmarks.machine import processor
from hintlite.errors import HintliteError
from hintlite.files import folder_aside, write_whole
from hintlite.pipeline.app.experiments.queue.processes import environment
from hintlite.pipeline.app.run.context import commit
from hintlite.pipeline.app.run.folder import versions
from hintlite.pipeline.app.settings.text import config_from, settings_text
from hintlite.pipeline.runs.layout import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "docs/results/quantization_methods"
LIBRARIES = (
    *("tensorflow", "keras", "tf_keras", "tensorflow-model-optimization"),
    *("ai-edge-litert", "ai-edge-quantizer"),
)
# With these words a method says that there is no file that is good enough: an outcome, no failure.
REFUSALS = (
    "equalization changes the network",
    "No mixed file that is smaller",
    "file of '{arm}' is not good enough",
)


class CommandError(HintliteError):
    """A command that ended with another code than 0; the text is what it said."""


@dataclass(frozen=True)
class Piece:
    """One student of one case.

    Attributes:
        name: of the case.
        seed: of the student.
    """

    name: str
    seed: int

    @property
    def case(self) -> Case:
        """What CASES says."""
        return CASES[self.name]


class Bench:
    """Does the pieces of work in a folder.

    Args:
        folder: for teachers and runs.
        out: for the records.
        factor: of the spoiled channel.
        quick: change the settings by QUICK: does everything run through?
        jobs: pieces at a time, each with its share of the cores.
        only: the methods that are wanted; all that a case has by default.
    """

    def __init__(
        self,
        folder: Path,
        out: Path,
        factor: float,
        quick: bool,
        jobs: int,
        only: Sequence[str] = tuple(METHODS),
    ) -> None:
        self.folder, self.out, self.factor, self.quick = folder, out, factor, quick
        self.only = only
        self.threads = max(1, (os.cpu_count() or 1) // jobs)
        self.stopped = False  # begin nothing more
        self._taught: set[Piece] = set()
        self._locks: dict[Piece, threading.Lock] = {}
        self._guard = threading.Lock()

    def settings(self, piece: Piece) -> dict[str, Any]:
        """What is set for one student, as plain data."""
        content = yaml.safe_load((ROOT / "configs" / piece.case.settings).read_text())
        found = merged(merged(content, piece.case.changes), {"seed": piece.seed})
        return merged(found, QUICK) if self.quick else found

    def missing(self, piece: Piece) -> list[str]:
        """The methods that have no record yet."""
        known = self._record(piece)["methods"]
        wanted = [name for name in piece.case.methods if name in self.only]
        return [name for name in wanted if name not in known]

    def train_teacher(self, piece: Piece) -> float:
        """Trains the teacher of a case, with all cores; returns the seconds."""
        place = self.folder / piece.case.teacher
        self._configure(place, Piece(piece.name, 0))
        return self._hintlite("teacher", place, threads=os.cpu_count() or 1)

    def measure(self, piece: Piece) -> list[str]:
        """Every method without a record; returns what went wrong."""
        place = self.folder / piece.name / str(piece.seed)
        try:
            noted = self._student(piece, place)
        except (CommandError, OSError) as error:
            return [f"{piece.name}, seed {piece.seed}: {error}"]
        failures = []
        for method in self.missing(piece):
            if self.stopped:
                break
            try:
                made = self._quantized(piece, place, method)
            except (CommandError, OSError) as error:
                failures.append(f"{piece.name}, seed {piece.seed}, {method}: {error}")
                say(piece, f"{method}: failed")
                continue
            record = self._record(piece)
            record["student"] = noted
            record["methods"][method] = made
            write_whole(self._path(piece), json.dumps(record, indent=1) + "\n")
            say(piece, f"{method}: {_line(made)}")
        return failures

    def records(self, pieces: Sequence[Piece]) -> dict[str, list[dict[str, Any]]]:
        """Title of a case -> the records that there are."""
        found: dict[str, list[dict[str, Any]]] = {}
        for piece in pieces:
            if self._path(piece).exists():
                record = json.loads(self._path(piece).read_text())
                found.setdefault(piece.case.title, []).append(record)
        return found

    def _student(self, piece: Piece, place: Path) -> dict[str, Any]:
        """Makes sure that the run folder holds a trained student; returns facts on it."""
        source = piece.case.spoiled_from
        if source is None:
            return self._teach(piece, place)
        begun = time.monotonic()
        original = Piece(source, piece.seed)
        origin = self.folder / source / str(piece.seed)
        self._teach(original, origin)
        words = ["-m", "hintlite.benchmarks.dev.quantization_spoiler", str(origin), str(place)]
        said = run([*words, "--factor", repr(self.factor)], self.threads)
        say(piece, f"spoiled ({time.monotonic() - begun:.0f} s)")
        self._configure(place, piece)
        facts: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
        return {"spoiled": facts}

    def _teach(self, piece: Piece, place: Path) -> dict[str, Any]:
        """Distills the student; another piece that needs it too waits."""
        arm = self.settings(piece)["arms"][0]
        with self._guard:
            lock = self._locks.setdefault(piece, threading.Lock())
        with lock:
            if piece not in self._taught:
                self._configure(place, piece)
                for stage in ("data", "teacher"):
                    copy_whole(self.folder / piece.case.teacher / stage, place / stage)
                seconds = self._hintlite("distill", place)
                say(piece, f"distilled ({seconds:.0f} s)")
                self._taught.add(piece)
        summary = json.loads((place / "distill" / arm / "summary.json").read_text())
        return {"arm": arm, "summary": summary}

    def _quantized(self, piece: Piece, place: Path, method: str) -> dict[str, Any]:
        chosen = PLAIN | METHODS[method] | dict(piece.case.flags)
        words = [w for key, value in chosen.items() for w in (f"--{key}", value)]
        arm = self.settings(piece)["arms"][0]
        facts: dict[str, Any] = {"commit": commit(), "threads": self.threads, "flags": chosen}
        try:
            quantize_s = self._hintlite("quantize", place, *words)
        except CommandError as error:
            if any(text.format(arm=arm) in str(error) for text in REFUSALS):
                return facts | {"refused": " ".join(str(error).split())}
            raise
        evaluate_s = self._hintlite("evaluate", place)
        facts["seconds"] = {"quantize": round(quantize_s, 1), "evaluate": round(evaluate_s, 1)}
        return facts | outcome(place, arm)

    def _configure(self, place: Path, piece: Piece) -> None:
        """Writes settings.yaml, without which `distill` and `quantize` accept no folder."""
        write_whole(place / SETTINGS, settings_text(config_from(self.settings(piece))))

    def _hintlite(self, command: str, place: Path, *words: str, threads: int = 0) -> float:
        begun = time.monotonic()
        run(["-m", "hintlite", command, str(place), *words], threads or self.threads)
        return time.monotonic() - begun

    def _path(self, piece: Piece) -> Path:
        return self.out / f"{piece.name}-{piece.seed}.json"

    def _record(self, piece: Piece) -> dict[str, Any]:
        """The record of a piece, if it was made under these conditions; else an empty one."""
        facts: dict[str, Any] = {
            "case": piece.name,
            "seed": piece.seed,
            "settings": self.settings(piece),
            "factor": self.factor if piece.case.spoiled_from else None,
            "machine": processor(),
            "versions": versions(LIBRARIES),
        }
        path = self._path(piece)
        if path.exists():
            known: dict[str, Any] = json.loads(path.read_text())
            if all(known.get(name) == value for name, value in facts.items()):
                return known
        more = {"system": platform.platform(), "python": platform.python_version()}
        command = "python -m hintlite.benchmarks.dev.quantization_methods"
        return facts | more | {"command": command, "methods": {}}


def run(words: Sequence[str], threads: int) -> str:
    """Runs this Python with some words.

    Args:
        words: its arguments.
        threads: it is held to.

    Returns:
        What it wrote to standard output.

    Raises:
        CommandError: it failed; the text is the sentence, or the end of what it said.
    """
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, **environment(threads)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.rpartition("hintlite: ")[2].strip() or f"code {done.returncode}"
    raise CommandError(said[-2000:])


def copy_whole(source: Path, target: Path) -> None:
    """Copies a folder aside and renames it: an interrupted copy is never taken for a whole one."""
    with folder_aside(target) as aside:
        shutil.copytree(source, aside, dirs_exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)


def outcome(place: Path, arm: str) -> dict[str, Any]:
    """What a run folder says of its student after `quantize` and `evaluate`.

    Args:
        place: the run folder.
        arm: of the student.

    Returns:
        "test": precision -> accuracy, correct, total, bytes; "validation": what verify.json says;
        and what equalization, fine-tuning and mixed precision noted.
    """
    folder = place / "quantize" / arm
    metrics = json.loads((place / "evaluate" / "metrics.json").read_text())
    test = {}
    for name, figures in metrics.items():
        model, _, precision = name.rpartition(":")
        if model == arm:
            file = folder / f"student_{precision}.tflite"
            kept = {key: figures[key] for key in ("accuracy", "correct", "total")}
            test[precision] = kept | {
                "bytes": file.stat().st_size,
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            }
    report = json.loads((folder / "verify.json").read_text())
    return {"test": test, "validation": report["figures"], **_noted(folder, report)}


def _noted(folder: Path, report: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "qat" in report:
        names = ("validation_accuracy", "best_epoch", "agreement", "max_difference_steps")
        found["qat"] = {name: report["qat"][name] for name in names}
    equalize, mixed = folder / "equalize.json", folder / "mixed.json"
    if equalize.exists():
        pairs = json.loads(equalize.read_text())["pairs"]
        done = sum(not pair["skipped"] for pair in pairs)
        found["equalized"] = {"pairs": len(pairs), "done": done}
    if mixed.exists():
        chosen = [entry["precision"] for entry in json.loads(mixed.read_text())["choice"]]
        found["mixed"] = {name: chosen.count(name) for name in sorted(set(chosen))}
    return found


def say(piece: Piece, text: str) -> None:
    """One line of progress."""
    print(f"{piece.name}, seed {piece.seed}: {text}", flush=True)


def _line(made: Mapping[str, Any]) -> str:
    if "refused" in made:
        return f"refused: {made['refused']}"
    figures = [f"{name} {100 * each['accuracy']:.2f} %" for name, each in made["test"].items()]
    return f"{', '.join(figures)} ({sum(made['seconds'].values()):.0f} s)"


def carry_out(bench: Bench, pieces: Sequence[Piece], jobs: int) -> list[str]:
    """Teachers first, one after another with all cores; then the pieces, `jobs` at a time.

    Returns:
        What went wrong, a sentence each; it stops nothing else.
    """
    failures, teachers = [], dict[str, str | None]()
    wanted = [piece for piece in pieces if bench.missing(piece)]
    for piece in wanted:
        name = piece.case.teacher
        if name not in teachers:
            teachers[name] = _train(bench, piece)
    failures += [f"{name}: {said}" for name, said in teachers.items() if said is not None]
    ready = [piece for piece in wanted if teachers[piece.case.teacher] is None]
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for ended in as_completed([pool.submit(bench.measure, piece) for piece in ready]):
                failures += ended.result()
        except KeyboardInterrupt:
            bench.stopped = True
            pool.shutdown(cancel_futures=True)
            raise
    return failures


def _train(bench: Bench, piece: Piece) -> str | None:
    """Trains a teacher; returns what went wrong."""
    try:
        seconds = bench.train_teacher(piece)
    except CommandError as error:
        return str(error)
    print(f"{piece.case.teacher}: trained ({seconds:.0f} s)", flush=True)
    return None


def main() -> int:
    """Does what has no record, then prints the table of all records.

    Returns:
        1 if something failed, else 0.
    """
    options = _arguments()
    out = options.out or (options.folder / "quick/records" if options.quick else RECORDS)
    folder = (options.folder / "quick" if options.quick else options.folder).resolve()
    bench = Bench(
        folder, out.resolve(), options.factor, options.quick, options.jobs, options.methods
    )
    # By seed: the first seed of all cases comes before the second of any.
    pieces = [Piece(name, seed) for seed in options.seeds for name in options.cases]
    failures = [] if options.table else carry_out(bench, pieces, options.jobs)
    by_case = [Piece(name, seed) for name in options.cases for seed in options.seeds]
    print(table(bench.records(by_case)))
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("runs/quantization_methods"),
        help="for teachers and runs (several GB: the teachers' outputs are cached)",
    )
    parser.add_argument(
        "--out", type=Path, help=f"for the records; by default {RECORDS.relative_to(ROOT)}"
    )
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=list(METHODS))
    parser.add_argument("--jobs", type=int, default=1, help="students at a time")
    parser.add_argument("--factor", type=float, default=100.0, help="of the spoiled channel")
    parser.add_argument("--quick", action="store_true", help="600 images, one epoch: a trial")
    parser.add_argument("--table", action="store_true", help="only print the table of the records")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
