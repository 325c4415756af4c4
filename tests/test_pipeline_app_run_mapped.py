"""A whole run on samples in a mapped file: that of memory to the bit, and never a copy of all."""

import numpy as np
import pytest

from hintlite.pipeline.data.disk import Disk
from hintlite.pipeline.data.rows import LazyRows
from tests.in_process import hintlite

pytestmark = [
    pytest.mark.slow(modules=["hintlite.pipeline.app.run", "hintlite.pipeline.data"]),
    pytest.mark.timeout(900),
]

WORDS = (
    *("--arms=kd", "--accept_chance=true", "--deterministic=true", "--student.times_fewer=null"),
    *("--teacher.widths=4,6", "--teacher.depths=1,1", "--teacher_training.epochs=1"),
    *("--student.widths=3,4", "--student.depths=1,1", "--training.epochs=1"),
    *("--quantize.min_agreement=0", "--quantize.max_accuracy_drop=100"),
    *("--benchmark.window_s=0.02", "--benchmark.warmup_s=0.02", "--benchmark.min_runs=5"),
)


def predictions(folder, data):
    done = hintlite("run", folder, "--data", data, *WORDS)
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(folder / "evaluate" / "predictions.npz") as file:
        return dict(file)


def test_a_run_on_a_mapped_file_is_that_of_memory(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    y = np.arange(400) % 4
    x = (rng.integers(0, 60, (400, 12, 12, 3)) + 40 * y[:, None, None, None]).astype(np.uint8)
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    memory = predictions(tmp_path / "memory" / "run", tmp_path / "mine.npz")

    def refuse(self, dtype=None, copy=None):
        raise AssertionError("all samples were read at once")

    monkeypatch.setattr(LazyRows, "__array__", refuse)
    monkeypatch.setattr(Disk, "takes", lambda self, shape, dtype: True)
    mapped = predictions(tmp_path / "mapped" / "run", tmp_path / "mine.npz")
    assert list((tmp_path / "mapped" / ".teacher_cache").glob("samples-*.npy"))
    assert mapped.keys() == memory.keys()
    assert all(np.array_equal(mapped[name], memory[name]) for name in memory)
