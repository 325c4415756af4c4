"""Devices on the command line: what is understood, the table, and a run's results."""

import json
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from ssh_server import ALIAS, serving
from tiny_bundle import run as run_script

from hintlite.benchmarks.targets.base import BenchmarkResult
from hintlite.benchmarks.targets.device_row import device_row
from hintlite.benchmarks.targets.ssh.device import Device
from hintlite.errors import SettingsError
from hintlite.pipeline.app.cli.grammar import parse
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.run.devices.devices import named_twice
from hintlite.pipeline.app.run.devices.file import Entry, read_devices
from hintlite.pipeline.app.run.devices.options import wanted
from hintlite.pipeline.app.run.devices.table import cells

FLEET = f"""
devices:
  - {{name: one, destination: {ALIAS}, ssh_config: CONFIG}}
  - {{name: two, destination: {ALIAS}, ssh_config: CONFIG, threads: 2, kernels: builtin}}
  - {{name: away, destination: pi@no-such-host.invalid, ssh_config: CONFIG}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("ssh server")) as server:
        server.set_python(options="")
        yield server


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    place = tmp_path_factory.mktemp("devices") / "run"
    shutil.copytree(finished_run[1], place)
    return place


@pytest.fixture(scope="module", autouse=True)
def without_determinism():
    """The finished run is deterministic; the tests after these are not to inherit that."""
    yield
    from tensorflow.python.framework import config

    config.disable_op_determinism()


def fleet(server, tmp_path, text=FLEET):
    path = tmp_path / "devices.yaml"
    path.write_text(text.replace("CONFIG", json.dumps(server.config)))
    return path


# ---------------------------------------------------------------------------------- understanding


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--target", "cortex-m44"], "did you mean: cortex-m4"),
        (["--target", "cortex.m4"], "did you mean: cortex-m4"),
        (["--target", "hots"], "did you mean: host"),
        (["--target", "desk"], "ssh:NAME"),
        (["--target", "pi@x;id"], "signs of the shell"),
        (["--target", "ssh:"], "must not be empty"),
        (["--port", "22"], "--port goes with a device"),
        (["--install", "--target", "cortex-m4"], "--install goes with a device"),
        (["--target", "pi@x", "--port", "0"], "port must lie in"),
        (["--target", "pi@x", "--targets", "x.yaml"], "give one of them"),
        (["--targets", "x.yaml", "--port", "22"], "stands in the file"),
        (["--targets", "no-such.yaml"], "cannot be read"),
        (["--target", "pi@x", "--timeout_s", "0"], "timeout_s must be above 0"),
        (["--target", "cortex-m4", "--timeout_s", "900"], "--timeout_s goes with a device"),
        (["--targets", "x.yaml", "--timeout_s", "900"], "stands in the file"),
    ],
)
def test_wrong_use_is_explained(words, match):
    with pytest.raises(WrongUseError, match=match):
        parse(["benchmark", "runs/x", *words])


@pytest.mark.parametrize("name", ["pi@x", "pi.local", "ssh:desk", "ssh://pi@x:22", "fe80::1"])
def test_devices_are_understood(name):
    assert parse(["benchmark", "runs/x", "--target", name]).options["target"] == name


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[", "cannot be read as YAML"),
        ("devices: []", "must list devices"),
        ("devices: [pi@x]\nmore: 1", "must list devices"),
        ("- pi@x", "must list devices"),
        ("devices: [{port: 22}]", "device 1 has no destination"),
        ("devices: [a, {destination: b, prot: 1}]", "device 2 has prot; known are"),
        ("devices: [{destination: a, port: '22'}]", "port cannot be '22'"),
        ("devices: [{destination: a, threads: 0}]", "threads must be 1 or more"),
        ("devices: [{destination: a, kernels: fast}]", "kernels must be one of"),
        ("devices: [-oProxyCommand=id]", "SSH destination"),
        ("devices: [a, a]", "names a twice"),
    ],
)
def test_a_fleet_that_makes_no_sense_is_refused(tmp_path, text, match):
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(SettingsError, match=match):
        read_devices(tmp_path / "f.yaml")


def test_one_device_may_have_another_time_limit():
    for words, request in (([], {}), (["--timeout_s", "1800"], {"timeout_s": 1800})):
        options = parse(["benchmark", "runs/x", "--target", "pi@x", *words]).options
        (entry,) = wanted(options)
        assert entry.request == request


def test_a_fleet_is_read(tmp_path):
    text = "devices: [pi@x, 'ssh:desk', {name: n, destination: d, port: 3, threads: 4}]"
    (tmp_path / "f.yaml").write_text(text)
    first, second, third = read_devices(tmp_path / "f.yaml")
    assert (first.device.destination, first.device.name, first.request) == ("pi@x", "pi@x", {})
    assert second.device.destination == "desk"
    assert (third.device.name, third.device.port, third.request) == ("n", 3, {"threads": 4})


def test_a_device_under_two_addresses_is_told():
    def measured(name, destination, system_id, port=None):
        raw = {"device": {"system_id": system_id}}
        verdict = {"state": "valid", "reasons": []}
        result = BenchmarkResult("measured", name, "0" * 64, verdict, raw=raw)
        return Entry(Device(destination, name=name, port=port), {}), result

    here = measured("here", "pi@192.168.1.7", "a")
    assert named_twice([here, measured("again", "PI@192.168.1.7", "a")]) == []  # they took turns
    assert named_twice([here, measured("other", "pi@192.168.1.8", "b")]) == []
    assert named_twice([measured("x", "one", None), measured("y", "two", None)]) == []
    (said,) = named_twice([measured("there", "pi.local", "a"), here, measured("c", "pi", "c")])
    assert said.startswith("here and there are one device: ")
    (said,) = named_twice([here, measured("port", "pi@192.168.1.7", "a", port=2222)])
    assert said.startswith("here and port are one device: ")


# ------------------------------------------------------------------------------------- the table


def result(**changes):
    raw = {
        "model": {"file": "m.tflite", "precision": "int8"},
        "settings": {"threads": 4},
        "runtime": {"delegate_applied": True},
        "machine": {
            "throttled_words": ["0x0", "0x50000"],
            "after": {"temperatures": [{"celsius": 40.0}, {"celsius": 51.5}], "vcgencmd": None},
        },
    }
    latency = {"import": 1000.0, "load": 20.0, "allocate": 3.0, "first": 0.5}
    latency |= {"p50": 10.0, "p90": 20.0, "p99": 1234.56}
    return {
        "kind": "measured",
        "target": "pi",
        "raw": raw,
        "latency_us": latency,
        "memory_bytes": 25_400_000,
        "accuracy": {"correct": 3, "total": 4},
        "verdict": {"state": "valid", "reasons": []},
    } | changes


def test_a_row_says_what_the_report_knows():
    assert cells(device_row(result())) == [
        *("pi", "m.tflite", "int8", "4", "yes", "1.0 ms", "10.0 us", "20.0 us", "1,234.6 us"),
        *("25.4 MB", "3 of 4", "51.5 C", "no", "valid"),
    ]
    machine = {"throttled_words": ["0x0", "0x4"], "after": {"vcgencmd": {"celsius": 82.1}}}
    row = device_row(result(raw={"machine": machine}))
    assert (row.throttled, row.celsius, row.model) == (True, 82.1, None)


def test_a_row_leaves_empty_what_is_unknown():
    empty = result(raw={}, latency_us=None, memory_bytes=None, accuracy=None, kind="simulated")
    assert cells(device_row(empty)) == ["pi (simulated)", *[""] * 12, "valid"]


# ---------------------------------------------------------------------------- the command itself


@pytest.mark.ssh
def test_one_device_is_measured_and_its_result_kept(server, run, capfd):
    words = ["benchmark", str(run), "--target", f"ssh:{ALIAS}", "--ssh_config", server.config]
    assert main(words) == 0
    printed = capfd.readouterr()
    assert "cold start" in printed.out
    place = run / "targets" / ALIAS
    first = json.loads((place / "result.json").read_text())
    assert (first["kind"], first["target"]) == ("measured", ALIAS)
    assert first["accuracy"]["total"] == 16
    assert server.left() == []
    assert main([*words, "--python", "no-such-python"]) == 1
    assert "--python" in capfd.readouterr().err
    assert json.loads((place / "result.json").read_text()) == first  # no half result
    from hintlite.pipeline.report.collect import collect

    facts = collect(run)
    assert facts["microcontrollers"] == []
    assert [entry["device"] for entry in facts["devices"]] == [ALIAS]
    commands = [entry["command"] for entry in facts["reproduce"]]
    assert f"hintlite benchmark {run} --target ssh:{ALIAS}" in commands


@pytest.mark.ssh
def test_a_device_takes_a_bundle_of_no_run(server, run, capfd, tmp_path):
    place = shutil.copytree(run / "bundle" / "device", tmp_path / "out")
    words = ["benchmark", str(place), "--target", f"ssh:{ALIAS}", "--ssh_config", server.config]
    assert main([*words, "--json", "--out", str(tmp_path / "kept")]) == 0
    result = json.loads(capfd.readouterr().out)
    assert (result["kind"], result["accuracy"]["total"]) == ("measured", 16)
    assert json.loads((tmp_path / "kept" / ALIAS / "result.json").read_text()) == result


@pytest.mark.ssh
def test_a_fleet_gives_one_table_though_one_device_is_away(server, run, capfd, tmp_path):
    assert main(["benchmark", str(run), "--targets", str(fleet(server, tmp_path))]) == 1
    printed = capfd.readouterr()
    assert "2 of 3 devices were measured; away: no such host" in printed.err
    rows = {line.split()[0]: line for line in printed.out.splitlines() if line.strip()}
    assert rows["device"].split()[-1] == "verdict"
    assert "away" not in rows
    results = {
        name: json.loads((run / "targets" / name / "result.json").read_text())
        for name in ("one", "two")
    }
    assert results["one"]["raw"]["settings"]["threads"] == 1
    assert results["two"]["raw"]["settings"]["threads"] == 2
    assert results["two"]["raw"]["runtime"]["delegate_asked"] is False
    for name, stored in results.items():
        assert f"{stored['latency_us']['p50']:,.1f} us" in rows[name]
        assert "student_int8.tflite" in rows[name]
    one, two = (results[name]["raw"]["started_utc"] for name in ("one", "two"))
    assert one < two  # one machine: they took turns
    assert server.left() == []


# The real agent, less one field of what it answers to "measure".
MALFORMED = """#!{python}
import base64, os, sys
if "base64" not in sys.argv[-1]:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
source = base64.b64decode(open(0, "rb", 0, closefd=False).readline()).decode()
less = source.replace('"sha256": sha256, ', "")
assert less != source
exec(less)
"""


@pytest.mark.ssh
def test_a_device_that_answers_out_of_form_does_not_stop_the_others(server, run, capfd, tmp_path):
    odd = server.bin / "odd"
    odd.write_text(MALFORMED.format(python=sys.executable))
    odd.chmod(0o755)
    text = FLEET.replace("name: two, ", f"name: two, python: {json.dumps(str(odd))}, ")
    assert main(["benchmark", str(run), "--targets", str(fleet(server, tmp_path, text))]) == 1
    printed = capfd.readouterr()
    assert "1 of 3 devices were measured; " in printed.err
    assert "two: KeyError: 'sha256'" in printed.err
    assert "away: no such host" in printed.err
    rows = [line.split()[0] for line in printed.out.splitlines() if line.strip()]
    assert "one" in rows
    assert "two" not in rows
    assert server.clean_within(), (server.left(), server.processes())


@pytest.mark.ssh
def test_ctrl_c_leaves_no_process_and_no_file(server, run):
    words = [sys.executable, "-m", "hintlite", "benchmark", str(run)]
    words += ["--target", f"ssh:{ALIAS}", "--ssh_config", server.config]
    process = subprocess.Popen(
        [*words, "--benchmark.warmup_s", "60"], stderr=subprocess.PIPE, text=True
    )
    try:
        end = time.monotonic() + 300
        while not [line for line in server.processes() if "bench_tflite.py" in line]:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=300)[1]
    finally:
        process.kill()
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert server.clean_within(10), (server.left(), server.processes())


def test_a_zip_works_by_hand(run, tmp_path):
    assert main(["bundle", str(run), "--for-device"]) == 0
    archive = run / "by_hand" / f"hintlite-{run.name}.zip"
    with zipfile.ZipFile(archive) as opened:
        assert {name.split("/")[0] for name in opened.namelist()} == {archive.stem}
        opened.extractall(tmp_path)
    place = tmp_path / archive.stem
    words = ("--window-s", "0.02", "--warmup-s", "0.02", "--min-runs", "3")
    assert "python3 bench_tflite.py" in (place / "README.txt").read_text()
    done = run_script(*words, "--json", "-", cwd=place)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"]["total"] == 16
    with pytest.raises(WrongUseError, match="--for_device writes a zip"):
        parse(["bundle", str(run), "--check", "--for-device"])


def test_the_zip_is_the_same_each_time(tmp_path):
    from hintlite.pipeline.app.run.stages.by_hand import to_zip

    files = {"b": b"2", "a": b"1"}
    assert to_zip("x", files) == to_zip("x", dict(reversed(files.items())))
