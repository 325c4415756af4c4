"""bench_tflite.py: reading other machines from recorded files, up to the verdict."""

import json
from pathlib import Path

import pytest
from json_schema import faults
from tiny_bundle import SCRIPT, write_bundle

from hintlite.benchmarks import bench_tflite as bench

SCHEMA = json.loads(SCRIPT.with_suffix(".schema.json").read_text())


PI4 = {  # as a Raspberry Pi 4 under Raspberry Pi OS has them
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n"
    "Revision\t: c03114\nSerial\t\t: 100000003b3a3a3a\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
    "proc/meminfo": "MemTotal:        3884384 kB\nMemFree:         3100000 kB\n",
    "proc/loadavg": "0.31 0.22 0.10 1/180 1234\n",
    "proc/stat": "cpu  1000 0 500 98000 100 0 50 0 0 0\ncpu0 250 0 125 24500 25 0 12 0 0 0\n",
    "proc/self/status": "Name:\tpython3\nVmHWM:\t   40960 kB\nVmRSS:\t   30720 kB\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    "sys/devices/system/cpu/online": "0-3\n",
    "sys/class/thermal/thermal_zone0/temp": "48686\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
} | {
    f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_{name}": text
    for cpu in range(4)
    for name, text in [
        ("governor", "performance\n"),
        ("cur_freq", "1800000\n"),
        ("min_freq", "600000\n"),
        ("max_freq", "1800000\n"),
    ]
}


def recorded(folder: Path, files: dict) -> str:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(folder)


def firmware(folder: Path, *throttled: str) -> str:
    """A stand-in for vcgencmd; get_throttled answers with one word after the other."""
    path = folder / "vcgencmd"
    (folder / "answers").write_text("\n".join(throttled) + "\n")
    path.write_text(
        f'#!/bin/sh\ncd "{folder}"\ncase "$*" in\n'
        "get_throttled) head -n 1 answers\n"
        "  if [ $(wc -l < answers) -gt 1 ]; then sed -i 1d answers; fi;;\n"
        'measure_temp) echo "temp=48.7\'C";;\n'
        '"measure_clock arm") echo "frequency(48)=1800404352";;\nesac\n'
    )
    path.chmod(0o755)
    return str(path)


def test_a_raspberry_pi_is_read(tmp_path):
    root = recorded(tmp_path, PI4)
    facts = bench.machine_facts(root)
    assert facts["model"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert facts["cpu"] == "Cortex-A72"
    assert (facts["cores"], facts["memory_bytes"]) == (4, 3884384 * 1024)
    assert facts["os"] == "Debian GNU/Linux 12 (bookworm)"
    assert "100000003b3a3a3a" not in json.dumps(facts)
    state = bench.machine_state(root, firmware(tmp_path, "throttled=0x50005"))
    assert state["governors"] == ["performance"] * 4
    assert (state["cpu_khz"], state["cpu_min_khz"]) == ([1800000] * 4, [600000] * 4)
    assert state["temperatures"] == [{"type": "cpu-thermal", "celsius": 48.686}]
    assert state["load_average"] == [0.31, 0.22, 0.1]
    assert (state["vcgencmd"]["celsius"], state["vcgencmd"]["arm_hz"]) == (48.7, 1800404352)
    assert state["vcgencmd"]["throttled"]["now"] == ["under-voltage", "throttled"]
    assert (bench.resident(root), bench.peak_resident(root)) == (
        30720 * 1024,
        (40960 * 1024, "VmHWM"),
    )


def test_what_is_not_there_is_null(tmp_path):
    root = recorded(tmp_path, {"proc/loadavg": "0.0 0.0 0.0 1/2 3\n"})
    facts = bench.machine_facts(root)
    assert [facts[name] for name in ("model", "cpu", "cores", "memory_bytes")] == [None] * 4
    state = bench.machine_state(root, None)
    assert state.pop("load_average") == [0.0, 0.0, 0.0]
    assert set(state.values()) == {None}
    assert bench.peak_resident(root) == (None, None)
    assert bench.cpu_seconds(root) is None
    silent = tmp_path / "silent"  # vcgencmd without the right to ask the firmware
    silent.write_text("#!/bin/sh\necho VCHI initialization failed\nexit 255\n")
    silent.chmod(0o755)
    assert bench.firmware(str(silent)) is None
    assert bench.firmware(str(tmp_path / "missing")) is None


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("model name\t: ARMv7 Processor rev 4 (v7l)\nCPU implementer\t: 0x41\n"
         "CPU part\t: 0xd03\n", "Cortex-A53"),  # 32-bit kernels have both
        ("CPU implementer\t: 0x41\nCPU part\t: 0xd0b\nCPU implementer\t: 0x41\n"
         "CPU part\t: 0xd05\n", "Cortex-A55 + Cortex-A76"),
        ("CPU implementer\t: 0x41\nCPU part\t: 0xfff\n", "Arm part 0xfff"),
        ("CPU implementer\t: 0x61\nCPU part\t: 0x022\n", None),
        ("vendor_id\t: GenuineIntel\nmodel name\t: Intel(R) N100\n", "Intel(R) N100"),
    ],
)  # fmt: skip
def test_names_of_processors(cpuinfo, name, tmp_path):
    assert bench.cpu_name(recorded(tmp_path, {"proc/cpuinfo": cpuinfo})) == name


@pytest.mark.parametrize(("online", "cores"), [("0", 1), ("0-3", 4), ("0-1,3,5-6", 5), ("x", None)])
def test_cores_that_are_on(online, cores, tmp_path):
    root = recorded(tmp_path, {"sys/devices/system/cpu/online": online})
    assert bench.core_count(root) == cores


@pytest.mark.parametrize(
    ("word", "now", "since_boot"),
    [
        (0x0, [], []),
        (0x50005, ["under-voltage", "throttled"], ["under-voltage", "throttled"]),
        (0x20000, [], ["ARM frequency capped"]),
        (0x80008, ["soft temperature limit"], ["soft temperature limit"]),
    ],
)
def test_throttling_bits(word, now, since_boot):
    expected = {"word": hex(word), "now": now, "since_boot": since_boot}
    assert bench.decode_throttled(word) == expected


def test_cpu_time_of_others(tmp_path, monkeypatch):
    monkeypatch.setattr(bench.os, "sysconf", lambda name: 100)
    times = iter([2.0, 7.0])  # this process took 5 s
    monkeypatch.setattr(bench.time, "process_time", lambda: next(times))
    root = recorded(tmp_path, {"proc/stat": "cpu 1000 0 500 98000 100 0 50 0 0 0\n"})
    before = bench.cpu_seconds(root)
    # 20 s of core time later: 6 s user, 1 s system, 12 s idle, 1 s stolen
    recorded(tmp_path, {"proc/stat": "cpu 1600 0 600 99200 100 0 50 100 0 0\n"})
    shares = bench.cpu_shares(before, bench.cpu_seconds(root))
    assert shares["other_cpu_share"] == pytest.approx((6 + 1 + 1 - 5) / 20)
    assert shares["steal_share"] == pytest.approx(1 / 20)
    unknown = {"other_cpu_share": None, "steal_share": None}
    assert bench.cpu_shares(before, before) == unknown
    assert bench.cpu_shares(None, before) == unknown


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("made") / "bundle")


def test_a_throttled_pi_from_start_to_verdict(bundle, tmp_path):
    slow = {"sys/devices/system/cpu/cpu2/cpufreq/scaling_governor": "ondemand\n"}
    root = recorded(tmp_path, PI4 | slow)
    # before the run, before the windows, behind each of two windows, after
    words = [f"throttled={word}" for word in ("0x0", "0x0", "0x40004", "0x40000", "0x40000")]
    options = bench.Options(bundle=str(bundle), window_s=0.01, warmup_s=0.0, windows=2, min_runs=1)
    report = bench.measure(options, root, firmware(tmp_path, *words))
    assert list(faults(report, SCHEMA, SCHEMA)) == []
    machine = report["machine"]
    assert machine["throttled_words"] == ["0x0", "0x40004", "0x40000"]
    assert machine["before"]["vcgencmd"]["throttled"]["since_boot"] == []
    assert machine["after"]["vcgencmd"]["throttled"]["since_boot"] == ["throttled"]
    codes = [reason["code"] for reason in report["verdict"]["reasons"]]
    assert {"throttled", "governor"} <= set(codes)
    lines = "\n".join(bench.summary(report))
    assert "verdict: doubtful" in lines
    assert "the firmware reports throttled" in lines
