"""Devices on the page."""

import re

from report_run import emulated, write_run, write_target

from hintlite.pipeline.app.run.folder import RunFolder, Stage
from hintlite.pipeline.report.collect import collect
from hintlite.pipeline.report.page import page
from hintlite.pipeline.report.section import Report
from hintlite.pipeline.report.subjects import devices

SHA = "0123456789abcdef" * 4


def measured(**changes):
    why = {"state": "doubtful", "code": "busy", "what": "<i>busy</i>", "why": "it is", "cure": "go"}
    machine = {"model": "Raspberry Pi 5", "after": {"vcgencmd": {"celsius": 61.5}}}
    raw = {
        "device": {"os": "Debian 12", "runtime": "ai-edge-litert", "version": "2.3.0"},
        "machine": machine | {"throttled_words": ["0x4"]},
        "settings": {"threads": 4},
        "runtime": {"delegate_applied": True},
        "model": {"file": "student_int8.tflite", "precision": "int8"},
    }
    latency = {"import": 1e5, "load": 200.0, "allocate": 30.0, "first": 4.0}
    return {
        "kind": "measured",
        "target": "desk",
        "model_sha256": SHA,
        "verdict": {"state": "doubtful", "reasons": [why]},
        "latency_us": latency | {"p50": 87.25, "p90": 90.0, "p99": 1500.0},
        "memory_bytes": 30_000_000,
        "accuracy": {"correct": 15, "total": 16},
        "raw": raw,
    } | changes


def with_device(tmp_path, result, words=("--target", "pi@desk")):
    run = write_run(tmp_path / "run")

    def work(folder):
        import json

        (folder / "result.json").write_text(json.dumps(result))

    settings = {"target": "desk", "words": list(words), "request": {}, "nonce": "n"}
    RunFolder(run).complete(Stage("targets/desk", 1, settings, ("bundle",), (), work))
    return Report("run", run, collect(run))


def rows(section):
    found = re.findall(r"<tr>(.*?)</tr>", section.html, re.DOTALL)
    texts = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in found]
    plain = [[re.sub(r"<.*?>", "", text) for text in row] for row in texts]
    return [dict(zip(plain[0], row, strict=True)) for row in plain[1:]]


def test_a_device_has_its_row_and_its_reasons(tmp_path):
    report = with_device(tmp_path, measured())
    section = devices.render([report])
    (row,) = rows(section)
    assert row == {
        "device": "desk",
        "kind": "measured",
        "machine": "Raspberry Pi 5",
        "system": "Debian 12",
        "runtime": "ai-edge-litert 2.3.0",
        "model": "student_int8.tflite",
        "precision": "int8",
        "threads": "4",
        "XNNPACK applied": "yes",
        "cold start, µs": "100,234",
        "p50, µs": "87.2",
        "p90, µs": "90.0",
        "p99, µs": "1,500",
        "peak memory, bytes": "30,000,000",
        "samples right": "15 / 16",
        "temperature, °C": "61.5",
        "throttled": "yes",
        "verdict": "doubtful",
    }
    assert "desk is doubtful: &lt;i&gt;busy&lt;/i&gt;." in section.html
    assert report.facts["microcontrollers"] == []
    assert '<section id="devices"' in page([report])


def test_a_simulated_device_has_no_times_and_is_no_microcontroller(tmp_path):
    raw = measured()["raw"]
    raw["device"]["emulator"] = "qemu-aarch64 -cpu cortex-a72"
    report = with_device(tmp_path, measured(kind="simulated", latency_us=None, raw=raw))
    assert report.facts["microcontrollers"] == []
    (row,) = rows(devices.render([report]))
    assert row["kind"] == "simulated"
    assert row["system"] == "qemu-aarch64 -cpu cortex-a72"
    assert {row[f"{name}, µs"] for name in ("cold start", "p50", "p90", "p99")} == {"–"}  # noqa: RUF001


def test_a_microcontroller_is_no_device(tmp_path):
    run = write_run(tmp_path / "run")
    write_target(run, "cortex-m4", emulated("cortex-m4"))
    facts = collect(run)
    assert facts["devices"] == []
    assert devices.render([Report("run", run, facts)]) is None


def test_how_to_measure_again_is_said_with_the_devices_words(tmp_path):
    report = with_device(tmp_path, measured(), ("--target", "ssh:a b", "--port", "22"))
    lines = {entry["figure"]: entry["command"] for entry in report.facts["reproduce"]}
    command = f"hintlite benchmark {report.path} --target 'ssh:a b' --port 22"
    assert lines["latency, memory, accuracy on desk"] == command
    (report.path / "targets" / "desk" / "result.json").write_text("{}")
    assert collect(report.path)["resume"].splitlines()[-1] == command
