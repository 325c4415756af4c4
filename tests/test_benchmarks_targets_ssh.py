"""A device over SSH, against a real OpenSSH server on this machine."""

import json
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import threading
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from ssh_server import ALIAS, HOST, Wire, free_port, make_key, serving
from tiny_bundle import MEAN, SCRIPT, STD, TINY, sha256

from hintlite.benchmarks.targets.base import BenchmarkError, BenchmarkRequest
from hintlite.benchmarks.targets.ssh.agent import system_id
from hintlite.benchmarks.targets.ssh.device import Device
from hintlite.benchmarks.targets.ssh.session import Session
from hintlite.benchmarks.targets.ssh.target import SshTarget
from hintlite.deploy.bundle.bundle import write_bundle

pytestmark = pytest.mark.ssh

FAST = BenchmarkRequest(warmup_s=0.02, window_s=0.02, windows=2, min_runs=3, timeout_s=60)
STUB = Path(__file__).with_name("ssh_stub.py")
MODEL = "student_int8.tflite"
HOT = {"emulator": None, "after": {"temperatures": [{"celsius": "hot"}]}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("ssh server")) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_left(server):
    """After each test the device is as it was before."""
    server.set_python()
    yield
    server.set_python()
    assert server.clean_within(), (server.left(), server.processes())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    place = tmp_path_factory.mktemp("made") / 'a bundle\'s "folder"'
    raw = np.random.default_rng(1).integers(0, 256, (6, 8, 8, 1)).astype(np.uint8)
    return write_bundle(
        place,
        models={MODEL: TINY.read_bytes()},
        labels=["a", "b", "c", "d"],
        input_shape=(8, 8, 1),
        normalization={"mean": [MEAN], "std": [STD], "raw_dtype": "uint8"},
        samples_raw=raw,
        sample_labels=np.zeros(6, np.int64),
        bench_script=SCRIPT,
        provenance={},
    )


def target(server, *, said=None, stub=True, pauses_s=(0.0,), config=None, **settings):
    if not stub:
        server.set_python(options="")
    device = Device(ALIAS, ssh_config=config or server.config, **settings)
    progress = said.append if isinstance(said, list) else said
    return SshTarget(device, progress, pauses_s, STUB if stub else SCRIPT)


def stubborn(server, **variables):
    """The device's benchmark misbehaves."""
    server.set_python("\n".join(f"export STUB_{k}='{v}'" for k, v in variables.items()))


# ----------------------------------------------------------------------------- when all goes well


def test_a_bundle_is_measured_and_nothing_stays(server, bundle):
    said = []
    result = target(server, said=said, stub=False, name="desk").run(bundle, FAST)
    assert (result.kind, result.target) == ("measured", "desk")
    assert result.model_sha256 == sha256(TINY)
    assert result.accuracy["total"] == 6
    assert result.raw["exactness"]["bit_exact"] is True
    assert result.raw["machine"]["architecture"] == os.uname().machine
    assert result.raw["device"]["runtime"] == "ai-edge-litert"
    assert result.raw["device"]["system_id"] == system_id("/")
    assert result.latency_us["p50"] > 0
    assert said[:2] == ["connecting", "checking the device"]
    assert [line for line in said if line.startswith("copying")]
    assert [line for line in said if line.startswith("window 2 of 2")]
    assert said[-1] == "removing what was copied"
    assert server.left() == []


def test_what_was_copied_is_left_on_request(server, bundle):
    said = []
    target(server, said=said, keep=True).run(bundle, FAST)
    (name,) = server.left()
    place = server.tmp / name
    assert said[-1] == f"left on the device: {place}"
    assert place.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in (place / "bundle").iterdir()} == {
        path.name for path in bundle.iterdir()
    }
    for path in bundle.iterdir():
        assert (place / "bundle" / path.name).read_bytes() == path.read_bytes()
    shutil.rmtree(place)


@pytest.mark.parametrize("name", ["-rf 'x' \"y\"\n$(id).tflite", "ü `id`;x.tflite"])
def test_odd_file_names_arrive(server, tmp_path, name):
    (tmp_path / name).write_bytes(TINY.read_bytes())
    result = target(server, stub=not name.isascii()).run(tmp_path / name, FAST)
    assert result.raw["model"]["file"] == name.replace("\n", " ")  # as it is shown
    assert result.model_sha256 == sha256(TINY)


def test_a_folder_may_be_named_and_have_an_odd_name(server, bundle, tmp_path):
    place = tmp_path / "-a 'b'\n$(id)"
    place.mkdir()
    result = target(server, folder=str(place)).run(bundle, FAST)
    assert result.raw["cwd"].startswith(str(place).replace("\n", " "))
    assert list(place.iterdir()) == []


def test_another_python_may_be_named_from_the_home_folder_on(server, bundle):
    home = pwd.getpwuid(os.getuid()).pw_dir
    python = os.path.relpath(server.bin / "python3", home)
    assert target(server, python=python).run(bundle, FAST).model_sha256 == sha256(TINY)


def test_what_the_account_prints_first_is_passed_over(server, bundle):
    noise = "echo Welcome; echo '{\"done\": {}}'; printf 'no end'; echo err >&2"
    server.set_python(f'if [ -z "$SAID" ]; then export SAID=1; {noise}; fi')
    assert target(server).run(bundle, FAST).model_sha256 == sha256(TINY)


def test_an_emulated_device_is_marked_simulated_and_has_no_times(server, bundle):
    server.set_python("export HINTLITE_EMULATOR='qemu-aarch64 -cpu cortex-a72'")
    result = target(server).run(bundle, FAST)
    assert (result.kind, result.latency_us) == ("simulated", None)
    assert result.raw["device"]["emulator"] == "qemu-aarch64 -cpu cortex-a72"


# --------------------------------------------------------------------- when the connection is lost

STEPS = ("connecting", "checking", "copying", "warming up", "removing")


@pytest.fixture
def wire(server):
    wire = Wire(server.port)
    wire.config = server.client_config("wire_config", port=wire.port)
    yield wire
    wire.close()


class Scissors:
    """Cuts the wire when a step begins, the first so many times."""

    def __init__(self, wire, step, times):
        self.wire, self.step, self.times, self.said = wire, step, times, []

    def __call__(self, line):
        self.said.append(line)
        if line.startswith(self.step) and self.times:
            self.times -= 1
            self.wire.cut()


@pytest.mark.parametrize("step", STEPS[1:-1])
def test_a_connection_that_is_lost_once_is_taken_up_again(server, wire, bundle, step):
    cut = Scissors(wire, step, 1)
    result = target(server, said=cut, config=wire.config).run(bundle, FAST)
    assert result.model_sha256 == sha256(TINY)
    assert wire.connections == 2
    (again,) = [line for line in cut.said if "trying again" in line]
    assert "the connection was lost while" in again


@pytest.mark.parametrize("step", STEPS[1:-1])
def test_one_that_is_lost_for_good_ends_with_the_step_and_no_result(server, wire, bundle, step):
    cut = Scissors(wire, step, 99)
    words = {"checking": "checking the device", "copying": "copying the bundle"}
    with pytest.raises(BenchmarkError, match=words.get(step, "measuring")) as raised:
        target(server, said=cut, config=wire.config).run(bundle, FAST)
    assert "Given up after 2 tries; nothing was kept" in str(raised.value)
    assert wire.connections == 2


def test_one_that_is_lost_after_the_report_costs_nothing(server, wire, bundle):
    cut = Scissors(wire, "removing", 99)
    result = target(server, said=cut, config=wire.config).run(bundle, FAST)
    assert result.model_sha256 == sha256(TINY)
    assert wire.connections == 1
    assert "the device removes its folder when it notices" in cut.said[-1]


@pytest.mark.parametrize("step", ["greeting", "keys", "command"])
def test_one_that_is_never_made_is_not_tried_again(server, wire, bundle, step):
    """Cut while OpenSSH makes the connection: at once, in the key exchange, behind it."""
    wire.cut_at_bytes["up"] = {"greeting": 1, "keys": 1500, "command": 3500}[step]
    with pytest.raises(BenchmarkError, match="no connection"):
        target(server, config=wire.config).run(bundle, FAST)
    assert wire.connections == 1


def test_half_an_archive_is_taken_up_again(server, wire, bundle, tmp_path):
    model = tmp_path / "large.tflite"
    model.write_bytes(np.random.default_rng(0).bytes(2_000_000))
    wire.cut_at_bytes["up"] = 1_000_000
    said = []
    result = target(server, said=said, config=wire.config).run(model, FAST)
    assert result.model_sha256 == sha256(model)
    assert wire.connections == 2
    assert [line for line in said if "lost while copying the bundle" in line]


def test_half_a_report_is_taken_up_again(server, wire, bundle):
    stubborn(server, PAD=3_000_000)
    wire.cut_at_bytes["down"] = 1_000_000
    said = []
    result = target(server, said=said, config=wire.config).run(bundle, FAST)
    assert len("".join(result.raw["pad"])) == 3_000_000
    assert wire.connections == 2
    assert [line for line in said if "lost while measuring" in line]


def test_a_step_that_takes_too_long_is_given_up(server, bundle):
    stubborn(server, SLEEP=60)
    slow = BenchmarkRequest(timeout_s=0.5)
    with pytest.raises(BenchmarkError, match=r"longer than 0\.5 s.*--timeout_s"):
        target(server).run(bundle, slow)


def test_a_server_that_says_nothing_is_given_up():
    """Something accepts the connection and never answers."""
    import socket

    with socket.create_server((HOST, 0)) as silent:
        device = Device(f"nobody@{HOST}", port=silent.getsockname()[1], ssh_config="/dev/null")
        with (
            Session(device) as session,
            pytest.raises(BenchmarkError, match=r"connecting took longer than 0\.3 s"),
            session.step("connecting", 0.3),
        ):
            session.greet("x")


def test_stopping_from_another_thread_leaves_nothing(server, bundle):
    stubborn(server, SLEEP=60)
    running = threading.Event()

    def said(line):
        if line == "warming up":
            running.set()

    device = target(server, said=said)
    errors = []

    def work():
        try:
            device.run(bundle, FAST)
        except BenchmarkError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert running.wait(30)
    assert server.processes()
    device.stop()
    thread.join(30)
    assert "lost while measuring" in errors[0]
    assert server.clean_within(10)


# ------------------------------------------------------------------------- what is never accepted


def test_an_unknown_host_is_refused_with_the_commands_to_accept_it(server, bundle, tmp_path):
    (tmp_path / "none").write_text("")
    config = server.client_config("unknown", known=tmp_path / "none")
    with pytest.raises(BenchmarkError, match="its host key is not known here") as raised:
        target(server, config=config).run(bundle, FAST)
    assert f"ssh-keyscan -p {server.port} {HOST} | ssh-keygen -lf -" in str(raised.value)
    assert f"accept it once with `ssh -F {shlex.quote(config)} {ALIAS}`" in str(raised.value)
    assert (tmp_path / "none").read_text() == ""


def test_settings_that_accept_anyone_do_not_count(server, bundle, tmp_path):
    (tmp_path / "none").write_text("")
    config = Path(server.client_config("careless", known=tmp_path / "none"))
    config.write_text(config.read_text() + "  StrictHostKeyChecking no\n")
    with pytest.raises(BenchmarkError, match="its host key is not known here"):
        target(server, config=str(config)).run(bundle, FAST)
    assert (tmp_path / "none").read_text() == ""


def test_a_changed_host_key_is_an_alarm(server, bundle, tmp_path):
    (tmp_path / "other").write_text(f"{ALIAS} {make_key(tmp_path / 'k')}\n")
    config = server.client_config("changed", known=tmp_path / "other")
    with pytest.raises(BenchmarkError, match="not the one that is known") as raised:
        target(server, config=config).run(bundle, FAST)
    assert f"ssh-keygen -R {ALIAS}" in str(raised.value)


def test_a_key_that_is_not_accepted(server, bundle, tmp_path):
    make_key(tmp_path / "stranger")
    config = Path(server.client_config("stranger"))
    config.write_text(config.read_text().replace(str(server.key), str(tmp_path / "stranger")))
    with pytest.raises(BenchmarkError, match="the SSH key was not accepted") as raised:
        target(server, config=str(config)).run(bundle, FAST)
    assert f"ssh-copy-id -F {shlex.quote(str(config))} {ALIAS}" in str(raised.value)


def test_nobody_there(server, bundle):
    config = server.client_config("nobody", port=free_port())
    with pytest.raises(BenchmarkError, match="Connection refused"):
        target(server, config=config).run(bundle, FAST)
    device = Device("pi@no-such-host.invalid", ssh_config=server.config)
    with pytest.raises(BenchmarkError, match="no such host"):
        SshTarget(device).run(bundle, FAST)


@pytest.mark.parametrize("python", ["no-such-python", "/etc/passwd"])  # absent; no program
def test_no_python_there(server, bundle, python):
    with pytest.raises(BenchmarkError, match=r"sudo apt-get install -y python3"):
        target(server, python=python).run(bundle, FAST)


@pytest.mark.parametrize(
    ("variables", "match"),
    [
        ({"CHANGES": '{"nonce": "0"}'}, "about another run"),
        ({"CHANGES": json.dumps({"model": {"sha256": "0" * 64}})}, "about another run"),
        ({"CHANGES": '{"schema": "other"}'}, "a report of the form"),
        ({"CHANGES": '{"verdict": null}'}, "verdict"),
        ({"CHANGES": '{"verdict": {"state": "doubtful", "reasons": [{"what": 1}]}}'}, "wrong form"),
        ({"CHANGES": '{"machine": {"emulator": null, "throttled_words": ["zz"]}}'}, "wrong form"),
        ({"CHANGES": json.dumps({"machine": HOT})}, "celsius cannot be"),
        ({"NESTED": 100_000}, "the output was cut off"),
        ({"LENGTH": 100}, "the output was cut off"),
        ({"LENGTH": 0, "CODE": 1}, r"exit code 1\): something else at the end"),
        ({"CODE": 3}, "exit code 3"),
    ],
)
def test_a_forged_or_truncated_report_is_refused(server, bundle, variables, match):
    stubborn(server, **variables)
    with pytest.raises(BenchmarkError, match=match):
        target(server).run(bundle, FAST)


def test_what_a_device_says_cannot_steer_the_terminal(server, bundle):
    """In a report, in the facts of a check, in lines of progress."""
    steers = "a\x1b[2Jb\nc"
    texts = dict.fromkeys(("code", "what", "why", "cure"), steers) | {"state": "doubtful"}
    verdict = {"state": "doubtful", "reasons": [texts]}
    said = []
    changes = shlex.quote(json.dumps({"verdict": verdict, "numpy": steers}))
    server.set_python(
        f"export STUB_CHANGES={changes}\nexport HINTLITE_EMULATOR=$(printf 'a\\033[2Jb')"
    )
    result = target(server, said=said).run(bundle, FAST)
    (reason,) = result.verdict["reasons"]
    assert reason == texts | dict.fromkeys(("code", "what", "why", "cure"), "a [2Jb c")
    assert result.raw["device"]["emulator"] == "a [2Jb"
    assert result.raw["numpy"] == "a [2Jb c"
    assert all(line.isprintable() for line in said)


def test_a_bundle_that_names_files_outside_itself_is_refused(server, bundle, tmp_path):
    bad = tmp_path / "bad"
    shutil.copytree(bundle, bad)
    manifest = json.loads((bad / "manifest.json").read_text())
    entry = manifest["files"].pop("labels.txt")
    manifest["files"]["../labels.txt"] = entry
    (bad / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BenchmarkError, match="not plain"):
        target(server).run(bad, FAST)


@pytest.mark.parametrize("damage", ["changed", "gone", "link"])
def test_a_damaged_bundle_never_leaves_this_machine(server, bundle, tmp_path, damage):
    bad = tmp_path / "bad"
    shutil.copytree(bundle, bad)
    (bad / "labels.txt").unlink()
    if damage == "changed":
        (bad / "labels.txt").write_text("x\n")
    if damage == "link":
        (bad / "labels.txt").symlink_to(bundle / "labels.txt")
    said = []
    with pytest.raises(BenchmarkError, match=r"labels\.txt"):
        target(server, said=said).run(bad, FAST)
    assert said == []


# ------------------------------------------------------------------------------ the device's disk


def in_small_disk(options):
    """Shell words that give the device's folder a file system of its own, in a namespace."""
    mount = f'mount -t tmpfs -o {options} none "$TMPDIR"'
    return f'if [ -z "$IN" ]; then IN=1 exec unshare -rm sh "$0" "$@"; fi; {mount}'


@pytest.mark.parametrize(
    ("options", "match"), [("size=16k", "No space left"), ("ro", "usable temporary|Read-only")]
)
def test_a_full_or_read_only_disk_is_reported(server, bundle, tmp_path, options, match):
    probe = "mount -t tmpfs none /mnt"
    if subprocess.run(
        ["unshare", "-rm", "sh", "-c", probe], capture_output=True, check=False
    ).returncode:
        pytest.skip("this machine allows no mount namespaces")
    server.set_python(in_small_disk(options))
    with pytest.raises(BenchmarkError, match=match) as raised:
        target(server, folder=str(server.tmp)).run(bundle, FAST)
    assert "--remote_folder" in str(raised.value)


def test_a_limit_on_files_is_reported(server, bundle):
    """As a full disk does, the kernel refuses the write: of the archive, then of the script."""
    server.set_python("ulimit -f 16")
    with pytest.raises(BenchmarkError, match=r"copying the bundle: File too large.*remote_folder"):
        target(server).run(bundle, FAST)


def test_a_folder_that_is_not_there(server, bundle):
    with pytest.raises(BenchmarkError, match="No such file or directory"):
        target(server, folder="/no/such/folder").run(bundle, FAST)


# ----------------------------------------------------------------------------------- the runtime


def test_a_missing_runtime_is_named_with_the_command_that_installs_it(server, bundle):
    with pytest.raises(BenchmarkError, match="has no usable TFLite runtime") as raised:
        without_packages(server).run(bundle, FAST)
    assert f"ssh -F {shlex.quote(server.config)} {ALIAS}" in str(raised.value)
    assert "pip install ai-edge-litert numpy" in str(raised.value)


def test_a_runtime_is_installed_into_a_folder_of_its_own(
    server, wire, bundle, tmp_path, monkeypatch
):
    """By the real pip from a folder of wheels: these two hand on to the packages of the tests.

    The connection is lost once in the middle of it.
    """
    for name in ("ai-edge-litert", "numpy"):
        redirecting_wheel(tmp_path, name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    cut = Scissors(wire, "copying 2 packages", 1)
    device = without_packages(server, said=cut, install=True, config=wire.config)
    result = device.run(bundle, FAST)
    assert wire.connections == 2
    place = Path(result.raw["device"]["installed"])
    assert place.is_relative_to(server.home / ".local" / "share" / "hintlite")
    assert result.raw["device"]["runtime"] == "ai-edge-litert"
    assert [line for line in cut.said if line == f"installed in {place}"]
    assert [line for line in cut.said if "lost while installing the runtime" in line]
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def without_packages(server, **settings):
    found = target(server, stub=False, **settings)
    server.set_python()
    return found


def redirecting_wheel(folder, name):
    package, release = name.replace("-", "_"), version(name)
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    source = Path(__import__(package).__file__)
    code = (
        "import importlib.util, sys\n"
        f"sys.path.append({str(source.parents[1])!r})\n"
        f"spec = importlib.util.spec_from_file_location({package!r}, {str(source)!r}, "
        f"submodule_search_locations=[{str(source.parent)!r}])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        f"sys.modules[{package!r}] = module\n"
        "spec.loader.exec_module(module)\n"
    )
    info = f"{package}-{release}.dist-info"
    machine = os.uname().machine
    path = folder / f"{package}-{release}-{tag}-{tag}-manylinux2014_{machine}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{package}/__init__.py", code)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n")
        wheel.writestr(f"{info}/RECORD", "")
