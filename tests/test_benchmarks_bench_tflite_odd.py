"""bench_tflite.py: the odd states of a Raspberry Pi, from recorded files and outputs."""

import json
import platform
import time
import types

import pytest
from json_schema import faults
from test_benchmarks_bench_tflite_machine import PI4, recorded
from tiny_bundle import SCRIPT, write_bundle

from hintlite.benchmarks import bench_tflite as bench
from hintlite.benchmarks.results import read_outcome

SCHEMA = json.loads(SCRIPT.with_suffix(".schema.json").read_text())
# As a Raspberry Pi 5 prints it, in the form that Raspberry Pi's documentation of vcgencmd shows.
PMIC = """\
 3V7_WL_SW_A current(0)=0.08441620A
   3V3_SYS_A current(1)=0.07514740A
  DDR_VDD2_A current(3)=0.00000000A
  VDD_CORE_A current(7)=2.00000000A
   0V8_AON_A current(16)=0.00500000A
      HDMI_A current(22)=0.01000000A
 3V7_WL_SW_V volt(8)=3.70000000V
   3V3_SYS_V volt(9)=3.30000000V
  DDR_VDD2_V volt(11)=1.10000000V
  VDD_CORE_V volt(15)=0.85000000V
   0V8_AON_V volt(19)=0.80000000V
      HDMI_V volt(23)=5.10000000V
     EXT5V_V volt(24)=5.12000000V
      BATT_V volt(25)=0.00000000V
"""
RAILS = {
    "3V7_WL_SW": 0.0844162 * 3.7,
    "3V3_SYS": 0.0751474 * 3.3,
    "DDR_VDD2": 0.0,
    "VDD_CORE": 2.0 * 0.85,
    "0V8_AON": 0.005 * 0.8,
    "HDMI": 0.01 * 5.1,
}
PI5 = {**PI4, "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0"}
KERNEL_32 = (  # /proc/cpuinfo of a Pi 3 whose kernel is a 32-bit one
    "processor\t: 0\nmodel name\t: ARMv7 Processor rev 4 (v7l)\nBogoMIPS\t: 38.40\n"
    "CPU implementer\t: 0x41\nCPU architecture: 7\nCPU variant\t: 0x0\nCPU part\t: 0xd03\n"
    "CPU revision\t: 4\n\nHardware\t: BCM2835\nRevision\t: a02082\n"
)


def program(folder, **answers):
    """A stand-in for vcgencmd: what it prints for each command, and nothing for others."""
    path = folder / "vcgencmd"
    cases = ""
    for number, (command, answer) in enumerate(answers.items()):
        (folder / f"answer{number}").write_text(answer)
        cases += f'"{command.replace("__", " ")}") cat "{folder}/answer{number}";;\n'
    unknown = '*) echo "error=1 error_msg=\\"Command not registered\\""; exit 255;;\n'
    path.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}{unknown}esac\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("made") / "bundle")


def measured(bundle, folder, files, vcgencmd):
    root = recorded(folder, files)
    options = bench.Options(bundle=str(bundle), window_s=0.01, warmup_s=0, windows=1, min_runs=1)
    report = bench.measure(options, root, vcgencmd)
    assert list(faults(report, SCHEMA, SCHEMA)) == []
    return report, {reason["code"]: reason for reason in report["verdict"]["reasons"]}


# --------------------------------------------------------------------------- throttling and power


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("0x50005", "under-voltage, throttled"),
        ("0x1", "under-voltage"),
        ("0x80008", "soft temperature limit"),
        ("0xe0006", "ARM frequency capped, throttled"),
        ("0x50000", None),  # long ago
    ],
)
def test_a_firmware_that_lowers_the_clock(bundle, tmp_path, word, what):
    vcgencmd = program(tmp_path, get_throttled=f"throttled={word}\n")
    report, codes = measured(bundle, tmp_path, PI4, vcgencmd)
    assert report["machine"]["before"]["vcgencmd"]["throttled"]["word"] == word
    assert report["machine"]["after"]["vcgencmd"]["throttled"]["word"] == word
    if what is None:
        assert "throttled" not in codes
    else:
        assert codes["throttled"]["what"] == f"the firmware reports {what}"
        assert "power supply" in codes["throttled"]["cure"]


def test_no_vcgencmd_and_one_that_knows_nothing(bundle, tmp_path):
    report, codes = measured(bundle, tmp_path, PI4, None)
    assert report["machine"]["before"]["vcgencmd"] is None
    assert report["machine"]["throttled_words"] is None
    assert (report["power"], "throttled" in codes) == (None, False)
    report, _ = measured(bundle, tmp_path, PI4, program(tmp_path))
    assert (report["machine"]["before"]["vcgencmd"], report["power"]) == (None, None)


def test_rails_of_a_raspberry_pi_5():
    rails = bench.rails_of(PMIC)
    assert rails == pytest.approx(RAILS)
    assert bench.rails_of('error=1 error_msg="Command not registered"') == {}
    assert bench.rails_of(PMIC.replace("VDD_CORE_V", "VDD_CORE_X")) == pytest.approx(
        {name: watts for name, watts in RAILS.items() if name != "VDD_CORE"}
    )


def test_the_power_of_a_raspberry_pi_5_is_an_estimate(bundle, tmp_path):
    vcgencmd = program(tmp_path, pmic_read_adc=PMIC)
    report, _ = measured(bundle, tmp_path, PI5, vcgencmd)
    power = report["power"]
    assert power["kind"] == "estimate"
    watts = sum(RAILS.values())
    assert [power[name] for name in ("idle_w", "busy_w", "busy_most_w")] == pytest.approx(
        [watts] * 3
    )
    assert power["readings"] == bench.POWER_READINGS
    assert power["rails"] == sorted(RAILS)
    assert "without the losses" in power["method"]


def own_clock(monkeypatch, sleep):
    """The script's sleep alone: subprocess sleeps too."""
    clock = types.SimpleNamespace(sleep=sleep, monotonic=time.monotonic)
    monkeypatch.setattr(bench, "time", clock)


def test_the_power_at_rest_is_read_when_the_processor_rests(tmp_path, monkeypatch):
    """Hot right behind the timed windows; at rest 3 W but for readings in which others ran."""
    vcgencmd = tmp_path / "vcgencmd"
    vcgencmd.write_text(
        f'#!/bin/sh\ncd "{tmp_path}"\n'
        'echo "A_A current(0)=$(head -n 1 amperes)A"; echo "A_V volt(1)=1.0V"\n'
        "if [ $(wc -l < amperes) -gt 1 ]; then sed -i 1d amperes; fi\n"
    )
    vcgencmd.chmod(0o755)
    amperes = tmp_path / "amperes"
    amperes.write_text("9.0\n")
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        amperes.write_text("3.0\n2.5\n8.0\n2.0\n7.0\n6.0\n")  # five at rest, then busy

    own_clock(monkeypatch, sleep)
    power = bench.power_facts(str(vcgencmd), lambda: None)
    assert (power["idle_w"], power["busy_w"], slept) == (3.0, 6.0, [2.0])
    assert "from 2 s behind the last inference" in power["method"]


def test_no_other_machine_waits_for_its_power(tmp_path, monkeypatch):
    own_clock(monkeypatch, lambda seconds: pytest.fail("it waited"))
    assert bench.power_facts(program(tmp_path), lambda: None) is None
    assert bench.power_facts(None, lambda: None) is None


def test_inferences_go_on_while_the_power_is_read(tmp_path):
    slow = tmp_path / "vcgencmd"
    slow.write_text("#!/bin/sh\nsleep 0.1\necho 'A_A current(0)=2.0A'\necho 'A_V volt(1)=3.0V'\n")
    slow.chmod(0o755)
    done = []
    assert bench.busy_rails(str(slow), lambda: done.append(1)) == {"A": 6.0}
    assert len(done) > 100


# --------------------------------------------------------------------------------- the cold start


def test_a_cold_start_says_that_the_model_lies_in_the_file_cache(bundle, tmp_path, monkeypatch):
    """Loading reads no card: the file was read for its hash just before."""
    steps = []

    def watch(name):
        real = getattr(bench, name)

        def call(*values):
            steps.append((name, str(next(v for v in values if isinstance(v, str)))))
            return real(*values)

        monkeypatch.setattr(bench, name, call)

    watch("sha256_of")
    watch("build_interpreter")
    report, _ = measured(bundle, tmp_path, PI4, None)
    model = str(bundle / report["model"]["file"])
    assert steps.index(("sha256_of", model)) < steps.index(("build_interpreter", model))
    (said,) = [line for line in report["latency"]["method"] if line.startswith("cold start")]
    assert "load_us always finds the model in it" in said


# ------------------------------------------------------------------------- kernels and governors


def test_no_governor_file(bundle, tmp_path):
    files = {name: text for name, text in PI4.items() if "cpufreq" not in name}
    report, codes = measured(bundle, tmp_path, files, None)
    state = report["machine"]["after"]
    assert {state[name] for name in ("governors", "cpu_khz", "cpu_min_khz", "cpu_max_khz")} == {
        None
    }
    assert "governor" not in codes


def test_the_governor_is_named_with_its_cure(bundle, tmp_path):
    name = "sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"
    files = PI4 | {name.format(cpu): "ondemand\n" for cpu in range(4)}
    _, codes = measured(bundle, tmp_path, files, None)
    assert codes["governor"]["what"] == "the frequency governor is ondemand"
    assert "scaling_governor" in codes["governor"]["cure"]


def test_a_32_bit_kernel_and_a_64_bit_one_under_a_32_bit_userland(tmp_path, monkeypatch):
    """The core is named by its part number; kernel and userland stand apart in the JSON."""
    root = recorded(tmp_path, {**PI4, "proc/cpuinfo": KERNEL_32, "proc/sys/kernel/arch": "armv7l"})
    monkeypatch.setattr(platform, "machine", lambda: "armv7l")
    facts = bench.machine_facts(root)
    assert (facts["cpu"], facts["architecture"]) == ("Cortex-A53", "armv7l")
    assert facts["emulator"] is None
    recorded(tmp_path, {"proc/sys/kernel/arch": "aarch64\n"})  # as Raspberry Pi OS has it, 32 bits
    monkeypatch.setattr(platform, "machine", lambda: "armv8l")
    assert bench.machine_facts(root)["emulator"] is None
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert bench.machine_facts(root)["emulator"] is None


def test_a_kernel_of_32_bits_under_a_64_bit_userland(bundle, tmp_path, monkeypatch):
    """Whatever it calls itself: neither an emulator nor doubtful, and the userland is told."""
    files = {**PI4, "proc/cpuinfo": KERNEL_32, "proc/sys/kernel/arch": "armv7l\n"}
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    report, codes = measured(bundle, tmp_path, files, None)
    assert report["machine"]["cpu"] == "Cortex-A53"
    assert report["machine"]["architecture"] == "aarch64"
    assert report["python"]["bits"] == 64
    assert report["machine"]["emulator"] is None
    assert "emulated" not in codes


# ------------------------------------------------------------------------------------- emulation


def test_an_emulated_processor_is_seen_by_its_kernel(tmp_path, monkeypatch):
    monkeypatch.delenv("HINTLITE_EMULATOR", raising=False)
    root = recorded(tmp_path, {"proc/sys/kernel/arch": "x86_64\n"})
    assert bench.emulator(root, "aarch64") == "aarch64 programs on a kernel for x86_64"
    assert bench.emulator(root, "armv7l") == "armv7l programs on a kernel for x86_64"
    assert bench.emulator(root, "x86_64") is None
    assert bench.emulator(root, "i686") is None
    assert bench.emulator(root, "") is None
    assert bench.emulator(str(tmp_path / "older kernel"), "aarch64") is None


def test_an_emulated_userland_may_say_so(bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("HINTLITE_EMULATOR", "qemu-aarch64 -cpu cortex-a72")
    report, codes = measured(bundle, tmp_path, PI4, None)
    assert report["machine"]["emulator"] == "qemu-aarch64 -cpu cortex-a72"
    assert "qemu-aarch64 -cpu cortex-a72" in codes["emulated"]["what"]


def test_compare_takes_no_times_from_an_emulator(bundle, tmp_path, monkeypatch):
    found = {}
    for name in ("", "qemu-aarch64"):
        monkeypatch.setenv("HINTLITE_EMULATOR", name)
        report, _ = measured(bundle, tmp_path, PI4, None)
        (tmp_path / "report.json").write_text(json.dumps(report))
        found[name] = read_outcome(tmp_path / "report.json")
    assert found[""].method["kind"] == "measured"
    assert {"p50_us", "memory_bytes", "accuracy"} <= set(found[""].figures)
    assert found["qemu-aarch64"].method["kind"] == "simulated"
    assert "accuracy" in found["qemu-aarch64"].figures
    assert not {"p50_us", "memory_bytes"} & set(found["qemu-aarch64"].figures)
