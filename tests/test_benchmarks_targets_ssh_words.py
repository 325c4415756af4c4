"""Words for the device's shell, destinations, and which runtime there is for which device."""

import os
import re
import subprocess

import pytest

from hintlite.benchmarks import bench_tflite
from hintlite.benchmarks.targets.base import BenchmarkError
from hintlite.benchmarks.targets.ssh.command import ssh_words
from hintlite.benchmarks.targets.ssh.device import Device, destination_of, folder_name, target_of
from hintlite.benchmarks.targets.ssh.runtime import (
    LITERT_FROM,
    architecture,
    check_facts,
    choose_runtime,
    explain_missing,
)
from hintlite.benchmarks.targets.ssh.wheels import download
from hintlite.benchmarks.targets.ssh.words import remote_command
from hintlite.pipeline.app.run.stages.by_hand import TEXT

ODD = (
    *("plain", "", "two words", "it's", '"double"', "new\nline", "-dash", "$HOME", "`id`", "$(id)"),
    *("a;b", "a&&b", "a|b", "<a>", "*", "?", "[a]", "~", "#no", "!x", "\\", "tab\t", "ü", "{a,b}"),
    *("'", "''", "\\'", "a\rb", "=b", "%s"),
)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_every_word_arrives_as_it_is(shell):
    line = remote_command(["printf", "%s\\0", *ODD])
    done = subprocess.run([shell, "-c", line], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == list(ODD)


def test_unquoted_words_would_not(tmp_path):
    """The failing direction: what joining with blanks makes of the same words."""
    line = "printf '%s\\0' " + " ".join(["two words", "$HOME"])
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == ["two", "words", *os.environ["HOME"].split()]


@pytest.mark.parametrize("words", [[], ["a\0b"]])
def test_what_cannot_be_a_command_is_refused(words):
    with pytest.raises(BenchmarkError):
        remote_command(words)


def test_destinations_stand_behind_the_options_and_are_never_one():
    device = Device("pi@host", port=2222, identity="~/k", ssh_config="c d")
    words = ssh_words(device, "id -u")
    assert words[-3:] == ["--", "pi@host", "id -u"]
    assert "BatchMode=yes" in words
    assert "StrictHostKeyChecking=yes" in words
    assert words[words.index("-i") + 1] == os.path.expanduser("~/k")
    assert words[words.index("-F") + 1] == "c d"
    for wrong in ("", "-oProxyCommand=id", "a b", "a;b", "$(id)", "a\nb", "`id`", "a'b"):
        with pytest.raises(BenchmarkError, match="destination"):
            Device(wrong)


@pytest.mark.parametrize(
    "wrong", [{"port": 0}, {"port": 70000}, {"python": "-c"}, {"python": ""}, {"folder": "x"}]
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(BenchmarkError, match=next(iter(wrong))):
        Device("pi", **wrong)


def test_names_that_mean_a_device():
    means = {
        "pi@raspberrypi.local": "pi@raspberrypi.local",
        "raspberrypi.local": "raspberrypi.local",
        "fe80::1": "fe80::1",
        "ssh:desk": "desk",
        "ssh://pi@desk:22": "ssh://pi@desk:22",
        "host": None,
        "cortex-m4": None,
        "desk": None,
    }
    assert {name: destination_of(name) for name in means} == means
    for destination in filter(None, means.values()):
        assert destination_of(target_of(destination)) == destination


def test_folders_are_plain_names_and_differ():
    assert folder_name("pi@raspberrypi.local") == "pi@raspberrypi.local"
    names = ["a/b", "a b", "../x", "..", "x.partial", "x.old", "cortex-m4", "ü", "a\nb"]
    folders = [folder_name(name, taken=("cortex-m4",)) for name in names]
    assert len(set(folders)) == len(names)
    for folder in folders:
        assert re.fullmatch(r"[A-Za-z0-9@_][A-Za-z0-9@._-]*", folder)
        assert not folder.endswith((".partial", ".old"))
        assert folder != "cortex-m4"


def facts(machine="aarch64", bits=64, python=(3, 11, 2), libc=("glibc", "2.36"), **more):
    known = {"machine": machine, "bits": bits, "python": list(python), "libc": list(libc)}
    known |= {"os": "Debian", "numpy": None, "runtime": None, "version": None, "error": "none"}
    known |= {"implementation": "CPython", "emulator": None, "system_id": None}
    return known | more


@pytest.mark.parametrize(
    ("device", "packages"),
    [
        (facts(), ("ai-edge-litert", "numpy")),  # Pi 3 to 5, 64-bit Bookworm
        (facts(python=(3, 13, 5), libc=("glibc", "2.41")), ("ai-edge-litert", "numpy")),  # Trixie
        (facts(python=(3, 9, 2), libc=("glibc", "2.31")), ("ai-edge-litert", "numpy")),  # Bullseye
        (facts(python=(3, 8, 10)), ("tflite-runtime", "numpy<2")),
        (facts(python=(3, 7, 3), libc=("glibc", "2.28")), ("tflite-runtime", "numpy<2")),
        (facts("armv7l", 32), ("tflite-runtime",)),
        (facts("aarch64", 32), ("tflite-runtime",)),  # a 64-bit kernel, a 32-bit userland
        (facts("armv7l", 64), ("ai-edge-litert", "numpy")),  # a kernel that says 32 bits, and 64
        (facts("x86_64"), ("ai-edge-litert", "numpy")),
    ],
)
def test_each_device_has_its_runtime(device, packages):
    assert choose_runtime(device).packages == packages


@pytest.mark.parametrize(
    "device",
    [
        facts("armv6l", 32),
        facts("armv7l", 32, python=(3, 13, 5)),
        facts("riscv64"),
        facts(python=(3, 12, 3), libc=("", "")),  # musl
        facts(python=(3, 11, 9), libc=("", "")),
        facts(python=(3, 7, 17), libc=("", "")),
        facts("x86_64", python=(3, 10, 14), libc=("", "")),
        facts("armv7l", 32, python=(3, 11, 9), libc=("musl", "1.2.5")),
    ],
)
def test_devices_without_any_published_runtime_are_told(device):
    for step in (choose_runtime, download, lambda found: explain_missing(Device("pi@x"), found)):
        with pytest.raises(BenchmarkError, match="no TFLite runtime is published") as raised:
            step(device)
        assert "both need glibc" in str(raised.value)


def test_the_c_library_that_lacks_wheels_is_named():
    for libc, said in (
        (("", ""), "another C library than glibc"),
        (("musl", "1.2.5"), "musl 1.2.5"),
    ):
        with pytest.raises(BenchmarkError, match=f"Python 3.11 and {said}: both need glibc"):
            choose_runtime(facts(libc=libc))


def test_facts_that_are_none_are_refused():
    check_facts(facts())
    for wrong in ({"python": [3, "x", 1]}, {"libc": ["glibc"]}, {"bits": "64"}, {"os": 1}):
        with pytest.raises(BenchmarkError, match="facts are none"):
            check_facts(facts() | wrong)
    with pytest.raises(BenchmarkError, match="emulator"):
        check_facts({name: value for name, value in facts().items() if name != "emulator"})


def test_the_wheel_tags_end_at_the_devices_c_library():
    tags = choose_runtime(facts(libc=("glibc", "2.31"))).platforms
    assert tags[0] == "manylinux_2_31_aarch64"
    assert "manylinux_2_27_aarch64" in tags
    assert "manylinux_2_34_aarch64" not in tags
    assert tags[-1] == "manylinux2014_aarch64"


def test_the_command_to_install_is_the_devices_own():
    text = explain_missing(Device("pi@x", port=2222), facts())
    assert "sudo apt-get install -y python3-venv &&" in text
    assert "pip install ai-edge-litert numpy" in text
    assert "ssh -p 2222 pi@x" in text
    assert "--install" in text
    text = explain_missing(Device("pi@x"), facts("aarch64", 32))
    assert "python3-numpy" in text
    assert "--system-site-packages" in text
    assert "pip install tflite-runtime" in text
    assert architecture(facts("aarch64", 32)) == architecture(facts("armv8l", 32)) == "armv7l"
    assert architecture(facts("armv8l", 64)) == "aarch64"


def test_all_say_the_same_of_the_oldest_python(monkeypatch):
    needed = "Python {}.{} or newer".format(*LITERT_FROM)
    monkeypatch.setattr(bench_tflite, "RUNTIMES", {})
    with pytest.raises(bench_tflite.BenchError) as raised:
        bench_tflite.import_runtime()
    with pytest.raises(BenchmarkError) as refused:
        choose_runtime(facts("riscv64"))
    for text in (str(raised.value), str(refused.value), TEXT):
        assert needed in text
