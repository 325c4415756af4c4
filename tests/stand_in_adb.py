"""Stands in for the program adb, with the outputs of adb 29.0.6 and 34 for one or more devices.

A folder holds devices.json ([[serial, state], ...]), faults.json (step -> what adb says there) and
the devices' /data/local/tmp as tmp/. `shell` joins its words with spaces and gives them to a real
shell, as adb does; its programs stand in bin/.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

HOME = "/data/local/tmp"
GETPROP = """[ro.build.id]: [AP4A.250205.002]
[ro.build.version.release]: [15]
[ro.build.version.sdk]: [35]
[ro.hardware]: [akita]
[ro.product.cpu.abi]: [arm64-v8a]
[ro.product.manufacturer]: [Google]
[ro.product.model]: [Pixel 8a]
[ro.serialno]: [41021JEKB00000]
[ro.soc.model]: [Tensor G3]
"""
THERMAL = "IsStatusOverride: false\nThermalEventListeners:\n\tcallbacks: 2\nThermal Status: 0\n"
UNAUTHORIZED = (
    "device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set\n"
    "Try 'adb kill-server' if that seems wrong.\n"
    "Otherwise check for a confirmation dialog on your device."
)
# What TFLite 2.17's benchmark_model prints; $0 takes the flags that it was given.
LOG = """INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [{runs}]
INFO: Num threads: [{threads}]
INFO: Min warmup runs duration (seconds): [0.5]
INFO: Graph: [{graph}]
INFO: Signature to run: []
INFO: #threads used for CPU inference: [{threads}]
INFO: Use xnnpack: [{xnnpack}]
INFO: Loaded model {graph}
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: XNNPACK delegate created.
INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by \
the delegate.
INFO: The input model file size (MB): 0.037344
INFO: Initialized session in 6.395ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if \
exceeding 150 seconds.
INFO: count=153 first=2761 curr=2885 min=2605 max=18080 avg=3243.58 std=2165 p5=2630 \
median=2761 p95=5331

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if \
exceeding 150 seconds.
INFO: count=3370 first=2881 curr=2703 min=2605 max=20356 avg=2942.27 std=119 p5=2647 \
median=2781 p95=3169

INFO: Inference timings in us: Init: 6395, First inference: 2761, Warmup (avg): 3243.58, \
Inference (avg): 2942.27
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only \
APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at your \
discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=39.4531 overall=40.8281
"""


def sample_log(graph="/data/local/tmp/model.tflite", threads="4", xnnpack="1", runs="50"):
    """The output of one run."""
    return LOG.format(graph=graph, threads=threads, xnnpack=xnnpack, runs=runs)


BENCHMARK_MODEL = f"""#!{sys.executable} -IS
import sys
flags = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:])
open(flags["graph"], "rb").close()
sys.stdout.write({LOG!r}.format(
    graph=flags["graph"],
    threads=flags["num_threads"],
    xnnpack=int(flags["use_xnnpack"] == "true"),
    runs=flags["num_runs"],
))
"""


class StandIn:
    """The stand-in's folder, for tests.

    Args:
        folder: new; holds the program `adb` and the devices.
        devices: serials and states as `adb devices` prints them.
    """

    def __init__(self, folder, devices=(("41021JEKB00000", "device"),)):
        self.folder = folder
        (folder / "tmp").mkdir(parents=True)
        (folder / "bin").mkdir()
        self.adb = str(folder / "adb")
        write_program(
            folder / "adb", f'#!/bin/sh\nexec {sys.executable} -IS {__file__} "$0" "$@"\n'
        )
        self.properties()
        self.thermal(0)
        self.devices(devices)
        self.faults({})

    def devices(self, devices):
        (self.folder / "devices.json").write_text(json.dumps(list(devices)))

    def faults(self, faults):
        """What goes wrong: "push" or "shell:WORD" -> a name that `_fault` knows."""
        (self.folder / "faults.json").write_text(json.dumps(faults))

    def properties(self, text=GETPROP):
        """What getprop lists."""
        write_program(self.folder / "bin" / "getprop", f"#!/bin/sh\ncat <<'E'\n{text}E\n")

    def thermal(self, status):
        text = THERMAL.replace("Status: 0", f"Status: {status}")
        write_program(self.folder / "bin" / "dumpsys", f"#!/bin/sh\ncat <<'E'\n{text}E\n")

    def install(self, program=BENCHMARK_MODEL):
        """Puts benchmark_model on the device."""
        write_program(self.folder / "tmp" / "benchmark_model", program)

    def left(self):
        """Names of what lies in /data/local/tmp."""
        return sorted(path.name for path in (self.folder / "tmp").iterdir())

    def calls(self):
        """The argument lists that adb was called with."""
        log = self.folder / "calls.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def write_program(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def main(program, words):
    folder = Path(program).parent
    with (folder / "calls.jsonl").open("a") as log:
        log.write(json.dumps(words) + "\n")
    devices = dict(json.loads((folder / "devices.json").read_text()))
    if words == ["devices"]:
        print("List of devices attached")
        print("".join(f"{serial}\t{state}\n" for serial, state in devices.items()))
        return 0
    assert words[0] == "-s", words
    faults = json.loads((folder / "faults.json").read_text())
    if words[2] == "push":
        return _push(folder, faults, *words[3:])
    assert words[2] == "shell", words
    return _shell(folder, faults, " ".join(words[3:]))


def _push(folder, faults, local, remote):
    name = Path(local).name
    if faults.get("push") == "full":
        said = f"failed to copy '{local}' to '{remote}': remote write failed: "
        print(f"adb: error: {said}No space left on device", file=sys.stderr)
        return 1
    if faults.get("push") == "gone":
        said = "failed to get feature set: device '41021JEKB00000' not found"
        print(f"adb: error: {said}", file=sys.stderr)
        return 1
    place = folder / "tmp" / Path(remote).relative_to(HOME)
    shutil.copyfile(local, place)
    if faults.get("push") == "damaged":
        place.write_bytes(place.read_bytes()[:-1] + b"?")
    print(f"{name}: 1 file pushed, 0 skipped. 22.1 MB/s (37344 bytes in 0.002s)")
    return 0


def _shell(folder, faults, line):
    for word, fault in faults.items():
        if word.startswith("shell:") and word.removeprefix("shell:") in line:
            return _fault(fault)
    here = str(folder / "tmp")
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", line.replace(HOME, here)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stdout.write((done.stdout + done.stderr).replace(here, HOME))
    return done.returncode


def _fault(name):
    if name == "unauthorized":
        print("error: " + UNAUTHORIZED, file=sys.stderr)
    elif name == "closed":
        print("INFO: STARTING!\nerror: closed")
    elif name == "cut":
        print("INFO: STARTING!\nINFO: Loaded model /data/local/tmp/x")
    elif name == "hangs":
        import time

        time.sleep(30)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
