"""Phones: benchmark_model's output read back, and the whole target against a stand-in for adb."""

import json
import os
import re
import shutil
import subprocess

import pytest
from stand_in_adb import GETPROP, HOME, StandIn, sample_log
from tiny_bundle import TINY, sha256

from hintlite.benchmarks.results import of_result
from hintlite.benchmarks.targets.adb import Adb, parse_devices, quoted
from hintlite.benchmarks.targets.android import AndroidTarget
from hintlite.benchmarks.targets.base import BenchmarkError, BenchmarkRequest, BenchmarkResult
from hintlite.benchmarks.targets.benchmark_model import parse_log
from hintlite.pipeline.app.run.stages.android import _line, _phone_line

REQUEST = BenchmarkRequest(threads=4, timeout_s=20)
# As Texas Instruments' and a RISC-V board's documentation print it: older versions, no percentiles.
OLDER = """count=1 curr=3512391

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 \
seconds.
count=50 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 std=109798

Inference timings in us: Init: 17187, First inference: 3512391, Warmup (avg): 3.51239e+06, \
Inference (avg): 2.95034e+06
Memory footprint delta from the start of the tool (MB): init=4.21094 overall=46.0859
Profiling Info for Benchmark Initialization:
Timings (microseconds): count=1 curr=147
"""


# -------------------------------------------------------------------------- benchmark_model's log


def test_a_log_is_read_with_all_its_figures():
    log = parse_log(sample_log(threads="4"))
    assert (log.init_us, log.first_us, log.warmup_us, log.mean_us) == (6395, 2761, 3243.58, 2942.27)
    assert (log.runs, log.min_us, log.max_us, log.std_us) == (3370, 2605, 20356, 119)
    assert (log.p5_us, log.p50_us, log.p95_us) == (2647, 2781, 3169)
    assert log.overall_bytes == round(40.8281 * 1024 * 1024)
    assert log.peak_bytes is None
    assert log.delegates == {"XNNPACK": "completely"}
    assert log.settings["threads"] == "4"
    assert log.settings["xnnpack"] == "1"
    assert log.model_mb == 0.037344


def test_logcat_lines_and_older_versions_are_read_too():
    behind = "07-08 15:34:26.202 I/tflite  ( 5395): "
    logcat = "".join(
        behind + line.removeprefix("INFO: ") + "\n" for line in sample_log().split("\n")
    )
    assert parse_log(logcat) == parse_log(sample_log())
    older = parse_log(OLDER)
    assert older.mean_us == 2950340
    assert older.runs == 50
    assert older.p50_us is None
    assert older.std_us == 109798


def test_a_single_run_is_its_own_least_most_and_median():
    single = re.sub(r"count=3370.*\n.*p95=3169", "count=1 curr=147", sample_log())
    single = re.sub(r"count=3370 .*", "count=1 curr=147", single)
    log = parse_log(single.replace("(avg): 2942.27", "(avg): 147"))
    assert (log.runs, log.min_us, log.p50_us, log.max_us, log.std_us) == (1, 147, 147, 147, 0)


def test_the_peak_is_read_where_it_was_asked_for():
    peak = "Overall peak memory footprint (MB) via periodic monitoring: 12.5\n"
    assert parse_log(sample_log() + peak).peak_bytes == 12.5 * 2**20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a line"),
        (sample_log()[:900], "expected a line"),
        (sample_log() * 2, "results of 2 runs"),
        ("ERROR: Failed to load model x.tflite\n", "it says: ERROR: Failed to load model x.tflite"),
        (sample_log().replace("avg=2942.27", "avg=1000"), "do not belong together"),
        (sample_log().replace("(avg): 2942.27", "(avg): 2942.27.1"), "is no number"),
    ],
)
def test_a_log_that_is_cut_off_or_mixed_is_refused(text, said):
    with pytest.raises(BenchmarkError, match=re.escape(said)):
        parse_log(text)


# --------------------------------------------------------------------------------------------- adb


@pytest.mark.parametrize(
    "word",
    ["a b", "it's", 'say "x"', "-n", "$HOME `id` $(id)", "a;b|c&d", "line\nbreak", "", "ä*?~"],
)
def test_every_word_reaches_the_devices_shell_as_it_is(word, tmp_path):
    line = quoted(["printf", "%s|", "first", word])
    said = subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout
    assert said == f"first|{word}|".encode()
    adb = Adb(program=StandIn(tmp_path / "adb").adb)
    assert adb.shell(["printf", "%s|", "first", word]).text == f"first|{word}|"


def test_the_exit_status_and_stderr_come_back(tmp_path):
    adb = Adb(program=StandIn(tmp_path / "adb").adb)
    answer = adb.shell(["ls", "/nonexistent place"])
    assert answer.status != 0
    assert "nonexistent place" in answer.text


def test_devices_are_listed_as_adb_prints_them():
    printed = (
        "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n"
        "List of devices attached\n41021JEKB00000\tdevice\n192.168.1.5:5555\toffline\n"
        "ABC\tno permissions (missing udev rules? user is in the plugdev group); see [http://x]\n\n"
    )
    assert parse_devices(printed) == {
        "41021JEKB00000": "device",
        "192.168.1.5:5555": "offline",
        "ABC": "no permissions",
    }


@pytest.mark.parametrize(
    ("devices", "serial", "said"),
    [
        ([], None, "no device: plug in"),
        ([], "X1", "no device 'X1' here; `adb devices` lists: none"),
        ([("A", "unauthorized")], None, "allow USB debugging"),
        ([("A", "offline")], "A", "its state is 'offline'"),
        ([("A", "no permissions (missing udev rules?)")], None, "udev rules"),
        ([("A", "recovery")], None, "start Android on it"),
        ([("A", "device"), ("B", "device")], None, "several devices: A (device), B (device); name"),
        ([("A", "device"), ("B", "device")], "C", "no device 'C' here"),
    ],
)
def test_a_device_that_cannot_be_used_gives_a_sentence(
    devices, serial, said, tmp_path, monkeypatch
):
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    stand_in = StandIn(tmp_path / "adb", devices)
    with pytest.raises(BenchmarkError, match=re.escape(said)):
        Adb(serial, stand_in.adb)


def test_the_one_usable_device_is_taken_and_the_environment_heeded(tmp_path, monkeypatch):
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    stand_in = StandIn(tmp_path / "adb", [("A", "offline"), ("B", "device")])
    assert Adb(program=stand_in.adb).serial == "B"
    stand_in.devices([("A", "device"), ("B", "device")])
    monkeypatch.setenv("ANDROID_SERIAL", "A")
    assert Adb(program=stand_in.adb).serial == "A"
    assert Adb("B", stand_in.adb).serial == "B"


def test_no_adb_is_said_with_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BenchmarkError, match="apt-get install adb"):
        Adb()


def test_the_real_adb_without_a_phone_gives_a_sentence(monkeypatch, tmp_path):
    if shutil.which("adb") is None:
        assert "CI" not in os.environ, "apt-get install adb"
        pytest.skip("apt-get install adb")
    monkeypatch.setenv("HOME", str(tmp_path))  # adb writes a key there
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "50371")  # a server of this test's own
    try:
        with pytest.raises(BenchmarkError, match="no device 'no-such-phone' here"):
            Adb("no-such-phone")
    finally:
        subprocess.run(["adb", "kill-server"], check=False, capture_output=True)


# --------------------------------------------------------------------------------- the whole target


@pytest.fixture
def phone(tmp_path):
    stand_in = StandIn(tmp_path / "adb")
    stand_in.install()
    return stand_in


def test_a_phone_measures_a_model_and_nothing_is_left_on_it(phone):
    result = AndroidTarget(adb=phone.adb).run(TINY, REQUEST)
    assert result.kind == "measured"
    assert result.target == "android"
    assert result.model_sha256 == sha256(TINY)
    assert result.latency_us == {
        "first": 2761,
        "mean": 2942.27,
        "min": 2605,
        "p50": 2781,
        "max": 20356,
        "std": 119,
    }
    assert result.memory_bytes is None  # a growth is no peak
    assert result.accuracy is None  # benchmark_model looks at no output
    assert result.verdict == {"state": "valid", "reasons": []}
    assert result.raw["phone"] == {
        "manufacturer": "Google",
        "model": "Pixel 8a",
        "soc": "Tensor G3",
        "hardware": "akita",
        "abi": "arm64-v8a",
        "android": "15",
        "sdk": "35",
        "build": "AP4A.250205.002",
    }
    assert result.raw["emulator"] is None
    assert "41021JEKB00000" not in json.dumps(result.to_dict())  # names one phone: not kept
    assert result.raw["copy_checked"]
    assert result.raw["log"]["settings"]["threads"] == "4"
    assert phone.left() == ["benchmark_model"]
    assert BenchmarkResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_benchmark_model_is_pushed_from_here_and_given_the_asked_flags(phone, tmp_path):
    program = tmp_path / "my tools" / "benchmark model"
    program.parent.mkdir()
    shutil.copy(phone.folder / "tmp" / "benchmark_model", program)
    (phone.folder / "tmp" / "benchmark_model").unlink()
    request = BenchmarkRequest(threads=2, kernels="builtin", window_s=0.5, min_runs=7)
    AndroidTarget(adb=phone.adb, benchmark_model=str(program)).run(TINY, request)
    (line,) = (call[3] for call in phone.calls() if "--graph=" in call[-1])
    assert "--num_threads=2" in line
    assert "--use_xnnpack=false" in line
    assert "--min_secs=2.5" in line
    assert "--num_runs=7" in line
    assert phone.left() == []


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"push": "full"}, "the phone has no room for tiny_int8.tflite"),
        ({"push": "gone"}, "41021JEKB00000 went away"),
        ({"push": "damaged"}, "came to the phone damaged"),
        ({"shell:mktemp": "unauthorized"}, "41021JEKB00000 went away"),
        ({"shell:--graph": "closed"}, "went away"),
        ({"shell:--graph": "cut"}, "ended before"),
        ({"shell:--graph": "hangs"}, "no answer within 2 s"),
    ],
)
def test_whatever_goes_wrong_ends_in_a_sentence_and_a_tidy_phone(phone, faults, said):
    phone.faults(faults)
    with pytest.raises(BenchmarkError, match=re.escape(said)):
        AndroidTarget(adb=phone.adb).run(TINY, BenchmarkRequest(timeout_s=2))
    assert phone.left() == ["benchmark_model"]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("#!/bin/sh\nkill -SEGV $$\n", "crashed on the phone (SIGSEGV"),
        ("#!/bin/sh\nkill -ABRT $$\n", "crashed on the phone (SIGABRT"),
        (
            "#!/bin/sh\necho 'ERROR: Failed to load model x'; exit 1\n",
            "(exit code 1): ERROR: Failed",
        ),
        ("#!/nonexistent/linker64\n", "cannot be run on this phone"),
        ("#!/bin/sh\necho INFO: STARTING!\n", "expected a line"),
    ],
)
def test_a_benchmark_model_that_fails_is_explained(phone, program, said):
    phone.install(program)
    with pytest.raises(BenchmarkError, match=re.escape(said)):
        AndroidTarget(adb=phone.adb).run(TINY, REQUEST)
    assert phone.left() == ["benchmark_model"]


def test_a_missing_or_unusable_benchmark_model_is_said_before_it_is_tried(phone):
    place = phone.folder / "tmp" / "benchmark_model"
    place.chmod(0o644)
    with pytest.raises(BenchmarkError, match="chmod 755"):
        AndroidTarget(adb=phone.adb).run(TINY, REQUEST)
    place.unlink()
    with pytest.raises(BenchmarkError, match=f"there is no {HOME}/benchmark_model"):
        AndroidTarget(adb=phone.adb).run(TINY, REQUEST)
    with pytest.raises(BenchmarkError, match="there is no file nowhere"):
        AndroidTarget(adb=phone.adb, benchmark_model="nowhere").run(TINY, REQUEST)
    assert phone.left() == []


def test_what_makes_a_run_doubtful_is_said(phone):
    loud = sample_log().replace("std=119", "std=900").replace("count=3370", "count=20")
    loud = loud.replace(
        "Explicitly applied XNNPACK delegate, and the model graph will be completely "
        "executed by the delegate.",
        "Though XNNPACK delegate is explicitly applied, the model graph "
        "will not be executed by the delegate.",
    )
    phone.install(f"#!/bin/sh\ncat <<'E'\n{loud}E\n")
    phone.thermal(3)
    result = AndroidTarget(adb=phone.adb).run(TINY, REQUEST)
    assert result.verdict["state"] == "doubtful"
    codes = [reason["code"] for reason in result.verdict["reasons"]]
    assert codes == ["delegate_not_applied", "spread", "short", "throttled"]
    assert result.raw["thermal_status"] == {"before": 3, "after": 3}
    assert "31% of the mean" in result.verdict["reasons"][1]["what"]


@pytest.mark.parametrize(
    ("serial", "replaced", "sign"),
    [
        ("emulator-5554", (), "adb calls it emulator-5554"),
        ("41021JEKB00000", ("akita", "ranchu"), "ro.hardware is ranchu"),
        ("41021JEKB00000", ("akita", "goldfish"), "ro.hardware is goldfish"),
        ("X", ("[ro.soc.model]", "[ro.kernel.qemu]: [1]\n[ro.soc.model]"), "ro.kernel.qemu is 1"),
        ("X", ("[ro.soc.model]", "[ro.boot.qemu]: [1]\n[ro.soc.model]"), "ro.boot.qemu is 1"),
        ("X", ("[ro.soc.model]", "[ro.boot.qemu]: [0]\n[ro.soc.model]"), None),
        ("my-emulator-5554", ("akita", "ranch"), None),
    ],
)
def test_an_emulator_is_simulated_and_has_no_times(tmp_path, serial, replaced, sign):
    stand_in = StandIn(tmp_path / "adb", [(serial, "device")])
    peak = "Overall peak memory footprint (MB) via periodic monitoring: 12.5\n"
    stand_in.install(f"#!/bin/sh\ncat <<'E'\n{sample_log()}{peak}E\n")
    stand_in.properties(GETPROP.replace(*replaced) if replaced else GETPROP)
    result = AndroidTarget(adb=stand_in.adb).run(TINY, REQUEST)
    assert result.raw["log"]["mean_us"] == 2942.27
    assert result.raw["emulator"] == sign
    if sign is None:
        assert (result.kind, result.memory_bytes) == ("measured", 12.5 * 2**20)
        assert result.latency_us["mean"] == 2942.27
        assert result.verdict["state"] == "valid"
    else:
        assert (result.kind, result.latency_us, result.memory_bytes) == ("simulated", None, None)
        (reason,) = result.verdict["reasons"]
        assert (result.verdict["state"], reason["code"]) == ("doubtful", "emulated")
        assert reason["what"] == f"this is Android's emulator ({sign})"
    outcome = of_result("x", result)
    assert outcome.method["kind"] == result.kind
    assert ("p50_us" in outcome.figures) == (sign is None)
    assert ("no times of an emulator" in _line(result.to_dict())) == (sign is not None)
    assert _phone_line(result.to_dict()).startswith(f"{result.kind} on Google Pixel 8a, Android 15")


def test_what_a_phone_says_cannot_steer_the_terminal(phone):
    phone.properties(GETPROP.replace("Pixel 8a", "Pixel\x1b[2J"))
    result = AndroidTarget(adb=phone.adb).run(TINY, REQUEST)
    assert result.raw["phone"]["model"] == "Pixel [2J"


def test_reference_kernels_are_refused(phone):
    with pytest.raises(BenchmarkError, match="no reference kernels"):
        AndroidTarget(adb=phone.adb).run(TINY, BenchmarkRequest(kernels="reference"))
