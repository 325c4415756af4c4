"""Measures a TFLite model on the machine it runs on, and says how far the figures can be trusted.

One file to copy to a device. It needs Python 3.7 or newer, numpy, and one of ai-edge-litert,
tflite-runtime and TensorFlow (the first that works, in this order), and nothing else.

    python3 bench_tflite.py                                in a bundle's folder: its int8 model
    python3 bench_tflite.py --bundle DIR --threads 4       a bundle that lies elsewhere
    python3 bench_tflite.py --model any.tflite             any other model, with random input
    python3 bench_tflite.py --no_delegate                  without XNNPACK
    python3 bench_tflite.py --sweep                        1, 2, 4 threads, with XNNPACK and without
    python3 bench_tflite.py --window_s 10 --json out.json  windows as long as MLPerf Tiny asks for

Progress goes to stderr; the figures and, as the last lines, the verdict go to stdout. --json OUT
writes one JSON object to a file (bench_tflite.schema.json describes each field), --json - to stdout,
where it is then all there is. Exit code: 0 measured (a doubtful verdict included), 1 failed or invalid, 2 wrong
use. What could not be found out is null in the JSON: nothing is guessed.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import glob
import hashlib
import json
import math
import os
import platform
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from array import array
from dataclasses import dataclass, replace
from typing import Any, Callable, Sequence

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

# numpy is imported inside functions: the process forks before anything that starts threads.

SCHEMA = "hintlite-bench/1"
VERSION = "1.4.0"
KERNELS = {  # our word: the runtimes' OpResolverType
    "xnnpack": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
REFERENCE_CHECK_S = 10.0  # the reference kernels are slow: compare as many samples as fit in this
LEAST_RUNS, LEAST_S = 50, 1.0  # what TFLite's benchmark_model takes at the least, in all
MOST_SPREAD_PERCENT = 5.0
MOST_OTHER_CPU = 0.10  # share of all cores that other processes and the hypervisor may take
MOST_STEPS_APART = 2  # output steps between kernels of different runtimes: more is no rounding
SWEEP_THREADS = (1, 2, 4)
POWER_READINGS = 5
REST_S = 2.0  # behind the last inference, before the power at rest is read: clocks go down by then
POWER_METHOD = (
    "estimate: sum of current times voltage over the rails that vcgencmd pmic_read_adc lists with "
    "both; without the losses of the regulators and what USB devices draw; medians of "
    f"{POWER_READINGS} readings, those at rest from {REST_S:g} s behind the last inference on"
)
MOST_FLOAT_APART = 0.01  # of the range of the expected outputs, for models with float outputs
# Timed kernels may round otherwise than those that gave the expected outputs, and a step early in
# the network is some at its end: XNNPACK lay up to 3 output steps from the reference kernels on a
# hundred small int8 networks on x86-64, 6 on one spoiled for it; a wrong kernel is off by tens.
MOST_TIMED_STEPS = 8
MOST_TIMED_APART = 0.1  # of that range, for float outputs of a model with integers inside
METHOD = (
    "timed: invoke() alone, by time.perf_counter_ns; the input is copied in before, untimed",
    "warm-up by time after the first inference, then windows of at least window_s seconds of "
    "inference and min_runs inferences each, garbage collection off",
    "median_of_windows_us is MLPerf Tiny's figure (median of 5 windows; there of 10 s or more)",
    "TFLite's benchmark_model for comparison: warm-up 0.5 s, then at least 50 runs and 1 s",
    "percentiles: linear interpolation between the two nearest timings, as numpy.percentile",
    "cold start: import_us (numpy and runtime), load_us (construct the interpreter), allocate_us, "
    "first_us, in a fresh process; imports find the system's file cache as it was left, load_us "
    "always finds the model in it, as the file was read just before for its sha256",
)
DAMAGED = "the model is damaged or truncated, or needs a newer runtime"

Json = Any


class BenchError(Exception):
    """The benchmark cannot be done; the text says what was expected and what to do."""


class UsageError(Exception):
    """The command was put wrongly."""


@dataclass(frozen=True)
class Options:
    """What the command line asks for; times in seconds."""

    model: str | None = None
    bundle: str | None = None
    threads: int = 1
    kernels: str = "xnnpack"
    warmup_s: float = 0.5
    window_s: float = 2.0
    windows: int = 5
    min_runs: int = 50
    input: str = "samples"
    sweep: bool = False
    json: str | None = None
    nonce: str | None = None
    compare: bool = True  # with the reference kernels too; no option of the command line


@dataclass(frozen=True)
class Subject:
    """The file to measure: its path, and the folder and manifest of its bundle if it has one."""

    path: str
    folder: str = ""
    manifest: Json = None

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return os.path.basename(self.path)


@dataclass(frozen=True)
class Runtime:
    """A TFLite runtime that was found, and how long importing it and numpy took."""

    name: str
    version: str | None
    interpreter: Any
    resolver: Any
    import_us: float


@dataclass(frozen=True)
class Samples:
    """Bundled samples as the model takes them, and what belongs to them.

    For each sample a list of one array [1, ...] an input; labels [k] of what the output number
    `answer` chooses, None where none does; expected outputs, a list of one array [k, ...] an output.
    """

    inputs: Any
    labels: Any
    expected: Any
    answer: int = 0
    sha256: str | None = None  # of raw inputs and labels


def say(text: str) -> None:
    """Writes one line of progress to stderr."""
    print("bench_tflite: " + text, file=sys.stderr, flush=True)


def one_line(error: object) -> str:
    """The text of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


# ------------------------------------------------------------------------------- the machine
# `root` stands before every path, so that recorded files of other machines can be read.


def read_text(root: str, path: str) -> str | None:
    """The text of a small system file, or None when it is missing, unreadable or empty."""
    try:
        with open(os.path.join(root, path.lstrip("/")), "rb") as stream:
            return stream.read().decode("utf-8", "replace").strip("\0\n ") or None
    except OSError:
        return None


def read_int(root: str, path: str) -> int | None:
    """The whole number in a system file, or None."""
    try:
        return int(read_text(root, path) or "")
    except ValueError:
        return None


def known(values: Sequence[Any]) -> list[Any] | None:
    """The values that are known, or None when none is."""
    return [value for value in values if value is not None] or None


def numbered(root: str, pattern: str) -> list[str]:
    """Folders that match a pattern, below root, in the order of the number they end in."""
    found = glob.glob(os.path.join(glob.escape(root), pattern))
    ends = [(re.search(r"(\d+)$", path), path) for path in found]
    pairs = sorted((int(end.group(1)), path) for end, path in ends if end)
    return [os.path.relpath(path, root) for _, path in pairs]


# Part numbers of Arm's own cores (implementer 0x41), as in util-linux' lscpu-arm.c.
# fmt: off
ARM_PARTS = {
    "0xb76": "ARM1176", "0xc07": "Cortex-A7", "0xc08": "Cortex-A8", "0xc09": "Cortex-A9",
    "0xc0f": "Cortex-A15", "0xd03": "Cortex-A53", "0xd04": "Cortex-A35", "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd09": "Cortex-A73", "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1", "0xd0d": "Cortex-A77", "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
}
# fmt: on


def cpu_name(root: str) -> str | None:
    """The CPU's name: the core's for Arm (by its part number), else the kernel's "model name"."""
    text = read_text(root, "/proc/cpuinfo") or ""
    fields = re.findall(r"^([^:\n]+?)\s*:[ \t]*(.*)$", text, re.MULTILINE)
    parts = {value for key, value in fields if key == "CPU part"}
    if parts and {value for key, value in fields if key == "CPU implementer"} == {"0x41"}:
        names = {ARM_PARTS.get(part, "Arm part " + part) for part in parts}
    else:
        names = {value for key, value in fields if key == "model name" and value}
    return " + ".join(sorted(names)) or None


def core_count(root: str) -> int | None:
    """Logical CPUs that are switched on, from a list like 0-3,6."""
    try:
        online = (read_text(root, "/sys/devices/system/cpu/online") or "").split(",")
        ends = [part.split("-") for part in online]
        return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)
    except ValueError:
        return os.cpu_count() if root == "/" else None


def usable_cores() -> int | None:
    """Logical CPUs that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on macOS and Windows
        return os.cpu_count()


def kib_field(root: str, path: str, key: str) -> int | None:
    """A field like "VmHWM:  1234 kB" of a /proc file, in bytes."""
    found = re.search(rf"^{key}:\s*(\d+) kB", read_text(root, path) or "", re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def os_name(root: str) -> str | None:
    """The distribution's name, or the system's where there is no os-release file."""
    text = read_text(root, "/etc/os-release") or ""
    found = re.search(r"^PRETTY_NAME=(.*)$", text, re.MULTILINE)
    return found.group(1).strip("\"'") if found else platform.system() or None


def temperatures(root: str) -> list[Json] | None:
    """Each thermal zone's type and temperature in degrees Celsius."""
    zones = numbered(root, "sys/class/thermal/thermal_zone*")
    found = [(read_text(root, zone + "/type"), read_int(root, zone + "/temp")) for zone in zones]
    return known([m if m is None else {"type": kind, "celsius": m / 1000} for kind, m in found])


def family(architecture: str) -> str:
    """The processor family of a kernel's word for an architecture: arm, x86, or the word itself."""
    if architecture.startswith(("aarch64", "arm")):
        return "arm"
    return "x86" if re.match(r"x86_64$|amd64$|i\d86$", architecture) else architecture


def emulator(root: str, machine: str) -> str | None:
    """What emulates this processor, or None where nothing shows that one does.

    Two signs: the variable HINTLITE_EMULATOR, in which an emulated userland says so itself; and a
    kernel (Linux 6.1 or newer) made for another family of processors than the one that programs
    are told of, which is how qemu-user runs them.
    """
    said = os.environ.get("HINTLITE_EMULATOR")
    kernel = read_text(root, "/proc/sys/kernel/arch")
    if said or kernel is None or not machine:
        return said or None
    if family(kernel) == family(machine):
        return None
    return f"{machine} programs on a kernel for {kernel}"


def load_average(root: str) -> list[float] | None:
    """The load averages over 1, 5 and 15 minutes."""
    text = read_text(root, "/proc/loadavg")
    try:
        return [float(word) for word in text.split()[:3]] if text else list(os.getloadavg())
    except (ValueError, OSError, AttributeError):
        return None


THROTTLE_BITS = ("under-voltage", "ARM frequency capped", "throttled", "soft temperature limit")


def decode_throttled(word: int) -> Json:
    """What `vcgencmd get_throttled` says: bits 0 to 3 hold now, bits 16 to 19 since the last boot.

    Source: Raspberry Pi's documentation of vcgencmd.
    """
    return {
        "word": hex(word),
        "now": [name for bit, name in enumerate(THROTTLE_BITS) if word >> bit & 1],
        "since_boot": [name for bit, name in enumerate(THROTTLE_BITS) if word >> (bit + 16) & 1],
    }


def ask_firmware(program: str | None, words: Sequence[str], pattern: str) -> str | None:
    """What a Raspberry Pi's vcgencmd answers, cut out by a pattern; None where it says nothing."""
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, *words],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=5,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(pattern, answer.decode("utf-8", "replace"))
    return found.group(1) if found else None


def throttled_word(program: str | None) -> str | None:
    """The throttling bits of a Raspberry Pi in hex, or None elsewhere."""
    return ask_firmware(program, ["get_throttled"], r"throttled=(0x[0-9a-fA-F]+)")


def firmware(program: str | None) -> Json:
    """What a Raspberry Pi's firmware says of throttling, temperature and clock; None elsewhere."""
    word = throttled_word(program)
    celsius = ask_firmware(program, ["measure_temp"], r"temp=([0-9.]+)")
    clock = ask_firmware(program, ["measure_clock", "arm"], r"frequency\(\d+\)=(\d+)")
    facts = {
        "throttled": None if word is None else decode_throttled(int(word, 16)),
        "celsius": None if celsius is None else float(celsius),
        "arm_hz": None if clock is None else int(clock),
    }
    return facts if known(list(facts.values())) else None


def rails_of(answer: str) -> Json:
    """Watts of each rail in the answer of `vcgencmd pmic_read_adc`, of a Raspberry Pi 5.

    A line is `VDD_CORE_A current(7)=1.75128000A` or `VDD_CORE_V volt(15)=0.72040100V`; the two are
    one rail. Rails with one of them alone (EXT5V_V, BATT_V) have no power.
    """
    lines = r"^\s*(\w+)_([AV]) (?:current|volt)\(\d+\)=([0-9.]+)[AV]\s*$"
    found = {(rail, unit): float(text) for rail, unit, text in re.findall(lines, answer, re.M)}
    rails = sorted(rail for rail, unit in found if unit == "A" and (rail, "V") in found)
    return {rail: found[rail, "A"] * found[rail, "V"] for rail in rails}


def watts_now(program: str) -> float | None:
    """The estimated power of a Raspberry Pi 5 in this moment; None elsewhere."""
    rails = rails_of(ask_firmware(program, ["pmic_read_adc"], r"(?s)(.+)") or "")
    return sum(rails.values()) if rails else None


def idle_watts(program: str) -> float | None:
    """The estimated power at rest: the median of several readings, the processor cooled down."""
    if watts_now(program) is None:  # no Raspberry Pi 5: nothing to wait for
        return None
    time.sleep(REST_S)
    watts = known([watts_now(program) for _ in range(POWER_READINGS)])
    return percentile(sorted(watts), 50) if watts else None


def busy_rails(program: str, infer: Callable[[], None]) -> Json:
    """The rails' power, read while inferences run."""
    with subprocess.Popen(
        [program, "pmic_read_adc"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        end = time.monotonic() + 5
        while process.poll() is None and time.monotonic() < end:
            infer()
        process.kill()
        answer = process.stdout.read() if process.stdout else b""
    return rails_of(answer.decode("utf-8", "replace"))


def power_facts(program: str | None, infer: Callable[[], None]) -> Json:
    """An estimate of power at rest and during inferences; None but on a Raspberry Pi 5.

    Args:
        program: vcgencmd.
        infer: sets an input and runs the model once.
    """
    idle = idle_watts(program) if program is not None else None
    if program is None or idle is None:
        return None
    say("estimating the power while inferences run")
    readings = []
    for _ in range(POWER_READINGS):
        for _ in range(3):  # busy before the reading begins
            infer()
        readings.append(busy_rails(program, infer))
    watts = sorted(sum(rails.values()) for rails in readings if rails)
    return {
        "kind": "estimate",
        "method": POWER_METHOD,
        "idle_w": idle,
        "busy_w": percentile(watts, 50) if watts else None,
        "busy_least_w": watts[0] if watts else None,
        "busy_most_w": watts[-1] if watts else None,
        "readings": len(watts),
        "rails": sorted(readings[-1]),
    }


def machine_state(root: str, vcgencmd: str | None) -> Json:
    """What changes on a machine: governors, clocks, temperatures, load."""
    clocks = [cpu + "/cpufreq/" for cpu in numbered(root, "sys/devices/system/cpu/cpu[0-9]*")]
    return {
        "governors": known([read_text(root, clock + "scaling_governor") for clock in clocks]),
        "cpu_khz": known([read_int(root, clock + "scaling_cur_freq") for clock in clocks]),
        "cpu_min_khz": known([read_int(root, clock + "scaling_min_freq") for clock in clocks]),
        "cpu_max_khz": known([read_int(root, clock + "scaling_max_freq") for clock in clocks]),
        "temperatures": temperatures(root),
        "load_average": load_average(root),
        "vcgencmd": firmware(vcgencmd),
    }


def machine_facts(root: str) -> Json:
    """What stays on a machine (no serial number, host or user name); the rest is filled in later."""
    return {
        "model": read_text(root, "/proc/device-tree/model")
        or read_text(root, "/sys/devices/virtual/dmi/id/product_name"),
        "cpu": cpu_name(root),
        "cores": core_count(root),
        "usable_cores": usable_cores(),
        "architecture": platform.machine() or None,
        "emulator": emulator(root, platform.machine()),
        "kernel": platform.release() or None,
        "os": os_name(root),
        "memory_bytes": kib_field(root, "/proc/meminfo", "MemTotal"),
        "before": None,
        "after": None,
        "throttled_words": None,
        "other_cpu_share": None,
        "steal_share": None,
    }


def cpu_seconds(root: str) -> tuple[float, ...] | None:
    """CPU time since the start, in seconds: total, of others than this process, stolen.

    From /proc/stat's first line (see proc(5)); None where it is unknown.
    """
    words = (read_text(root, "/proc/stat") or "").split("\n")[0].split()
    try:  # user, nice, system, idle, iowait, irq, softirq, steal; guest time is inside user
        ticks = [int(word) for word in words[1:9]]
        per_second = os.sysconf("SC_CLK_TCK")
    except (ValueError, OSError, AttributeError):
        return None
    if words[:1] != ["cpu"] or len(ticks) < 8:
        return None
    busy = (sum(ticks) - ticks[3] - ticks[4]) / per_second
    return sum(ticks) / per_second, busy - time.process_time(), ticks[7] / per_second


def cpu_shares(before: Sequence[float] | None, after: Sequence[float] | None) -> Json:
    """The shares of all cores that others took, and that a hypervisor took of them.

    /proc/stat counts in hundredths of a second: None over less than half a second of core time.
    """
    if before is None or after is None or after[0] - before[0] < 0.5:
        return {"other_cpu_share": None, "steal_share": None}
    total, others, steal = (late - early for early, late in zip(before, after))
    return {"other_cpu_share": max(0.0, others) / total, "steal_share": max(0.0, steal) / total}


def resident(root: str) -> int | None:
    """Bytes of this process that lie in memory now."""
    return kib_field(root, "/proc/self/status", "VmRSS")


def peak_resident(root: str) -> tuple[int | None, str | None]:
    """The most bytes of this process that lay in memory, and how that is known.

    VmHWM comes first: Linux hands ru_maxrss on from the process that started this one.
    """
    peak = kib_field(root, "/proc/self/status", "VmHWM")
    if peak is not None:
        return peak, "VmHWM"
    if resource is None or root != "/":
        return None, None
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "ru_maxrss"


# --------------------------------------------------------------------- the bundle and the model


def sha256_of(path: str) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def require(condition: object, text: str) -> None:
    """Ends the benchmark with a sentence unless the condition holds."""
    if not condition:
        raise BenchError(text)


def flat_name(name: object) -> str:
    """A file name of a manifest, refused unless it stays inside the bundle's folder."""
    flat = isinstance(name, str) and name not in ("", ".", "..")
    require(
        flat and not re.search(r"[/\\:\0]", str(name)),
        f"the manifest names the file {name!r}; a bundle is a flat folder, its file names hold "
        "no folder: get a sound bundle",
    )
    return str(name)


def read_manifest(folder: str) -> Json:
    """A bundle's manifest.json, its form and file names checked."""
    path = os.path.join(folder, "manifest.json")
    try:
        with open(path, encoding="utf-8") as stream:
            manifest = json.load(stream)
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror}")
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{path} is not JSON ({one_line(error)}): copy the bundle again")
    ours = isinstance(manifest, dict) and manifest.get("format") == "hintlite-bundle"
    require(ours, f"{path} is no bundle's manifest: its format is not hintlite-bundle")
    require(
        manifest.get("version") == 1,
        f"{path} has version {manifest.get('version')!r}, this script reads version 1: use the "
        "bench_tflite.py that came with the bundle",
    )
    check_names(manifest)
    return manifest


def check_names(manifest: Json) -> None:
    """Refuses a manifest whose tables have the wrong form, or whose file names leave the folder."""
    for key in ("models", "files"):
        table = manifest.get(key)
        sound = isinstance(table, dict) and all(isinstance(v, dict) for v in table.values())
        require(sound, f'the manifest\'s "{key}" is not a table of files')
    names = set(manifest["models"])
    samples = manifest.get("samples")
    if samples is not None:
        require(isinstance(samples, dict), 'the manifest\'s "samples" is not a table')
        names.add(flat_name(samples.get("file")))
    for name in names.union(manifest["files"]):
        flat_name(name)
    for name in names.difference(manifest["files"]):
        raise BenchError(f"the manifest has no sha256 for {name}: make the bundle anew")


def pick_model(manifest: Json, wanted: str | None) -> str:
    """The model of a bundle to measure: the named one, else the int8 one, else the only one."""
    models = manifest["models"]
    listed = ", ".join(sorted(models)) or "none"
    if wanted is not None:
        if wanted not in models:
            raise UsageError(f"the bundle has no model {wanted}; it has: {listed}")
        return wanted
    int8 = [name for name in models if models[name].get("precision") == "int8"]
    only = int8 if len(int8) == 1 else list(models)
    if len(only) != 1:
        raise UsageError(f"name one of the bundle's models with --model: {listed}")
    return str(only[0])


def find_bundle() -> str:
    """This folder or the script's, whichever holds a manifest."""
    for folder in (os.getcwd(), os.path.dirname(os.path.abspath(__file__))):
        if os.path.isfile(os.path.join(folder, "manifest.json")):
            return folder
    raise UsageError("no manifest.json here: say --bundle DIR or --model FILE.tflite")


def find_subject(options: Options) -> Subject:
    """The model file that the options mean."""
    if options.bundle is None and options.model is not None:
        return Subject(options.model)
    folder = find_bundle() if options.bundle is None else options.bundle
    require(os.path.isdir(folder), f"{folder} is not a folder: --bundle wants a bundle's folder")
    manifest = read_manifest(folder)
    return Subject(os.path.join(folder, pick_model(manifest, options.model)), folder, manifest)


def changed_files(subject: Subject) -> list[str]:
    """Files of the bundle that are not what its manifest says; missing ones matter if needed."""
    if subject.manifest is None:
        return []
    needed = {subject.name, (subject.manifest.get("samples") or {}).get("file")}
    changed = []
    for name, entry in subject.manifest["files"].items():
        path = os.path.join(subject.folder, name)
        there = os.path.isfile(path)
        require(there or name not in needed, f"{name} is missing in the bundle: copy it again")
        if there and sha256_of(path) != entry.get("sha256"):
            changed.append(name)
    return changed


def model_facts(subject: Subject) -> Json:
    """Name, hash and size of the model file; refuses one that is missing or no TFLite file."""
    try:
        with open(subject.path, "rb") as stream:
            head = stream.read(8)
        size, digest = os.path.getsize(subject.path), sha256_of(subject.path)
    except OSError as error:
        raise BenchError(f"cannot read the model {subject.path}: {error.strerror}")
    mark = subject.manifest is not None or head[4:8] == b"TFL3"
    require(mark, f"{subject.path} is damaged or no .tflite file: it lacks the mark TFL3")
    facts = {"file": subject.name, "sha256": digest, "bytes": size}
    facts.update(precision=None, precision_known_by=None, inputs=None, outputs=None)
    return facts


def task_facts(subject: Subject) -> Json:
    """What tells one task from another: the bundle's labels, input and samples; else None."""
    task = subject.manifest.get("task") if subject.manifest else None
    if not isinstance(task, dict) or not {"labels", "input_shape"} <= set(task):
        return None
    labels = "\n".join(str(label) for label in task["labels"])
    return {
        "labels_sha256": hashlib.sha256(labels.encode("utf-8")).hexdigest(),
        "classes": len(task["labels"]),
        "input_shape": list(task["input_shape"]),
        "samples_sha256": None,
    }


def samples_digest(arrays: Json) -> str:
    """SHA-256 of raw inputs and labels: the same for every model of a task."""
    digest = hashlib.sha256()
    further = sorted(name for name in arrays if name.startswith("inputs:"))
    for values in [arrays[name] for name in ("inputs", *further, "labels") if name in arrays]:
        digest.update(f"{values.dtype.str}{values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def tensor_facts(detail: Json) -> Json:
    """Name, dtype, shape and quantization of a tensor, from the interpreter's details."""
    scale, zero_point = detail["quantization"]
    return {
        "name": str(detail["name"]),
        "dtype": dtype_name(detail),
        "shape": [int(size) for size in detail["shape"]],
        "scale": float(scale) if scale else None,
        "zero_point": int(zero_point) if scale else None,
    }


def dtype_name(detail: Json) -> str:
    """A tensor's type as numpy calls it."""
    import numpy as np

    return str(np.dtype(detail["dtype"]).name)


def precision_of(interpreter: Any) -> str | None:
    """A model's precision from the types of its tensors, or None where they do not tell."""
    try:
        kinds = {dtype_name(detail) for detail in interpreter.get_tensor_details()}
        ends = {dtype_name(detail) for detail in interpreter.get_input_details()}
        ends.update(dtype_name(detail) for detail in interpreter.get_output_details())
    except (KeyError, TypeError, ValueError, RuntimeError):
        return None
    operators = operator_names(interpreter)
    if not kinds & {"float32", "float16"}:
        integers = {"int8": "int8", "uint8": "uint8", "int16": "int16x8"}
        return integers.get(ends.pop()) if len(ends) == 1 else None
    if ends != {"float32"} or operators is None:
        return None
    if "int8" in kinds:
        return "int8_float_io" if "QUANTIZE" in operators else "dynamic_range"
    return "float16" if "float16" in kinds else "float32"


def describe_model(model: Json, subject: Subject, interpreter: Any) -> None:
    """Adds precision, inputs and outputs to the model's facts."""
    model["inputs"] = [tensor_facts(detail) for detail in interpreter.get_input_details()]
    model["outputs"] = [tensor_facts(detail) for detail in interpreter.get_output_details()]
    said = subject.manifest["models"][subject.name].get("precision") if subject.manifest else None
    model["precision"] = said or precision_of(interpreter)
    if model["precision"] is not None:
        model["precision_known_by"] = "manifest" if said else "tensor types"


# ------------------------------------------------------------------------------- the runtime


def since_us(start_ns: int) -> float:
    """Microseconds since a moment of time.perf_counter_ns."""
    return (time.perf_counter_ns() - start_ns) / 1e3


def load_litert() -> tuple[Any, Any, Any]:
    """The package, interpreter and kernel choices of ai-edge-litert."""
    import ai_edge_litert
    from ai_edge_litert import interpreter

    return ai_edge_litert, interpreter.Interpreter, interpreter.OpResolverType


def load_tflite_runtime() -> tuple[Any, Any, Any]:
    """The package, interpreter and kernel choices of tflite-runtime; old ones offer no choice."""
    import numpy

    if int(numpy.__version__.split(".")[0]) >= 2:  # all its releases, up to 2.14, crash with it
        raise ImportError(f"it needs 'numpy<2', found numpy {numpy.__version__}")
    import tflite_runtime
    from tflite_runtime import interpreter

    return tflite_runtime, interpreter.Interpreter, getattr(interpreter, "OpResolverType", None)


def load_tensorflow() -> tuple[Any, Any, Any]:
    """The package, interpreter and kernel choices of TensorFlow; old ones offer no choice."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow

    lite = tensorflow.lite
    return tensorflow, lite.Interpreter, getattr(lite.experimental, "OpResolverType", None)


RUNTIMES = {
    "ai-edge-litert": load_litert,
    "tflite-runtime": load_tflite_runtime,
    "tensorflow": load_tensorflow,
}


def version_of(name: str, package: Any) -> str | None:
    """The version of an installed package, or None."""
    try:
        from importlib.metadata import version  # Python 3.8 or newer

        return version(name)
    except Exception:  # also no metadata: the package was copied, not installed
        return getattr(package, "__version__", None)


def import_runtime() -> Runtime:
    """Imports numpy and the first runtime that is installed and works."""
    start = time.perf_counter_ns()
    try:
        import numpy  # noqa: F401  (its import is part of a cold start)
    except ImportError as error:
        raise BenchError(f"numpy is not usable ({one_line(error)}): python3 -m pip install numpy")
    numpy_us = since_us(start)
    failures = []
    for name, load in RUNTIMES.items():
        start = time.perf_counter_ns()
        try:
            package, interpreter, resolver = load()
        except Exception as error:  # a broken installation raises anything
            failures.append(f"{name}: {one_line(error)}")
            continue
        import_us = numpy_us + since_us(start)
        return Runtime(name, version_of(name, package), interpreter, resolver, import_us)
    raise BenchError(
        f"no TFLite runtime is usable ({'; '.join(failures)}). Install one: python3 -m pip install "
        "ai-edge-litert (64 bits, Python 3.9 or newer), else tflite-runtime 'numpy<2'"
    )


def build_interpreter(runtime: Runtime, path: str, kernels: str, threads: int) -> Any:
    """Constructs an interpreter with the kernels asked for; does not allocate its tensors."""
    require(
        runtime.resolver is not None or kernels == "xnnpack",
        f"{runtime.name} {runtime.version} cannot choose kernels: install a newer one, or leave "
        "out --kernels and --no_delegate",
    )
    choice: Json = {}
    if runtime.resolver is not None:
        choice["experimental_op_resolver_type"] = getattr(runtime.resolver, KERNELS[kernels])
    try:
        return runtime.interpreter(model_path=path, num_threads=threads, **choice)
    except (ValueError, RuntimeError, OSError) as error:
        raise BenchError(f"the model cannot be loaded ({one_line(error)}): {DAMAGED}")


def allocate(interpreter: Any) -> None:
    """Allocates the tensors."""
    try:
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise BenchError(f"the tensors cannot be allocated ({one_line(error)}): {DAMAGED}")


def operator_names(interpreter: Any) -> list[str] | None:
    """The names of the operators, delegates included, or None where the runtime has no list."""
    try:
        return [str(operator["op_name"]) for operator in interpreter._get_ops_details()]
    except Exception:  # a private call: whatever goes wrong means that it is not known
        return None


def runtime_facts(runtime: Runtime, interpreter: Any, kernels: str) -> Json:
    """The runtime, what was asked of it, and whether its delegate was really applied."""
    names = operator_names(interpreter)
    nodes = None if names is None else names.count("DELEGATE")
    return {
        "name": runtime.name,
        "version": runtime.version,
        "kernels_asked": kernels,
        "delegate_asked": kernels == "xnnpack",
        "delegate_applied": None if nodes is None else nodes > 0,
        "delegate_nodes": nodes,
        "delegate_known_by": None if nodes is None else "DELEGATE in the interpreter's operators",
    }


NO_PROFILER = (
    "{} {} has no profiler in its Python interface: TFLite's own program benchmark_model, built for "
    "this machine, times operators (--enable_op_profiling=true)"
)


def operator_facts(runtime: Runtime, interpreter: Any) -> Json:
    """The operators in the interpreter's list, and that their times cannot be had here.

    With a delegate the list holds the model's own operators and the delegate's nodes, which take
    the place of those that they run.
    """
    names = operator_names(interpreter)
    counted = {name: names.count(name) for name in sorted(set(names))} if names else None
    listed = (
        [{"name": name, "count": count} for name, count in counted.items()] if counted else None
    )
    return {
        "listed": listed,
        "times": "unavailable",
        "why": NO_PROFILER.format(runtime.name, runtime.version),
    }


# ------------------------------------------------------------------------------- the inputs


def to_input(raw: Any, normalization: Json, detail: Json) -> Any:
    """Raw samples as the model takes them.

    Args:
        raw: [k, h, w, c], as in samples.npz.
        normalization: the manifest's mean and std per channel, in raw units.
        detail: the interpreter's details of its input.

    Returns:
        [k, h, w, c] in the input's dtype: (raw - mean) / std, and where the input is quantized
        round(that / scale) + zero_point, clipped; halves are rounded away from zero, as by C's
        round() in TFLite's reference AffineQuantize.
    """
    import numpy as np

    mean = np.asarray(normalization["mean"], np.float32)
    std = np.asarray(normalization["std"], np.float32)
    value = (np.asarray(raw, np.float32) - mean) / std
    dtype = np.dtype(detail["dtype"])
    if dtype.kind == "f":
        return value.astype(dtype)
    scale, zero_point = detail["quantization"]
    if dtype.kind in "iu" and dtype.itemsize > 2 and not scale:  # indices stand for themselves
        return value.astype(dtype)
    require(scale, f"the model's {dtype} input has no scale: its samples cannot be quantized")
    steps = (value / np.float32(scale)).astype(np.float64)  # 0.49999997 + 0.5 is 1.0 in float32
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps)
    limits = np.iinfo(dtype)
    return np.clip(rounded + zero_point, limits.min, limits.max).astype(dtype)


def inputs_of(manifest: Json) -> list[Json]:
    """The normalization of each input of a bundle's models."""
    several = manifest["task"].get("inputs")
    return [each["normalization"] for each in several] if several else [manifest["normalization"]]


def array_name(name: str, place: int) -> str:
    """An array's name in samples.npz: the first of several has no number."""
    return f"{name}:{place}" if place else name


def load_samples(subject: Subject, interpreter: Any) -> Samples | None:
    """The samples of the bundle, ready for this model; None where there are none."""
    import numpy as np

    entry = subject.manifest.get("samples") if subject.manifest else None
    if entry is None:
        return None
    name, details = entry["file"], interpreter.get_input_details()
    shapes = [tuple(int(size) for size in detail["shape"]) for detail in details]
    try:
        with np.load(os.path.join(subject.folder, name), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        ways = inputs_of(subject.manifest)
        raw = [arrays[array_name("inputs", place)] for place in range(len(ways))]
        inputs = [to_input(*each) for each in zip(raw, ways, details)]
        numbers = subject.manifest["task"].get("labels") == []  # nothing is chosen
        labels = None if numbers else arrays["labels"]
        count = len(inputs[0])
        fits = len(ways) == len(details) and count > 0
        fits = fits and (labels is None or len(labels) == count)
        fits = fits and all(x.shape == (count, *y[1:]) for x, y in zip(inputs, shapes))
    except BenchError:
        raise
    except Exception as error:
        raise BenchError(f"{name} cannot be used: {one_line(repr(error))}; make the bundle anew")
    found = ", ".join(str(x.shape) for x in inputs)
    wanted = ", ".join(map(str, shapes))
    require(fits, f"{name} holds inputs {found}, or not as many labels; expected {wanted}")
    outputs = range(len(interpreter.get_output_details()))
    names = [array_name("expected:" + subject.name, place) for place in outputs]
    expected = [arrays[each] for each in names] if set(names) <= set(arrays) else None
    turns = [[x[row : row + 1] for x in inputs] for row in range(count)]
    answer = subject.manifest["task"].get("answer", 0)
    return Samples(turns, labels, expected, answer, samples_digest(arrays))


def random_input(detail: Json, generator: Any) -> Any:
    """A random array: int8 and uint8 in full range, floats in 0 to 1.

    Other types (indices, flags) get zeros, which every model takes.
    """
    import numpy as np

    shape, dtype = tuple(int(size) for size in detail["shape"]), np.dtype(detail["dtype"])
    require(dtype.kind not in "SUO", f"the input {detail['name']} takes text: none can be made up")
    if dtype.kind == "f":
        return generator.random_sample(shape).astype(dtype)
    if dtype.itemsize == 1 and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return generator.randint(limits.min, limits.max + 1, shape).astype(dtype)
    return np.zeros(shape, dtype)


class Feeder:
    """Copies the next input into the interpreter: the samples in turn, or one input repeated."""

    def __init__(self, interpreter: Any, samples: Samples | None, kind: str = "samples") -> None:
        import numpy as np

        details = interpreter.get_input_details()
        generator = np.random.RandomState(0)
        self._set = interpreter.set_tensor
        self._indices = [detail["index"] for detail in details]
        self._turns = (
            samples.inputs[: 1 if kind == "one" else None]
            if samples
            else [[random_input(detail, generator) for detail in details]]
        )
        self._next = 0
        self.facts = {
            "kind": "one random input"
            if not samples
            else "one sample repeated"
            if kind == "one"
            else "samples in turn",
            "count": len(self._turns),
            "seed": None if samples else 0,
        }

    def __call__(self) -> None:
        """Sets the next input."""
        for index, value in zip(self._indices, self._turns[self._next]):
            self._set(index, value)
        self._next = (self._next + 1) % len(self._turns)


# ------------------------------------------------------------------------------- the timing


def run_window(
    feed: Callable[[], None], invoke: Callable[[], None], seconds: float, runs: int
) -> Any:
    """Times inferences until they took the seconds and the runs are done.

    Returns:
        The time of each inference in nanoseconds, as array("q").
    """
    clock = time.perf_counter_ns
    laps = array("q")
    left = int(seconds * 1e9)
    while left > 0 or len(laps) < runs:
        feed()
        start = clock()
        invoke()
        lap = clock() - start
        laps.append(lap)
        left -= lap
    return laps


def percentile(ordered: Sequence[float], percent: float) -> float:
    """A percentile of ordered values, linearly interpolated (numpy.percentile's default)."""
    place = (len(ordered) - 1) * percent / 100.0
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def window_facts(laps_ns: Sequence[int]) -> Json:
    """Number, total time, mean and median of a window's timings."""
    ordered = sorted(laps_ns)
    return {
        "runs": len(ordered),
        "seconds": sum(ordered) / 1e9,
        "mean_us": sum(ordered) / len(ordered) / 1e3,
        "p50_us": percentile(ordered, 50) / 1e3,
    }


def steady_facts(windows_ns: Sequence[Sequence[int]]) -> Json:
    """The steady latency over all windows, in microseconds, never rounded."""
    ordered = sorted(lap for laps in windows_ns for lap in laps)
    mean = sum(ordered) / len(ordered)
    variance = math.fsum((lap - mean) ** 2 for lap in ordered) / len(ordered)
    windows = [window_facts(laps) for laps in windows_ns]
    means = sorted(window["mean_us"] for window in windows)
    middle = percentile(means, 50)
    return {
        "windows": windows,
        "runs": len(ordered),
        "mean_us": mean / 1e3,
        "min_us": ordered[0] / 1e3,
        "p50_us": percentile(ordered, 50) / 1e3,
        "p90_us": percentile(ordered, 90) / 1e3,
        "p99_us": percentile(ordered, 99) / 1e3,
        "max_us": ordered[-1] / 1e3,
        "std_us": math.sqrt(variance) / 1e3,
        "median_of_windows_us": middle,
        "spread_percent": 100.0 * (means[-1] - means[0]) / middle if middle else None,
    }


def first_inference(interpreter: Any, feed: Feeder) -> float:
    """The time of the first inference, in microseconds."""
    feed()
    start = time.perf_counter_ns()
    try:
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        raise BenchError(f"the model cannot be run ({one_line(error)}): {DAMAGED}")
    return since_us(start)


def run_windows(
    interpreter: Any, feed: Feeder, options: Options, after: Callable[[], None]
) -> Json:
    """The timed windows, with a line of progress and a call of `after` behind each."""
    windows = []
    gc.collect()
    gc.disable()
    try:
        for number in range(1, options.windows + 1):
            laps = run_window(feed, interpreter.invoke, options.window_s, options.min_runs)
            windows.append(laps)
            after()
            median_us = window_facts(laps)["p50_us"]
            say(f"window {number} of {options.windows}: {median_us:.1f} us, {len(laps)} runs")
    finally:
        gc.enable()
    return steady_facts(windows)


# ------------------------------------------------------------------------------- the checks


def outputs_finite(interpreter: Any) -> bool:
    """Whether no output of the last inference is NaN or infinite."""
    import numpy as np

    values = (interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details())
    return all(bool(np.isfinite(value).all()) for value in values if value.dtype.kind == "f")


def run_samples(interpreter: Any, samples: Samples, seconds: float = math.inf) -> list[Any]:
    """The outputs for the samples, for as many as fit into the seconds but at least one.

    Returns:
        For each sample a list of one array an output, without the batch.
    """
    taken = [detail["index"] for detail in interpreter.get_input_details()]
    given = [detail["index"] for detail in interpreter.get_output_details()]
    end = time.perf_counter() + seconds
    outputs: list[Any] = []
    for values in samples.inputs:
        if outputs and time.perf_counter() > end:
            break
        interpreter.reset_all_variables()  # an LSTM begins each sample anew
        for index, value in zip(taken, values):
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        outputs.append([interpreter.get_tensor(index)[0] for index in given])
    return outputs


def compare_outputs(kernels: str, outputs: Sequence[Any], expected: Sequence[Any]) -> Json:
    """How outputs differ from the expected ones; exact, no tolerance.

    Args:
        kernels: that gave them.
        outputs: for each sample a list of one array an output.
        expected: one array [k, ...] an output.

    Returns:
        The facts; of several outputs the differences of the one that is furthest off.
    """
    import numpy as np

    count = len(outputs)
    same = np.ones(count, bool)
    worst: tuple[int | None, float | None, float | None] = (None, None, None)
    furthest = -1.0
    for place, whole in enumerate(expected):
        got, want = np.stack([each[place] for each in outputs]), whole[:count]
        require(
            got.shape == want.shape and got.dtype == want.dtype,
            f"the model gives {got.dtype} {got.shape}, the bundle expects {want.dtype} "
            f"{want.shape}: its samples belong to another model",
        )
        same &= (got == want).reshape(count, -1).all(axis=1)
        apart = float(np.abs(got.astype(np.float64) - want.astype(np.float64)).max())
        span = float(np.ptp(want.astype(np.float64)))
        steps = got.dtype.kind in "iu"
        far = apart if steps else apart / (span or 1.0)
        if far > furthest or not math.isfinite(far):
            furthest = far if math.isfinite(far) else math.inf
            worst = (
                int(apart) if steps else None,
                None if steps or not math.isfinite(apart) else apart,
                None if steps or not math.isfinite(span) else span,
            )
    names = ("max_difference_steps", "max_difference", "expected_range")
    facts = {"kernels": kernels, "samples": count, "equal": int(same.sum())}
    return dict(facts, **dict(zip(names, worst)))


def accuracy_of(outputs: Sequence[Any], labels: Any, limit: float | None) -> Json:
    """How many samples get their label as the largest output, or as one output above its limit."""
    chosen = [out.argmax() if limit is None else out.ravel()[0] > limit for out in outputs]
    correct = sum(int(choice) == int(label) for choice, label in zip(chosen, labels))
    return {"correct": correct, "total": len(outputs)}


def subject_limit(subject: Subject) -> float | None:
    """The bundle's threshold of a model with one output for two labels, in stored numbers."""
    entry = (subject.manifest or {}).get("models", {}).get(subject.name, {})
    return entry.get("output", {}).get("threshold")


def reference_outputs(runtime: Runtime, subject: Subject, samples: Samples) -> list[Any]:
    """The reference kernels' outputs for the samples, for as many as there is time for."""
    say("comparing with the reference kernels")
    interpreter = build_interpreter(runtime, subject.path, "reference", 1)
    allocate(interpreter)
    return run_samples(interpreter, samples, REFERENCE_CHECK_S)


def exactness_facts(entry: Json, runtime: Runtime, checks: Sequence[Json]) -> Json:
    """The comparisons, and bit-exactness: claimed for the kernels of the expected outputs alone."""
    kernels, maker = entry.get("kernels"), entry.get("runtime")
    same = [check for check in checks if check["kernels"] == kernels]
    return {
        "expected_kernels": kernels,
        "expected_runtime": maker,
        "same_runtime": maker == f"{runtime.name} {runtime.version}",
        "checks": list(checks),
        "bit_exact": same[0]["equal"] == same[0]["samples"] if same else None,
    }


def check_samples(
    report: Json,
    runtime: Runtime,
    subject: Subject,
    interpreter: Any,
    samples: Samples,
    compare: bool,
) -> None:
    """Adds accuracy and exactness on the bundled samples to the report."""
    import numpy as np

    kernels = report["settings"]["kernels"]
    outputs = run_samples(interpreter, samples)
    if samples.labels is not None:
        chosen = [each[samples.answer] for each in outputs]
        report["accuracy"] = accuracy_of(chosen, samples.labels, subject_limit(subject))
    report["finite_outputs"] &= all(
        bool(np.isfinite(output).all()) for each in outputs for output in each
    )
    if samples.expected is None:
        return
    checks = [compare_outputs(kernels, outputs, samples.expected)]
    if compare and kernels != "reference" and runtime.resolver is not None:
        outputs = reference_outputs(runtime, subject, samples)
        checks.append(compare_outputs("reference", outputs, samples.expected))
    report["exactness"] = exactness_facts(subject.manifest["samples"], runtime, checks)


# ------------------------------------------------------------------------------- the verdict

REASONS = {  # code: (state, why it matters, how to cure it)
    "changed": (
        "invalid",
        "their sha256 differ, so nothing was run",
        "copy the bundle again, or make it anew",
    ),
    "not_finite": (
        "invalid",
        "such a model computes nothing of use, however fast",
        "check the model's weights and the normalization of its input",
    ),
    "outputs_differ": (
        "invalid",
        "that is more than rounding explains",
        "copy the bundle again, try another runtime, test the machine's memory",
    ),
    "other_runtime": (
        "doubtful",
        "the expected outputs come from another runtime, which may round otherwise",
        "install the runtime that the manifest names to compare bit by bit",
    ),
    "kernels_differ": (
        "doubtful",
        "that is more than another rounding explains: they may compute something else",
        "copy the bundle again, try another version of the runtime, or other --kernels",
    ),
    "delegate_not_applied": (
        "doubtful",
        "the built-in kernels were measured",
        "ask for what this runtime does with --no_delegate, or install ai-edge-litert",
    ),
    "emulated": (
        "doubtful",
        "its times are the emulator's, no device's",
        "take from here what does not depend on time; measure on a device",
    ),
    "throttled": (
        "doubtful",
        "the firmware lowered the clock during the measurement",
        "use the power supply made for the board (under-voltage), cool the processor (all else)",
    ),
    "governor": (
        "doubtful",
        "the clock changes during the measurement",
        "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    ),
    "busy": (
        "doubtful",
        "others take time, caches and memory bandwidth from the model",
        "stop other programs (top shows them) and run again",
    ),
    "spread": (
        "doubtful",
        f"more than {MOST_SPREAD_PERCENT:g} % is no steady state",
        "stop other programs, let the machine cool, take longer windows (--window_s)",
    ),
    "short": (
        "doubtful",
        f"TFLite's benchmark_model takes at least {LEAST_RUNS} inferences and {LEAST_S:g} s",
        "raise --window_s or --min_runs",
    ),
    "threads": ("doubtful", "they wait for each other", "ask for fewer --threads"),
}


def reason(code: str, what: str) -> Json:
    """One reason of a verdict."""
    state, why, cure = REASONS[code]
    return {"state": state, "code": code, "what": what, "why": why, "cure": cure}


def judge_finite(report: Json) -> Json:
    """Outputs must be numbers."""
    bad = report["finite_outputs"] is False
    return reason("not_finite", "an output is NaN or infinite") if bad else None


def judge_outputs(report: Json) -> Json:
    """The kernels that made the expected outputs must give them again.

    Integer outputs to the bit in the same runtime, float outputs nearly: the order of additions
    is each machine's own.
    """
    facts = report["exactness"]
    if facts is None or facts["bit_exact"] is not False:
        return None
    check = next(c for c in facts["checks"] if c["kernels"] == facts["expected_kernels"])
    steps, apart, span = (
        check[key] for key in ("max_difference_steps", "max_difference", "expected_range")
    )
    if apart is not None and span is not None and apart <= MOST_FLOAT_APART * span:
        return None
    different = check["samples"] - check["equal"]
    size = f"{apart}" if steps is None else f"{steps} steps"
    what = f"{different} of {check['samples']} samples differ from the expected outputs by up to {size}"
    rounding = steps is not None and steps <= MOST_STEPS_APART and not facts["same_runtime"]
    return reason("other_runtime" if rounding else "outputs_differ", what)


def judge_timed(report: Json) -> Json:
    """The kernels that were timed must give nearly the expected outputs of other kernels.

    Integer outputs within MOST_TIMED_STEPS. Float outputs within MOST_FLOAT_APART of their range,
    or within MOST_TIMED_APART where the model has integers inside, whose steps they keep.
    """
    facts, kernels = report["exactness"], report["settings"]["kernels"]
    if facts is None or kernels == facts["expected_kernels"]:
        return None  # nothing to judge by, or judge_outputs does, to the bit
    check = next(c for c in facts["checks"] if c["kernels"] == kernels)
    steps, apart, span = (
        check[key] for key in ("max_difference_steps", "max_difference", "expected_range")
    )
    what = f"the timed kernels ({kernels}) give outputs that differ from the expected ones by up to"
    if steps is not None:
        return (
            reason("kernels_differ", f"{what} {steps} steps") if steps > MOST_TIMED_STEPS else None
        )
    floats = report["model"]["precision"] in ("float32", "float16")
    share = MOST_FLOAT_APART if floats else MOST_TIMED_APART
    if apart is None or not span or apart <= share * span:  # without a range nothing is large
        return None
    return reason("kernels_differ", f"{what} {apart}, {apart / span:.1%} of their range")


def judge_delegate(report: Json) -> Json:
    """What was asked for must be what was measured."""
    runtime = report["runtime"]
    if runtime and runtime["delegate_asked"] and runtime["delegate_applied"] is False:
        return reason("delegate_not_applied", "XNNPACK was asked for but not applied")
    return None


def judge_emulation(report: Json) -> Json:
    """An emulated processor has no times of its own."""
    name = report["machine"]["emulator"]
    return reason("emulated", f"the processor is emulated ({name})") if name else None


def judge_throttling(report: Json) -> Json:
    """A throttled processor is slower than it could be: now, or newly since the start."""
    words = [int(word, 16) for word in report["machine"]["throttled_words"] or ["0x0"]]
    bits = (words[-1] >> 16) & ~(words[0] >> 16)
    for word in words:
        bits |= word
    names = decode_throttled(bits & 0xF)["now"]
    return reason("throttled", "the firmware reports " + ", ".join(names)) if names else None


def judge_governor(report: Json) -> Json:
    """Only the governor "performance" keeps the clock where it is."""
    states = [report["machine"][when] or {} for when in ("before", "after")]
    names = {name for state in states for name in state.get("governors") or []}
    if names <= {"performance"}:
        return None
    return reason("governor", "the frequency governor is " + ", ".join(sorted(names)))


def judge_others(report: Json) -> Json:
    """Other processes disturb; the load before the start tells where their share is unknown."""
    machine = report["machine"]
    share, load = machine["other_cpu_share"], (machine["before"] or {}).get("load_average")
    if share is not None:
        heavy = share > MOST_OTHER_CPU
        return reason("busy", f"others took {share:.0%} of all cores") if heavy else None
    if load is not None and machine["cores"] and load[0] > machine["cores"] / 2:
        return reason("busy", f"the load average was {load[0]} before the start")
    return None


def judge_spread(report: Json) -> Json:
    """Windows that differ show that something else than the model was measured too."""
    spread = report["latency"]["steady"]["spread_percent"] if report["latency"] else None
    if spread is None or spread <= MOST_SPREAD_PERCENT:
        return None
    return reason("spread", f"the windows' means lie {spread:.1f} % apart")


def judge_length(report: Json) -> Json:
    """Too few or too short measurements say little."""
    if not report["latency"]:
        return None
    steady = report["latency"]["steady"]
    seconds = sum(window["seconds"] for window in steady["windows"])
    if steady["runs"] >= LEAST_RUNS and seconds >= LEAST_S:
        return None
    return reason("short", f"{steady['runs']} inferences in {seconds:.2f} s were timed")


def judge_threads(report: Json) -> Json:
    """More threads than cores wait for each other."""
    cores, threads = report["machine"]["usable_cores"], report["settings"]["threads"]
    many = cores is not None and threads > cores
    return reason("threads", f"{threads} threads on {cores} usable cores") if many else None


RULES = (
    judge_finite,
    judge_outputs,
    judge_timed,
    judge_delegate,
    judge_emulation,
    judge_throttling,
    judge_governor,
    judge_others,
    judge_spread,
    judge_length,
    judge_threads,
)


def verdict_of(reasons: Sequence[Json]) -> Json:
    """Valid without a reason against it, else as its gravest reason."""
    states = {entry["state"] for entry in reasons}
    state = "invalid" if "invalid" in states else "doubtful" if states else "valid"
    return {"state": state, "reasons": list(reasons)}


def judge(report: Json) -> Json:
    """The verdict on a finished report."""
    return verdict_of(known([rule(report) for rule in RULES]) or [])


# ------------------------------------------------------------------------------- the report


def blank_report(options: Options, subject: Subject, root: str) -> Json:
    """The report with all that is known before the runtime is imported, the rest null."""
    names = ("threads", "kernels", "warmup_s", "window_s", "windows", "min_runs", "input")
    return {
        "schema": SCHEMA,
        "nonce": options.nonce,
        "verdict": None,
        "model": model_facts(subject),
        "task": task_facts(subject),
        "settings": {name: getattr(options, name) for name in names},
        "runtime": None,
        "latency": None,
        "sweep": None,
        "operators": None,
        "power": None,
        "memory": None,
        "finite_outputs": None,
        "accuracy": None,
        "exactness": None,
        "machine": machine_facts(root),
        "script": {"version": VERSION, "sha256": sha256_of(os.path.abspath(__file__))},
        "started_utc": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "bits": struct.calcsize("P") * 8,
        },
        "numpy": None,
    }


def start_cold(report: Json, subject: Subject, options: Options, root: str) -> tuple[Runtime, Any]:
    """Imports, loads and allocates, each timed, up to an interpreter that is ready to run."""
    report["memory"] = {"rss_start_bytes": resident(root)}
    say("importing the runtime")
    runtime = import_runtime()
    report["numpy"] = sys.modules["numpy"].__version__
    report["memory"]["rss_imported_bytes"] = resident(root)
    start = time.perf_counter_ns()
    interpreter = build_interpreter(runtime, subject.path, options.kernels, options.threads)
    load_us, start = since_us(start), time.perf_counter_ns()
    allocate(interpreter)
    times = {"import_us": runtime.import_us, "load_us": load_us, "allocate_us": since_us(start)}
    report["latency"] = times
    report["runtime"] = runtime_facts(runtime, interpreter, options.kernels)
    report["operators"] = operator_facts(runtime, interpreter)
    return runtime, interpreter


def warm_up(report: Json, interpreter: Any, feed: Feeder, options: Options, root: str) -> None:
    """The first inference and the warm-up; memory is read in between, before timings take any."""
    latency, memory = report["latency"], report["memory"]
    latency["first_us"] = first_inference(interpreter, feed)
    memory["rss_ready_bytes"] = resident(root)
    memory["peak_rss_bytes"], memory["peak_known_by"] = peak_resident(root)
    report["finite_outputs"] = outputs_finite(interpreter)
    say(f"{report['model']['file']} on {report['runtime']['name']}: warming up")
    latency["warmup_runs"] = len(run_window(feed, interpreter.invoke, options.warmup_s, 0))


def time_windows(
    report: Json, interpreter: Any, feed: Feeder, options: Options, root: str, vcgencmd: str | None
) -> None:
    """The timed windows, and what the machine and others did meanwhile."""
    words = [throttled_word(vcgencmd)]
    before = cpu_seconds(root)
    report["latency"]["steady"] = run_windows(
        interpreter, feed, options, lambda: words.append(throttled_word(vcgencmd))
    )
    report["latency"].update(input=feed.facts, method=list(METHOD))
    report["machine"].update(cpu_shares(before, cpu_seconds(root)))
    report["machine"].update(after=machine_state(root, vcgencmd), throttled_words=known(words))

    def infer() -> None:
        feed()
        interpreter.invoke()

    report["power"] = power_facts(vcgencmd, infer)


def measure(options: Options, root: str = "/", vcgencmd: str | None = None) -> Json:
    """Runs the whole benchmark in this process.

    Args:
        options: what to measure, and how.
        root: stands before /proc and /sys; "/" but in tests.
        vcgencmd: a Raspberry Pi's program of that name, or None.

    Returns:
        The report that bench_tflite.schema.json describes.

    Raises:
        BenchError: it cannot be done.
        UsageError: the options do not fit the bundle.
    """
    subject = find_subject(options)
    changed = changed_files(subject)
    report = blank_report(options, subject, root)
    if changed:
        what = "not what the manifest says: " + ", ".join(changed)
        report["verdict"] = verdict_of([reason("changed", what)])
        return report
    report["machine"]["before"] = machine_state(root, vcgencmd)
    runtime, interpreter = start_cold(report, subject, options, root)
    describe_model(report["model"], subject, interpreter)
    samples = load_samples(subject, interpreter)
    feed = Feeder(interpreter, samples, options.input)
    warm_up(report, interpreter, feed, options, root)
    time_windows(report, interpreter, feed, options, root, vcgencmd)
    if samples is not None:
        if report["task"] is not None:
            report["task"]["samples_sha256"] = samples.sha256
        check_samples(report, runtime, subject, interpreter, samples, options.compare)
    report["verdict"] = judge(report)
    return report


def summary_of_row(row: Json) -> str:
    """A setting of a sweep on one line."""
    delegate = {True: "XNNPACK applied", False: "no delegate", None: "delegate unknown"}
    text = f"{row['threads']} threads, {row['kernels']}, {row['input']}: "
    if row["error"]:
        return text + row["error"]
    applied = delegate[row["delegate_applied"]]
    codes = f" ({', '.join(row['reasons'])})" if row["reasons"] else ""
    return f"{text}p50 {row['steady']['p50_us']:.1f} us, {applied}, {row['verdict']}{codes}"


def summary(report: Json) -> list[str]:
    """A few lines for a person."""
    lines = []
    if report["latency"]:
        text = "p50 {p50_us:.1f} us, p90 {p90_us:.1f} us, p99 {p99_us:.1f} us, {runs} runs"
        lines.append(text.format(**report["latency"]["steady"]))
    for row in report["sweep"] or []:
        lines.append(summary_of_row(row))
    if report["accuracy"]:
        lines.append("{correct} of {total} bundled samples right".format(**report["accuracy"]))
    lines.append("verdict: " + report["verdict"]["state"])
    for entry in report["verdict"]["reasons"]:
        lines.append("  {code}: {what}; {why}. Cure: {cure}".format(**entry))
    return lines


# ------------------------------------------------------------------------------ command line


def number(kind: Callable[[str], Any], least: float) -> Callable[[str], Any]:
    """A parser for a number that is finite and not below a least one."""

    def parse(text: str) -> Any:
        value = kind(text)
        if not math.isfinite(value) or value < least:
            raise argparse.ArgumentTypeError(f"expected a number from {least} on, got {text}")
        return value

    parse.__name__ = "number"  # what argparse says when int() or float() fails
    return parse


def command_line() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="bench_tflite.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", metavar="FILE", help="a .tflite file; with --bundle, one of the bundle's names")
    add("--bundle", metavar="DIR", help="a bundle's folder (default: this one, or the script's)")
    add("--threads", type=number(int, 1), default=1, metavar="N", help="(default: 1)")
    add("--kernels", choices=sorted(KERNELS), help="(default: xnnpack, as the runtimes' own)")
    add("--no_delegate", action="store_true", help="without XNNPACK, as --kernels builtin")
    add("--warmup_s", type=number(float, 0), default=0.5, metavar="T", help="(default: 0.5)")
    add("--window_s", type=number(float, 0), default=2.0, metavar="T", help="(default: 2)")
    add("--windows", type=number(int, 1), default=5, metavar="N", help="(default: 5)")
    add("--min_runs", type=number(int, 1), default=50, metavar="N", help="a window (default: 50)")
    add("--input", choices=("samples", "one"), default="samples", help="in turn, or one repeated")
    add("--sweep", action="store_true", help="then other threads, kernels and input too")
    add("--json", metavar="OUT", help="write the JSON to this file, or - for stdout")
    add("--nonce", metavar="TEXT", help="given back in the JSON")
    add("--version", action="version", version=VERSION)
    return parser


def in_underscores(word: str) -> str:
    """An option as the parser knows it: it may be written with hyphens, as --window-s is."""
    name, sign, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{sign}{value}" if name.startswith("--") else word


def parse_options(arguments: Sequence[str] | None) -> Options:
    """The options of a command line; wrong ones end the process with exit code 2."""
    parser = command_line()
    words = sys.argv[1:] if arguments is None else arguments
    given = vars(parser.parse_args([in_underscores(word) for word in words]))
    if given.pop("no_delegate"):
        if given["kernels"] == "xnnpack":
            parser.error("--no_delegate and --kernels xnnpack contradict each other")
        given["kernels"] = given["kernels"] or "builtin"
    given["kernels"] = given["kernels"] or "xnnpack"
    if given["sweep"] and not hasattr(os, "fork"):
        parser.error(
            "--sweep needs fork(), which this system lacks: measure each setting by itself"
        )
    if given["json"] not in (None, "-"):
        folder = os.path.dirname(os.path.abspath(given["json"]))
        if not os.path.isdir(folder) or os.path.isdir(given["json"]):
            parser.error(f"--json {given['json']}: expected a file in an existing folder")
        if given["json"].endswith((".tflite", ".npz", ".py", "manifest.json")):
            parser.error(f"--json {given['json']}: that name could overwrite a file of a bundle")
    return Options(**given)


def write_json(path: str, text: str) -> None:
    """Writes a file whole or not at all."""
    aside = f"{path}.{os.getpid()}.partial"
    try:
        with open(aside, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(aside, path)
    except OSError as error:
        if os.path.exists(aside):
            os.remove(aside)
        raise BenchError(f"cannot write {path}: {error.strerror}")


def deliver(options: Options, report: Json) -> int:
    """Writes the JSON where it is wanted, prints the summary, and returns the exit code."""
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    if options.json == "-":
        sys.stdout.write(text)
    elif options.json is not None:
        write_json(options.json, text)
        say("report: " + options.json)
    sys.stdout.flush()
    tell = say if options.json == "-" else print
    for line in summary(report):
        tell(line)
    sys.stdout.flush()
    return 1 if report["verdict"]["state"] == "invalid" else 0


def guarded(job: Callable[[], int]) -> int:
    """Runs a job; an error is one line and an exit code."""
    try:
        return job()
    except UsageError as error:
        say("error: " + one_line(error))
        return 2
    except BenchError as error:
        say("error: " + one_line(error))
    except MemoryError:
        say("error: out of memory")
    except Exception as error:  # never a traceback: who runs a benchmark can do nothing with one
        say(f"error: unexpected {type(error).__name__}: {one_line(error)}")
    return 1


def work(options: Options) -> int:
    """Measures, prints the JSON and returns the exit code."""
    return guarded(lambda: deliver(options, measure(options, "/", shutil.which("vcgencmd"))))


def supervise(job: Callable[[], int], listen: Callable[[], None] = lambda: None) -> int:
    """Runs a job in a child process, so that a crash of the runtime ends in a sentence.

    Runtimes up to TFLite 2.14 do not check a model file before they use it: a truncated one ends
    in a segmentation fault. The parent imports nothing, so the child starts cold. `listen` is
    called in the parent while the child runs. A signal ends both.
    """
    if not hasattr(os, "fork"):  # Windows
        return job()
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # One that comes before the handlers stand waits for them: else the child would be left alone.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return job()
    stopped: list[int] = []

    def stop(signal_number: int, _: Any) -> None:
        stopped.append(signal_number)
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:  # between two of a sweep
            sys.exit(1)

    for wanted in ending:
        signal.signal(wanted, stop)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    listen()
    status = os.waitpid(child, 0)[1]
    if stopped:
        say("error: stopped")
        sys.exit(1)
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    killer = signal.Signals(os.WTERMSIG(status)).name
    say("error: " + CRASHES.get(killer, CRASH.format(killer)))
    return 1


# ----------------------------------------------------------------------------------- the sweep


def measure_apart(options: Options) -> tuple[int, Json]:
    """Measures in a fresh process; returns its exit code and its report, None if it failed."""
    taken, given = os.pipe()
    parts: list[bytes] = []

    def job() -> int:
        def send() -> int:
            report = measure(options, "/", shutil.which("vcgencmd"))
            with os.fdopen(given, "wb") as stream:
                stream.write(json.dumps(report, allow_nan=False).encode())
            return 0

        os._exit(guarded(send))  # not back into the loop that started this

    def listen() -> None:
        os.close(given)
        parts.extend(iter(lambda: os.read(taken, 1 << 16), b""))

    code = supervise(job, listen)
    os.close(taken)
    return code, json.loads(b"".join(parts).decode()) if code == 0 else None


def sweep_options(options: Options) -> list[Options]:
    """The settings of a sweep: 1, 2 and 4 threads with XNNPACK and without, one input repeated."""
    plain = replace(options, compare=False, nonce=None, json=None)
    settings = [
        replace(plain, threads=threads, kernels=kernels)
        for kernels in ("xnnpack", "builtin")
        for threads in SWEEP_THREADS
    ]
    return [*settings, replace(plain, input="one" if options.input == "samples" else "samples")]


def sweep_row(options: Options, report: Json) -> Json:
    """What one setting of a sweep came to; the figures are null where it could not be measured."""
    row = {"threads": options.threads, "kernels": options.kernels, "input": options.input}
    if report is None:
        error = "it could not be measured: its error is among the lines of progress"
        names = ("delegate_applied", "cold_start_us", "steady", "peak_rss_bytes", "accuracy")
        return dict(row, error=error, verdict=None, reasons=[], **dict.fromkeys(names))
    latency = report["latency"]
    cold = ("import_us", "load_us", "allocate_us", "first_us")
    return dict(
        row,
        delegate_applied=report["runtime"]["delegate_applied"],
        cold_start_us=sum(latency[name] for name in cold),
        steady={name: value for name, value in latency["steady"].items() if name != "windows"},
        peak_rss_bytes=report["memory"]["peak_rss_bytes"],
        accuracy=report["accuracy"],
        error=None,
        verdict=report["verdict"]["state"],
        reasons=[entry["code"] for entry in report["verdict"]["reasons"]],
    )


def sweep(options: Options) -> int:
    """Measures as asked, then in each of the sweep's settings; returns the exit code."""
    code, report = measure_apart(options)
    if report is None:
        return code
    if report["verdict"]["state"] != "invalid":
        report["sweep"] = []
        settings = sweep_options(options)
        for number, setting in enumerate(settings, 1):
            what = f"{setting.threads} threads, {setting.kernels}, input {setting.input}"
            say(f"sweep {number} of {len(settings)}: {what}")
            report["sweep"].append(sweep_row(setting, measure_apart(setting)[1]))
    return guarded(lambda: deliver(options, report))


CRASH = "the runtime crashed ({}): the model is damaged or truncated"
CRASHES = {
    "SIGKILL": "killed (SIGKILL): probably out of memory, which a damaged model can cause too",
    "SIGILL": "the runtime is made for another processor (SIGILL): install one for this machine",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    options = parse_options(arguments)
    return sweep(options) if options.sweep else supervise(lambda: work(options))


if __name__ == "__main__":
    sys.exit(main())
