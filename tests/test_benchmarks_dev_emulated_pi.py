"""Emulated Raspberry Pis, reached over SSH: from the bundle to the result and back.

What they are made of is downloaded once, by hintlite.benchmarks.dev.emulated_pi.userland.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ssh_server import ALIAS, serving
from tiny_bundle import COUNT, MEAN, MODEL, SCRIPT, STD

from hintlite.benchmarks.dev.emulated_pi.boards import BOARD_32, BOARDS, kernel_files
from hintlite.benchmarks.dev.emulated_pi.device import emulated_pi
from hintlite.benchmarks.dev.emulated_pi.userland import INSTALL, missing_tools
from hintlite.benchmarks.targets.base import BenchmarkError, BenchmarkRequest
from hintlite.benchmarks.targets.device_row import device_row
from hintlite.benchmarks.targets.ssh import target
from hintlite.benchmarks.targets.ssh.device import Device
from hintlite.benchmarks.targets.ssh.target import SshTarget
from hintlite.deploy.bundle.bundle import write_bundle
from hintlite.pipeline.app.cli.main import main

pytestmark = pytest.mark.timeout(1800)  # what is missing is downloaded in the first test
REFERENCE = Path(__file__).parent / "data" / "reference_cnn_int8.tflite"
FAST = BenchmarkRequest(warmup_s=0.02, window_s=0.02, windows=2, min_runs=2, timeout_s=900)
LITERT, TFLITE = "ai-edge-litert", "tflite-runtime"
CPUS = {"pi2": "Cortex-A7", "pi3": "Cortex-A53", "pi4": "Cortex-A72", "pi5": "Cortex-A76"}


@pytest.fixture(scope="module")
def tools():
    if missing := missing_tools():
        assert "CI" not in os.environ, (missing, INSTALL)
        pytest.skip(f"missing: {', '.join(missing)}; {INSTALL}")


@pytest.fixture(scope="module")
def server(tools, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("ssh server")) as server:
        yield server


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The expected outputs are those of the reference kernels on this machine."""
    raw = np.random.default_rng(1).integers(0, 256, (COUNT, 28, 28, 1)).astype(np.uint8)
    return write_bundle(
        tmp_path_factory.mktemp("made") / "bundle",
        models={MODEL: REFERENCE.read_bytes()},
        labels=[str(number) for number in range(10)],
        input_shape=(28, 28, 1),
        normalization={"mean": [MEAN], "std": [STD], "raw_dtype": "uint8"},
        samples_raw=raw,
        sample_labels=np.zeros(COUNT, np.int64),
        bench_script=SCRIPT,
        provenance={},
    )


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """An emulated Python takes seconds to start, on a busy machine many: allow each step more."""
    for limit in ("CONNECT_S", "CHECK_S", "REMOVE_S"):
        monkeypatch.setattr(target, limit, 600.0)
    monkeypatch.setattr(target, "SLOWEST_BYTES_S", 5_000)


def over_ssh(server, pi, said=None, **settings):
    (server.bin / "python3").write_text(pi.script())
    device = Device(ALIAS, ssh_config=server.config, **settings)
    return SshTarget(device, None if said is None else said.append, ())


@pytest.mark.emulated(
    modules=[
        "hintlite.benchmarks.bench_tflite",
        "hintlite.benchmarks.dev.emulated_pi",
        "hintlite.benchmarks.targets.ssh",
    ]
)
@pytest.mark.parametrize(
    ("name", "runtime"),
    [
        *[(name, runtime) for name in ("pi3", "pi4", "pi5") for runtime in (LITERT, TFLITE)],
        ("pi2", TFLITE),
    ],
)
def test_a_bundle_on_an_emulated_pi(server, bundle, tmp_path, name, runtime):
    pi = emulated_pi(name, runtime, tmp_path)
    result = over_ssh(server, pi).run(bundle, FAST)
    machine, exactness = result.raw["machine"], result.raw["exactness"]
    assert (machine["cpu"], machine["cores"]) == (CPUS[name], 4)
    assert machine["model"] == pi.board.model
    assert machine["architecture"] == ("armv7l" if name == "pi2" else "aarch64")
    assert result.raw["runtime"]["name"] == runtime
    # LiteRT's XNNPACK takes INT8; that of tflite-runtime 2.14 takes float models alone.
    assert result.raw["runtime"]["delegate_applied"] is (runtime == LITERT)
    # To the bit what the reference kernels give on this machine.
    assert exactness["bit_exact"] is True
    (reference,) = [check for check in exactness["checks"] if check["kernels"] == "reference"]
    assert (reference["samples"], reference["equal"]) == (COUNT, COUNT)
    assert result.accuracy["total"] == COUNT
    # Simulated: no time and no memory are the device's.
    assert (result.kind, result.latency_us, result.memory_bytes) == ("simulated", None, None)
    assert machine["emulator"] == pi.emulator
    assert "emulated" in [reason["code"] for reason in result.verdict["reasons"]]
    row = device_row(json.loads(json.dumps(result.to_dict())))
    assert {row.p50_us, row.p90_us, row.p99_us, row.cold_start_us} == {None}
    assert server.clean_within(300)


DEBIAN_12 = r"Debian GNU/Linux 12 \(bookworm\)"
DEBIAN_13 = r"Debian GNU/Linux 13 \(trixie\)"


@pytest.mark.emulated(
    modules=[
        "hintlite.benchmarks.bench_tflite",
        "hintlite.benchmarks.dev.emulated_pi",
        "hintlite.benchmarks.targets.ssh",
    ]
)
@pytest.mark.parametrize(
    ("name", "release", "system", "runtime", "packages"),
    [
        ("pi4", "bookworm", DEBIAN_12 + r", aarch64, Python 3\.11", LITERT, f"{LITERT} numpy"),
        ("pi5", "trixie", DEBIAN_13 + r", aarch64, Python 3\.13", LITERT, f"{LITERT} numpy"),
        ("pi2", "bookworm", DEBIAN_12 + r", armv7l, Python 3\.11\.\d+, numpy 1", TFLITE, TFLITE),
    ],
)
def test_a_fresh_pi_gets_its_runtime(
    server, bundle, tmp_path, name, release, system, runtime, packages
):
    """Without --install the command for this device is named; with it, pip's packages arrive."""
    shutil.rmtree(server.home / ".local", ignore_errors=True)
    pi = emulated_pi(name, None, tmp_path, release)
    with pytest.raises(BenchmarkError, match=f"pip install {packages}") as raised:
        over_ssh(server, pi).run(bundle, FAST)
    assert re.search(system, str(raised.value))
    assert ("python3-numpy" in str(raised.value)) is (name == "pi2")
    said = []
    result = over_ssh(server, pi, said, install=True).run(bundle, FAST)
    assert [line for line in said if line.startswith("installed in ")]
    assert result.raw["runtime"]["name"] == runtime
    assert result.raw["runtime"]["delegate_applied"] is (runtime == LITERT)
    assert result.raw["exactness"]["bit_exact"] is True


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    place = tmp_path_factory.mktemp("benchmarked") / "run"
    shutil.copytree(finished_run[1], place)
    return place


def result_of(run, name):
    return json.loads((run / "targets" / name / "result.json").read_text())


@pytest.mark.emulated(
    modules=[
        "hintlite.benchmarks.bench_tflite",
        "hintlite.benchmarks.dev.emulated_pi",
        "hintlite.benchmarks.targets.ssh",
        "hintlite.pipeline.app.run.devices",
    ]
)
def test_the_whole_command(server, run, tmp_path, capfd):
    """`hintlite benchmark RUN --target ...`: the table has no times, the result says simulated."""
    pi = emulated_pi("pi5", LITERT, tmp_path / "pi")
    (server.bin / "python3").write_text(pi.script())
    words = ["benchmark", str(run), "--target", f"ssh:{ALIAS}", "--ssh_config", server.config]
    assert main([*words, "--benchmark.sweep", "true"]) == 0
    printed = capfd.readouterr().out
    assert f"{ALIAS} (simulated)" in printed
    assert "simulated devices have no times" in printed
    result = result_of(run, ALIAS)
    assert (result["kind"], result["latency_us"]) == ("simulated", None)
    assert result["raw"]["machine"]["cpu"] == "Cortex-A76"
    assert result["raw"]["exactness"]["bit_exact"] is True
    rows = result["raw"]["sweep"]
    assert [(row["kernels"], row["threads"]) for row in rows] == [
        *[(kernels, threads) for kernels in ("xnnpack", "builtin") for threads in (1, 2, 4)],
        ("xnnpack", 1),
    ]
    assert [row["delegate_applied"] for row in rows] == [True] * 3 + [False] * 3 + [True]


@pytest.mark.emulated(
    modules=[
        "hintlite.benchmarks.bench_tflite",
        "hintlite.benchmarks.dev.emulated_pi",
        "hintlite.benchmarks.targets.ssh",
        "hintlite.pipeline.app.run.devices",
    ]
)
def test_a_fleet(server, run, tmp_path, capfd):
    """`hintlite benchmark RUN --targets ...`: each board with its own Python, one table."""
    entries = []
    for name, runtime in (("pi3", LITERT), ("pi4", TFLITE), ("pi2", TFLITE)):
        python = server.bin / f"python-of-{name}"
        python.write_text(emulated_pi(name, runtime, tmp_path / "boards").script())
        python.chmod(0o755)
        words = {"name": name, "destination": ALIAS, "ssh_config": server.config}
        entries.append({**words, "python": str(python), "kernels": "builtin"})
    (tmp_path / "devices.yaml").write_text(json.dumps({"devices": entries}))
    assert main(["benchmark", str(run), "--targets", str(tmp_path / "devices.yaml")]) == 0
    printed = capfd.readouterr().out
    for entry in entries:
        assert f"{entry['name']} (simulated)" in printed
        result = result_of(run, entry["name"])
        assert result["raw"]["machine"]["cpu"] == CPUS[entry["name"]]
        assert result["raw"]["runtime"]["delegate_applied"] is False
        assert result["raw"]["exactness"]["bit_exact"] is True


@pytest.mark.emulated(
    modules=["hintlite.benchmarks.bench_tflite", "hintlite.benchmarks.dev.emulated_pi"]
)
def test_the_instruction_set_is_that_of_the_core(tools, tmp_path):
    """A Pi 3 that claims a Pi 5's instructions is told of by the runtime's end, not by a result."""
    pi = emulated_pi("pi3", LITERT, tmp_path)
    for file, text in kernel_files(BOARDS["pi5"]).items():
        (pi.root / file).write_text(text)
    words = [*pi.words(), str(SCRIPT), "--model", str(REFERENCE), "--window-s", "0.02"]
    done = subprocess.run(
        words, env=os.environ | pi.variables(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "made for another processor (SIGILL)" in done.stderr


def test_kernel_files_are_those_of_the_board():
    for board in (*BOARDS.values(), BOARD_32):
        files = kernel_files(board)
        assert files["proc/cpuinfo"].count(board.part) == 4
        assert files["proc/device-tree/model"] == board.model + "\0"
    assert "asimddp" in kernel_files(BOARDS["pi5"])["proc/cpuinfo"]
    assert "asimddp" not in kernel_files(BOARDS["pi4"])["proc/cpuinfo"]
