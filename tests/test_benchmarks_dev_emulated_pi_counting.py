"""Instructions per inference: the differences, the plugin, and what an emulated core executes."""

import os
import subprocess
from pathlib import Path

import pytest

from hintlite.benchmarks.dev.emulated_pi import counting
from hintlite.benchmarks.dev.emulated_pi.device import emulated_pi
from hintlite.benchmarks.dev.emulated_pi.userland import INSTALL, UserlandError
from hintlite.benchmarks.dev.emulated_pi.userland import missing_tools as missing_userland

pytestmark = pytest.mark.timeout(1800)  # what is missing is downloaded in the first test
TINY = Path(__file__).parent / "data" / "tiny_int8.tflite"
COUNT_IN_C = """
#include <unistd.h>
int main(void) {
    volatile unsigned sum = 0;
    getppid();
    for (int i = 0; i < 1000; i++) sum += 1;
    getppid();
    for (int i = 0; i < 3000; i++) sum += 1;
    getppid();
    return 0;
}
"""


@pytest.fixture(scope="module")
def tools():
    if missing := [*counting.missing_tools(), *missing_userland()]:
        assert "CI" not in os.environ, (missing, INSTALL)
        pytest.skip(f"missing: {', '.join(missing)}; {INSTALL}")


def test_differences_of_many_and_few():
    # A mark costs 7, an inference 100, the first of a loop 40 more.
    few, many = 7 + 40 + 2 * 100, 7 + 40 + 5 * 100
    marks = [1000, 1000 + few, 1000 + few + many, 9000, 9000 + few, 9000 + few + many + 3]
    assert counting.per_inference(marks, 2, 5) == [100.0, 101.0]


def test_the_spread_is_that_of_the_repeats():
    count = counting.Count("m", "0" * 64, "2", "xnnpack", True, 200.0, 199.0, 203.0)
    assert count.spread_percent == 2.0


def test_a_missing_tool_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserlandError, match="missing: gcc, qemu-aarch64; apt-get install"):
        counting.build_plugin(tmp_path)


@pytest.mark.emulated(
    modules=["hintlite.benchmarks.bench_tflite", "hintlite.benchmarks.dev.emulated_pi"]
)
def test_a_loop_of_known_length_is_counted(tools, tmp_path):
    """Of a program for this machine: three times the rounds, three times the instructions."""
    (tmp_path / "loop.c").write_text(COUNT_IN_C)
    words = ["gcc", "-O1", "loop.c", "-o", "loop"]
    subprocess.run(words, cwd=tmp_path, check=True)
    plugin = counting.build_plugin(tmp_path)
    number = {"x86_64": 110, "aarch64": 173}[os.uname().machine]
    found = []
    for name in ("first", "second"):
        options = f"{plugin},mark={number},out={tmp_path / name}"
        emulator = f"qemu-{os.uname().machine}"
        subprocess.run([emulator, "-plugin", options, "./loop"], cwd=tmp_path, check=True)
        found.append([int(line) for line in (tmp_path / name).read_text().split()])
    begin, middle, end = found[0]
    rounds = ((end - middle) - (middle - begin)) / 2000
    assert rounds == int(rounds)  # instructions of one round, to the last
    assert 3 <= rounds <= 10
    assert [end - begin] == [found[1][2] - found[1][0]]  # the same again


@pytest.mark.emulated(
    modules=["hintlite.benchmarks.bench_tflite", "hintlite.benchmarks.dev.emulated_pi"]
)
def test_a_plugin_without_its_options_says_what_it_wants(tools, tmp_path):
    plugin = counting.build_plugin(tmp_path)
    words = [f"qemu-{os.uname().machine}", "-plugin", str(plugin), "/bin/true"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "expected mark=NUMBER and out=PATH" in done.stderr


@pytest.mark.emulated(
    modules=["hintlite.benchmarks.bench_tflite", "hintlite.benchmarks.dev.emulated_pi"]
)
def test_kernels_of_an_inference_are_told_apart_and_repeat(tools, tmp_path):
    pi = emulated_pi("pi4", "ai-edge-litert", tmp_path)
    subjects = [(TINY, "xnnpack"), (TINY, "reference")]
    fast, plain = counting.count(pi, subjects, few=5, many=25, repeats=3)
    assert (fast.kernels, fast.delegate_applied) == ("xnnpack", True)
    assert (plain.kernels, plain.delegate_applied) == ("reference", False)
    assert plain.instructions > 1.2 * fast.instructions
    assert max(fast.spread_percent, plain.spread_percent) < 8
