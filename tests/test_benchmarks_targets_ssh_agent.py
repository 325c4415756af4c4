"""The agent by itself: what it refuses, and that it never stays behind."""

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from hintlite.benchmarks.targets.ssh import agent
from hintlite.benchmarks.targets.ssh.package import listing, to_archive
from hintlite.benchmarks.targets.ssh.session import AGENT, LOADER

STUB = Path(__file__).with_name("ssh_stub.py")


def archive(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(content)
            member.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class Bytes(io.BytesIO):
    def drain(self):
        self.read()


def test_one_system_has_one_id_that_gives_nothing_away(tmp_path):
    machine, serial = tmp_path / "etc/machine-id", tmp_path / "proc/device-tree/serial-number"
    for path in (machine, serial):
        path.parent.mkdir(parents=True)
    assert agent.system_id(str(tmp_path)) is None
    for text in ("", "\n", "uninitialized\n"):  # as on a card that was never started
        machine.write_text(text)
        assert agent.system_id(str(tmp_path)) is None
    machine.write_text("0123456789abcdef" * 2 + "\n")
    without = agent.system_id(str(tmp_path))
    serial.write_text("10000000abcdef01\0")
    first = agent.system_id(str(tmp_path))
    assert agent.system_id(str(tmp_path)) == first
    serial.write_text("10000000abcdef02\0")  # a copy of the card in another board
    assert len({without, first, agent.system_id(str(tmp_path))}) == 3
    assert len(first) == 32
    assert "abcdef01" not in first
    assert "0123456789abcdef" not in first


@pytest.mark.parametrize(
    "name", ["a", "-rf", "a b", "'", '"', "new\nline", "ü", "x" * 200, ".hidden", "$(id)", "\\"]
)
def test_any_flat_name_is_unpacked(tmp_path, name):
    files = {name: b"content"}
    agent.unpack(Bytes(to_archive(files)), str(tmp_path / "new"), listing(files))
    assert (tmp_path / "new" / name).read_bytes() == b"content"


@pytest.mark.parametrize("name", ["../up", "/tmp/absolute", "a/b", "..", "."])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    made = archive((name, tarfile.REGTYPE, b"x"))
    with pytest.raises(agent.RefusedError, match="no file of the bundle"):
        agent.unpack(Bytes(made), str(tmp_path / "new"), listing({name: b"x"}))
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_plain_files_are_unpacked(tmp_path, kind):
    made = archive(("a", kind, b""))
    with pytest.raises(agent.RefusedError, match="no file of the bundle"):
        agent.unpack(Bytes(made), str(tmp_path / "new"), listing({"a": b""}))


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ([("a", tarfile.REGTYPE, b"other")], "did not arrive"),
        ([], "lacks"),
        ([("a", tarfile.REGTYPE, b"x"), ("b", tarfile.REGTYPE, b"x")], "no file of the bundle"),
        ([("a", tarfile.REGTYPE, b"x"), ("a", tarfile.REGTYPE, b"x")], "no file of the bundle"),
    ],
)
def test_just_the_files_that_were_announced_arrive(tmp_path, members, match):
    with pytest.raises(agent.RefusedError, match=match):
        agent.unpack(Bytes(archive(*members)), str(tmp_path / "new"), listing({"a": b"x"}))


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\b"])
def test_a_wheel_stays_in_its_folder(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "w.whl", "w") as wheel:
        wheel.writestr(name, "x")
    (tmp_path / "in").mkdir()
    with pytest.raises(agent.RefusedError, match="outside itself"):
        agent.unzip(str(tmp_path / "w.whl"), str(tmp_path / "in"))
    assert list((tmp_path / "in").iterdir()) == []


def test_a_wheel_is_unpacked_as_pip_does(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.whl", "w") as wheel:
        for name in ("p/a.py", "p-1.data/purelib/b.py", "p-1.data/scripts/run", "p-1.data/c"):
            wheel.writestr(name, "x")
    agent.unzip(str(tmp_path / "w.whl"), str(tmp_path / "in"))
    found = [
        path.relative_to(tmp_path / "in").as_posix() for path in (tmp_path / "in").rglob("*.*")
    ]
    assert sorted(found) == ["b.py", "p/a.py"]


# -------------------------------------------------------------------------------- as a process


class Agent:
    """The agent's process with pipes for a connection."""

    def __init__(self, place, source=None, **variables):
        import base64

        self.place = place
        content = source or AGENT.read_text()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LOADER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(place), **variables},
        )
        self.send(base64.b64encode(content.encode()) + b'\n{"nonce": "n"}\n')
        assert self.process.stdout.readline() == b"\n"
        assert self.process.stdout.readline() == b"hintlite-agent n\n"

    def send(self, content):
        self.process.stdin.write(content)
        self.process.stdin.flush()

    def order(self, what, payload=b"", **details):
        self.send(json.dumps({"do": what} | details).encode() + b"\n" + payload)
        return json.loads(self.process.stdout.readline())

    def start_measuring(self):
        """Up to the first line of a benchmark that takes a minute."""
        files = {"m.tflite": b"x"}
        content, script = to_archive(files), STUB.read_bytes()
        options = {"bytes": len(script), "python": sys.executable, "folder": None}
        assert self.order("check", script, **options)["done"]["runtime"] == "stub"
        options = {"bytes": len(content), "script_bytes": len(script), "keep": False}
        self.order("unpack", content + script, files=listing(files), **options)
        options = {"options": ["--nonce", "n"], "bundle": False, "model": "m.tflite"}
        assert self.order("measure", limit_s=60, **options) == {"say": "warming up"}
        assert len(list(self.place.iterdir())) == 1
        self.measuring = [pid for pid in children(self.process.pid)]
        assert self.measuring

    def end(self):
        code = self.process.wait(30)
        error = self.process.stderr.read().decode()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        return code, error


def children(pid):
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if int((place / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(place.name))
        except OSError:
            continue
    return found


@pytest.fixture
def measuring(tmp_path):
    def make(source=None):
        running = Agent(tmp_path, source, STUB_SLEEP="60")
        running.start_measuring()
        return running

    return make


def gone(running):
    code, error = running.end()
    assert (code, error) == (0, "")
    assert list(running.place.iterdir()) == []
    return not [pid for pid in running.measuring if Path(f"/proc/{pid}").exists()]


def test_it_goes_when_the_connection_ends(measuring):
    running = measuring()
    running.process.stdin.close()
    assert gone(running)


@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM", "SIGINT"])
def test_it_goes_on_a_signal(measuring, name):
    import signal

    running = measuring()
    running.process.send_signal(getattr(signal, name))
    assert gone(running)


def test_it_goes_when_nothing_is_heard(measuring):
    """A network that dies without a word: the connection stays open and nothing comes."""
    source = AGENT.read_text()
    assert "SILENCE_S = 60.0" in source
    assert gone(measuring(source.replace("SILENCE_S = 60.0", "SILENCE_S = 4.0")))


def test_signs_of_life_keep_it(measuring):
    running = measuring(AGENT.read_text().replace("SILENCE_S = 60.0", "SILENCE_S = 4.0"))
    for _ in range(20):
        running.send(b"\n")
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(0.25)
    assert Path(f"/proc/{running.measuring[0]}").exists()
    running.process.stdin.close()
    assert gone(running)


def test_an_unknown_order_is_refused(tmp_path):
    running = Agent(tmp_path)
    assert "no such order" in running.order("__init__")["failed"]
    running.end()


@pytest.mark.parametrize("home", ["/proc", "/dev/null"])  # where nobody may write; no folder
def test_a_runtime_that_cannot_be_written_has_its_own_cure(tmp_path, home):
    running = Agent(tmp_path, HOME=home, XDG_DATA_HOME="")
    content = to_archive({"a.whl": b"x"})
    answer = running.order("install", content, bytes=len(content), files=listing({"a.whl": b"x"}))
    assert home in answer["failed"]
    assert "~/.local/share/hintlite" in answer["failed"]
    assert "use --python" in answer["failed"]
    assert "--remote_folder" not in answer["failed"]
    running.end()


def test_an_old_python_is_told():
    """The loader's own check, with a version that it must refuse."""
    code = LOADER.replace("(3,7)", "(99,0)")
    assert code != LOADER
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is needed, this is 3." in done.stderr
