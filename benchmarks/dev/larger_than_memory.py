"""What a set larger than memory costs: memory of a whole run, its time, and an epoch's time.

Made pictures of 96 x 96 x 3 bytes in an `.npz`, four classes. Of `hintlite run` and all processes
that it starts, the anonymous memory (RssAnon of /proc: mapped pages, which the kernel may take
back, do not count) is read ten times a second, and the highest sum is kept. An epoch of the same
network is timed on the same samples in memory and in a mapped file, in one process, each first in
every other round, so that what else the machine does hits both.

    python -m hintlite.benchmarks.dev.larger_than_memory --out docs/results/larger_than_memory.json

`--parts` measures some of it anew and leaves the rest of the record; each part says its commit.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.benchmarks.dev.provenance import provenance
from hintlite.files import write_whole

SHAPE, CLASSES = (96, 96, 3), 4
BYTES = 96 * 96 * 3
NAME, PARTS = "larger_than_memory", ("runs", "growth", "epoch")
LIBRARIES = ("tensorflow", "keras", "numpy")
NETWORK = ("--teacher.widths=4,4", "--teacher.depths=1,1", "--teacher.first_stride=2")
SETTINGS = (
    *NETWORK,
    *(word.replace("teacher", "student").replace("4,4", "2,2") for word in NETWORK),
    *("--student.times_fewer=null", "--arms=kd"),
    *("--teacher_training.epochs=1", "--training.epochs=1"),
    *("--benchmark.window_s=0.05", "--benchmark.warmup_s=0.05", "--accept_chance=true"),
    *("--cache.budget_gb=40", "--quantize.min_agreement=0", "--quantize.max_accuracy_drop=100"),
)


def labels_of(samples: int) -> np.ndarray:
    """Labels of made samples, int64 [samples]."""
    return np.arange(samples) % CLASSES


def pictures(start: int, stop: int) -> np.ndarray:
    """Made pictures of some rows: noise with a brighter band, whose place is the class."""
    rng = np.random.default_rng((7, start))
    made = rng.integers(0, 196, (stop - start, *SHAPE), dtype=np.uint8)
    for row in range(start, stop):
        band = 24 * (row % CLASSES)
        made[row - start, band : band + 24] += 60
    return made


def make(path: Path, samples: int) -> None:
    """Writes an `.npz` of so many samples, a thousand in memory at a time."""
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("x.npy", "w", force_zip64=True) as file:
            head = {"descr": "|u1", "fortran_order": False, "shape": (samples, *SHAPE)}
            np.lib.format.write_array_header_1_0(file, head)
            for start in range(0, samples, 1000):
                file.write(pictures(start, min(start + 1000, samples)).tobytes())
        with archive.open("y.npy", "w") as file:
            np.lib.format.write_array(file, labels_of(samples))


def run(samples: int, place: Path) -> dict[str, Any]:
    """A whole run on so many samples: its seconds and its highest anonymous memory."""
    data, folder = place / f"{samples}.npz", place / f"cache{samples}" / "run"
    make(data, samples)
    words = [sys.executable, "-m", "hintlite", "run", str(folder), "--data", str(data), *SETTINGS]
    begun, highest = time.monotonic(), 0
    with (place / "log.txt").open("a") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
        while process.poll() is None:
            highest = max(highest, anonymous_bytes(process.pid))
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit((place / "log.txt").read_text()[-3000:])
    found = {
        "samples": samples,
        "raw_bytes": samples * BYTES,
        "seconds": round(time.monotonic() - begun, 1),
        "anonymous_mb": round(highest / 1e6, 1),
    }
    data.unlink()
    print(json.dumps(found), flush=True)
    return found


def anonymous_bytes(pid: int, parent: bytes = b"") -> int:
    """RssAnon of a process and of all that it has started; 0 of those that have ended.

    A child that has not begun its own program yet, and so is called what its parent is, has the
    parent's pages: they are not counted twice.

    Args:
        pid: of the process.
        parent: the command line of the one that has started it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        threads = Path(f"/proc/{pid}/task").glob("*/children")
        children = [child for each in threads for child in each.read_text().split()]
    except OSError:
        return 0
    if words == parent:
        return 0
    own = [int(line.split()[1]) * 1024 for line in status.splitlines() if "RssAnon" in line]
    return sum(own) + sum(anonymous_bytes(int(child), words) for child in children)


def epochs(samples: int, rounds: int, place: Path) -> dict[str, Any]:
    """Seconds of an epoch with samples in memory and in a mapped file, medians over rounds."""
    from hintlite.models.settings import NetworkConfig
    from hintlite.models.student import build_student
    from hintlite.models.taps import logits_only
    from hintlite.pipeline.data.batches import steps_per_epoch, training_batches
    from hintlite.pipeline.data.load import load_training
    from hintlite.pipeline.data.sources.arrays import from_arrays
    from hintlite.pipeline.settings.data import AugmentConfig, DataConfig

    images = np.concatenate([pictures(k, k + 1000) for k in range(0, samples, 1000)])
    np.save(place / "x.npy", images)
    kinds = {"memory": images, "mapped": np.load(place / "x.npy", mmap_mode="r")}
    config = NetworkConfig(widths=(8, 16), depths=(2, 2), first_stride=2)
    network = logits_only(build_student(config, SHAPE, CLASSES))
    network.compile("adam", "mse")
    data = {
        name: load_training(DataConfig(), from_arrays(x, labels_of(samples)))
        for name, x in kinds.items()
    }
    clocks = {"wall": time.monotonic, "processor": time.process_time}
    seconds: dict[str, list[dict[str, float]]] = {name: [] for name in kinds}
    for turn in range(rounds + 1):
        for name in sorted(kinds, reverse=turn % 2 == 0):
            batches = training_batches(
                data[name],
                data[name].train,
                batch_size=128,
                seed=turn,
                augmentation=AugmentConfig(flip=True),
                epochs=1,
            )
            begun = {clock: read() for clock, read in clocks.items()}
            for inputs, labels in batches:
                network.train_on_batch(inputs["image"], np.eye(CLASSES)[labels])
            seconds[name].append({clock: read() - begun[clock] for clock, read in clocks.items()})
    found = {
        clock: compared(seconds["memory"][1:], seconds["mapped"][1:], clock) for clock in clocks
    }
    return {
        "samples": samples,
        "steps": steps_per_epoch(len(data["memory"].train), 128),
        "rounds": rounds,
        **found,
    }


def compared(
    memory: list[dict[str, float]], mapped: list[dict[str, float]], clock: str
) -> dict[str, float]:
    """Medians of both over rounds, by one clock, and the median of the rounds' ratios."""
    pairs = [(a[clock], b[clock]) for a, b in zip(memory, mapped, strict=True)]
    return {
        "memory_s": round(statistics.median(a for a, _ in pairs), 3),
        "mapped_s": round(statistics.median(b for _, b in pairs), 3),
        "ratio": round(statistics.median(b / a for a, b in pairs), 3),
    }


def measured(part: str, chosen: argparse.Namespace, place: Path) -> Any:
    """One part of the record."""
    large = int(chosen.gb * 1e9) // BYTES
    if part == "epoch":
        return epochs(chosen.epoch_samples, chosen.rounds, place)
    if part == "growth":
        return [run(samples, place) for samples in chosen.growth]
    small, whole = run(large // 1000, place), run(large, place)
    above = round(whole["anonymous_mb"] - small["anonymous_mb"], 1)
    return {"thousandth": small, "whole": whole, "anonymous_mb_above": above}


def main() -> None:
    """Measures, prints and writes the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=5.0, help="of the large set, 10^9 bytes")
    parser.add_argument("--growth", type=int, nargs="*", default=[1000, 10000, 100000])
    parser.add_argument("--epoch_samples", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--work", help="folder for the made sets; temporary by default")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    record: dict[str, Any] = {"sample_shape": SHAPE, "settings": SETTINGS}
    if chosen.out and chosen.out.exists():
        record = json.loads(chosen.out.read_text())
    words = {
        "runs": f"--gb {chosen.gb:g}",
        "growth": f"--growth {' '.join(map(str, chosen.growth))}",
        "epoch": f"--epoch_samples {chosen.epoch_samples} --rounds {chosen.rounds}",
    }
    for part in chosen.parts:
        with tempfile.TemporaryDirectory(prefix="hintlite-", dir=chosen.work) as name:
            found = measured(part, chosen, Path(name))
        command = f"python -m hintlite.benchmarks.dev.{NAME} --parts {part} {words[part]}"
        source = provenance(command, LIBRARIES)
        record[part] = {"source": source, "found": found}
        if chosen.out:
            write_whole(chosen.out, json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
