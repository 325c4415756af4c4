"""The benchmark of sets larger than memory: what it compares, its record and its picture."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hintlite.benchmarks.dev import growth_picture
from hintlite.benchmarks.dev import larger_than_memory as benchmark
from hintlite.pipeline.report.figure import standalone

ROOT = Path(__file__).parents[1]


def run(samples, mb, seconds):
    raw = samples * benchmark.BYTES
    return {"samples": samples, "raw_bytes": raw, "seconds": seconds, "anonymous_mb": mb}


def test_epochs_are_compared_round_by_round():
    memory = [{"wall": each} for each in (1.0, 2.0, 4.0)]
    mapped = [{"wall": each} for each in (1.1, 2.4, 4.4)]
    found = benchmark.compared(memory, mapped, "wall")
    assert found == {"memory_s": 2.0, "mapped_s": 2.4, "ratio": 1.1}


HOLDS = "import os, sys, time; x = b'x' * (80 * 2**20); FORK; print(flush=True); sys.stdin.read()"


@pytest.mark.parametrize("fork", ["0", "os.fork()"])
def test_memory_is_that_of_all_processes_and_no_page_counts_twice(fork):
    child = f"[{sys.executable!r}, '-c', {HOLDS.replace('FORK', fork)!r}]"
    words = f"import subprocess; x = b'x' * (40 * 2**20); subprocess.run({child})"
    started = subprocess.Popen(
        [sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    started.stdout.readline()
    found = benchmark.anonymous_bytes(started.pid)
    started.communicate()
    assert 120 * 2**20 <= found < 160 * 2**20
    assert benchmark.anonymous_bytes(started.pid) == 0


def test_a_part_is_measured_anew_and_the_others_stay(tmp_path, monkeypatch):
    place = tmp_path / "record.json"
    monkeypatch.setattr(benchmark, "run", lambda samples, _: run(samples, samples // 100, 1.0))
    monkeypatch.setattr(benchmark, "epochs", lambda *_: {"wall": {"ratio": 1.0}})
    for words in (["--gb", "0.1"], ["--parts", "growth", "--growth", "70"]):
        monkeypatch.setattr(sys, "argv", ["x", *words, "--out", str(place)])
        benchmark.main()
    record = json.loads(place.read_text())
    assert record["runs"]["found"]["thousandth"]["samples"] == 3
    assert record["runs"]["found"]["anonymous_mb_above"] == 36.0
    assert [each["samples"] for each in record["growth"]["found"]] == [70]
    assert record["growth"]["source"]["command"].endswith("--parts growth --growth 70")
    assert record["epoch"]["source"]["command"].endswith(
        "--parts epoch --epoch_samples 6000 --rounds 8"
    )


def test_the_picture_is_drawn_from_the_record(tmp_path, monkeypatch, capsys):
    record = {
        "runs": {"found": {"thousandth": run(180, 600, 30.0), "whole": run(180000, 700, 500.0)}},
        "growth": {"found": [run(1000, 620.5, 50.0)]},
    }
    (tmp_path / "r.json").write_text(json.dumps(record))
    words = ["x", str(tmp_path / "r.json"), "--out", str(tmp_path / "r.svg")]
    monkeypatch.setattr(sys, "argv", words)
    growth_picture.main()
    said = capsys.readouterr().out
    assert said.index("| 180 | 5 MB | 600 MB | 30 s |") < said.index("| 1,000 | 28 MB |")
    texts = ElementTree.parse(tmp_path / "r.svg").getroot().itertext()
    assert "anonymous memory" in " ".join(texts)
    (tmp_path / "r.json").write_text("{}")
    with pytest.raises(SystemExit, match="no record of larger_than_memory"):
        growth_picture.main()


def test_picture_and_text_are_those_of_the_kept_record():
    record = json.loads((ROOT / "docs" / "results" / "larger_than_memory.json").read_text())
    runs, text = growth_picture.runs_of(record), (ROOT / "docs" / "data.md").read_text()
    picture = (ROOT / "docs" / "pictures" / "larger_than_memory.svg").read_text()
    assert picture == standalone(growth_picture.draw(runs))
    assert growth_picture.table(runs) in text
    assert record["runs"]["found"]["anonymous_mb_above"] <= growth_picture.ALLOWED_MB
    for clock, words in (("wall", "by the clock"), ("processor", "of processor time")):
        assert f"{record['epoch']['found'][clock]['ratio']:.3f} {words}" in text
