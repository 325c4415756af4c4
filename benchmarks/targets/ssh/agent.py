"""What runs on the device while it is benchmarked: standard library, Python 3.7 or newer.

It is sent over the connection, kept in memory and takes its orders from standard input: a line of
JSON each, some followed by bytes. It makes one fresh folder and removes it when it ends, however it
ends: asked to, on a signal, when the connection closes, or when nothing was heard for SILENCE_S.
The process that measures never outlives it. An empty line only says that the other side lives.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import select
import shutil
import signal
import struct
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import zipfile
from typing import Any, Sequence

GREETING = "hintlite-agent"
SILENCE_S = 60.0
MOST_LINE_BYTES = 1 << 20
MOST_REPORT_BYTES = 16 << 20
PREFIX = "bench_tflite: "
# The benchmark's own judgement of which runtime is usable: its source comes on standard input.
PROBE = """
import json, sys, types
bench = types.ModuleType("bench_tflite")
sys.modules["bench_tflite"] = bench
exec(compile(sys.stdin.read(), "bench_tflite.py", "exec"), bench.__dict__)
found = {"runtime": None, "version": None, "error": None}
try:
    runtime = bench.import_runtime()
    found.update(runtime=runtime.name, version=runtime.version)
except bench.BenchError as error:
    found["error"] = str(error)
numpy = sys.modules.get("numpy")
found["numpy"] = getattr(numpy, "__version__", None)
print("\\n" + json.dumps(found))
"""


class GoneError(Exception):
    """Nobody listens any more."""


class RefusedError(Exception):
    """An order that cannot be done; the text says why."""


class Link:
    """Orders in, answers out."""

    def __init__(self, taken: int, given: int) -> None:
        self.taken, self._given, self._held = taken, given, b""
        self._heard = time.monotonic()

    def tell(self, **message: Any) -> None:
        """Sends a line of JSON."""
        self.send(json.dumps(message).encode() + b"\n")

    def send(self, content: bytes) -> None:
        """Sends bytes."""
        try:
            while content:
                content = content[os.write(self._given, content) :]
        except OSError as error:
            raise GoneError from error

    def fill(self) -> None:
        """Reads what is there; call it when there is something, or at the end."""
        content = os.read(self.taken, 1 << 16)
        if not content:
            raise GoneError
        self._heard = time.monotonic()
        self._held += content

    def check(self) -> None:
        """Gives up on a silent other side."""
        if time.monotonic() - self._heard > SILENCE_S:
            raise GoneError

    def drop_blank(self) -> None:
        """Forgets signs of life."""
        self._held = self._held.lstrip(b"\n")

    def _wait(self) -> None:
        while not select.select([self.taken], [], [], 1.0)[0]:
            self.check()
        self.fill()

    def line(self) -> Any:
        """The next order."""
        self.drop_blank()
        while b"\n" not in self._held:
            if len(self._held) > MOST_LINE_BYTES:
                raise RefusedError("an order is too long")
            self._wait()
            self.drop_blank()
        text, self._held = self._held.split(b"\n", 1)
        return json.loads(text.decode())

    def read(self, count: int) -> bytes:
        """Up to count of the bytes behind an order."""
        if not self._held:
            self._wait()
        content, self._held = self._held[:count], self._held[count:]
        return content


class Payload:
    """The bytes behind an order as a file, for tarfile and zipfile."""

    def __init__(self, link: Link, count: int) -> None:
        self._link, self._left = link, count

    def read(self, count: int = -1) -> bytes:
        """Bytes until there are enough, or none is left."""
        count = self._left if count < 0 else min(count, self._left)
        parts = []
        while count:
            part = self._link.read(count)
            parts.append(part)
            count -= len(part)
            self._left -= len(part)
        return b"".join(parts)

    def drain(self) -> None:
        """Reads the rest, so that the next order follows."""
        while self._left:
            self.read(min(self._left, 1 << 20))


class Agent:
    """The orders; each returns what is answered."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._folder = ""  # the fresh one, once it is made
        self._child: Any = None
        self._keep, self._python = False, sys.executable
        self._path: str | None = None  # of packages that `install` has unpacked

    def check(self, order: Any) -> Any:
        """What this device is, and which runtime is usable."""
        source = Payload(self._link, order["bytes"]).read()
        tempfile.tempdir = order["folder"]  # None leaves it to $TMPDIR and /tmp
        found = shutil.which(order["python"])  # as the account's shell has found it
        self._python = os.path.abspath(found) if found else sys.executable
        facts = device_facts()
        installed = runtime_folder()
        facts.update(self._probe(source, None), installed=None)
        if facts["runtime"] is None and os.path.isdir(installed):
            facts.update(self._probe(source, installed), installed=installed)
            self._path = installed if facts["runtime"] else None
        return facts

    def _probe(self, source: bytes, path: str | None) -> Any:
        ran = self._run([self._python, "-c", PROBE], source, environment(path))
        try:
            return json.loads(ran.stdout.decode("utf-8", "replace").strip().split("\n")[-1])
        except ValueError:
            said = ran.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
            error = f"importing the runtime ended with exit code {ran.returncode}: {said}"
            return {"runtime": None, "version": None, "numpy": None, "error": error}

    def _run(self, words: Sequence[str], given: bytes, variables: Any) -> Any:
        """Runs a program; it ends with the connection."""
        with tempfile.TemporaryFile() as text, tempfile.TemporaryFile() as said:
            with tempfile.TemporaryFile() as source:
                source.write(given)
                source.seek(0)
                self._start(words, (source, text, said), variables, "/")
            while self._child.poll() is None:
                self._listen([], 0.05)
            text.seek(0)
            said.seek(0)
            code, self._child = self._child.returncode, None
            return subprocess.CompletedProcess(words, code, text.read(), said.read())

    def _start(
        self, words: Sequence[str], ends: Sequence[Any], variables: Any, folder: str
    ) -> None:
        self._child = subprocess.Popen(
            words,
            stdin=ends[0],
            stdout=ends[1],
            stderr=ends[2],
            env=variables,
            cwd=folder,
            start_new_session=True,  # a group of its own, to be ended as a whole
        )

    def _listen(self, others: Sequence[int], seconds: float) -> Sequence[int]:
        """Waits for something to read; notices the end of the connection."""
        ready = select.select([self._link.taken, *others], [], [], seconds)[0]
        if self._link.taken in ready:
            self._link.fill()
            self._link.drop_blank()
        self._link.check()
        return [each for each in ready if each != self._link.taken]

    def install(self, order: Any) -> Any:
        """Unpacks wheels into a folder of their own, which stays.

        The check that follows imports them, which compiles what a cold start reads.
        """
        try:
            return self._install(order, runtime_folder())
        except OSError as error:  # another place than the benchmark's folder, another cure
            cure = "free room in ~/.local/share/hintlite, or install a runtime by hand and use "
            raise RefusedError(about(error, cure + "--python")) from error

    def _install(self, order: Any, place: str) -> Any:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        aside = tempfile.mkdtemp(prefix=".installing-", dir=os.path.dirname(place))
        try:
            os.chmod(aside, 0o755)
            payload = Payload(self._link, order["bytes"])
            for wheel in unpack(payload, os.path.join(aside, "wheels"), order["files"]):
                unzip(wheel, aside)
            shutil.rmtree(os.path.join(aside, "wheels"))
            shutil.rmtree(place, ignore_errors=True)
            os.rename(aside, place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return {"folder": place}

    def unpack(self, order: Any) -> Any:
        """Makes the fresh folder and fills it, the script apart from the files to measure."""
        self._keep = order["keep"]
        self._folder = tempfile.mkdtemp(prefix="hintlite-")  # as mktemp -d
        payload = Payload(self._link, order["bytes"])
        unpack(payload, os.path.join(self._folder, "bundle"), order["files"])
        with open(os.path.join(self._folder, "bench_tflite.py"), "wb") as file:
            file.write(Payload(self._link, order["script_bytes"]).read())
        return {"folder": self._folder}

    def measure(self, order: Any) -> Any:
        """Runs the benchmark, hands on its lines, returns how it ended; the report follows."""
        place = os.path.join(self._folder, "bundle")
        words = [self._python, os.path.join(self._folder, "bench_tflite.py"), *order["options"]]
        if order["bundle"]:
            words += ["--bundle=" + place, "--model=" + order["model"]]
        else:
            words += ["--model=" + os.path.join(place, order["model"])]
        with open(os.path.join(self._folder, "report"), "w+b") as report:
            last = self._follow(words, report, order["limit_s"])
            report.seek(0)
            content = report.read(MOST_REPORT_BYTES)
        sha256 = hashlib.sha256(content).hexdigest()
        code = self._child.returncode
        self.stop()  # whatever it may have started
        return {"code": code, "last": last, "sha256": sha256, "payload": content}

    def _follow(self, words: Sequence[str], report: Any, limit_s: float) -> str:
        """Hands on the script's own lines of progress; returns the last line of any kind."""
        last, held, end = "it said nothing", b"", time.monotonic() + limit_s
        folder = os.path.join(self._folder, "bundle")
        variables = environment(self._path)
        self._start(words, (subprocess.DEVNULL, report, subprocess.PIPE), variables, folder)
        said = self._child.stderr.fileno()
        while True:
            if time.monotonic() > end:
                raise RefusedError(
                    f"the benchmark took longer than {limit_s:g} s and was ended: allow more with "
                    "--timeout_s (timeout_s in a file of devices), or ask for fewer windows"
                )
            if not self._listen([said], 1.0):
                continue
            content = os.read(said, 1 << 16)
            if not content:
                break
            *lines, held = (held + content).split(b"\n")
            held = held[-MOST_LINE_BYTES:]
            for line in lines:
                text = line.decode("utf-8", "replace").strip()
                if text.startswith(PREFIX):
                    text = text[len(PREFIX) :]
                    self._link.tell(say=text)
                last = text or last
        while self._child.poll() is None and time.monotonic() < end:
            self._listen([], 0.05)
        return last

    def remove(self, order: Any) -> Any:
        """Ends the benchmark and removes the folder, unless it is to stay."""
        self.stop()
        if self._folder and not self._keep:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = self._folder if os.path.exists(self._folder) else ""
        return {"left": self._folder}

    def stop(self) -> None:
        """Ends the process that measures, and what it has started."""
        if self._child is not None:
            try:
                os.killpg(self._child.pid, signal.SIGKILL)
            except OSError:
                pass  # it has ended by itself
            self._child.wait()
            self._child = None

    def do(self, order: Any) -> None:
        """Does one order and answers."""
        names = ("check", "install", "unpack", "measure", "remove")
        try:
            if order.get("do") not in names:
                raise RefusedError(f"no such order: {order.get('do')!r}")
            answer = getattr(self, order["do"])(order)
            payload = answer.pop("payload", b"")
            self._link.tell(done=answer, bytes=len(payload))
            self._link.send(payload)
        except OSError as error:
            self._link.tell(failed=about(error), code=errno.errorcode.get(error.errno or 0))
            raise GoneError from error
        except (RefusedError, tarfile.TarError, zipfile.BadZipFile) as error:
            self._link.tell(failed=str(error), code=None)
            raise GoneError from error


CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "no file may become that large there",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "the account may not write there",
    errno.EPERM: "the account may not write there",
    errno.ENOENT: "it is not there, or full, or read-only",
}


def about(error: OSError, cure: str | None = None) -> str:
    """An OSError as a sentence; the cure is that of the benchmark's own folder if none is given."""
    place = f" ({error.filename})" if error.filename else ""
    cause = CAUSES.get(error.errno or 0)
    if cause is None:
        return f"{error.strerror}{place}: {cure or 'look at the device'}"
    cure = cure or "free some room, or name another folder (--remote_folder)"
    return f"{error.strerror}{place}: {cause}; {cure}"


def device_facts() -> Any:
    """What decides which runtime there is for this device.

    An emulated one says so in HINTLITE_EMULATOR: its times are not a device's.
    """
    version = sys.version_info
    return {
        "machine": platform.machine(),
        "bits": struct.calcsize("P") * 8,
        "python": list(version[:3]),
        "implementation": platform.python_implementation(),
        "libc": list(platform.libc_ver()),
        "os": os_name(),
        "emulator": os.environ.get("HINTLITE_EMULATOR"),
        "system_id": system_id("/"),
    }


def system_id(root: str) -> str | None:
    """The same for one device under any name or address; None where the system has no id.

    A hash, as machine-id(5) asks for: the id itself is not to leave the machine. The serial number
    tells boards apart that were started from copies of one card.

    Args:
        root: where the system's files are.
    """
    machine = first_line(os.path.join(root, "etc/machine-id"))
    if len(machine) != 32 or set(machine) - set("0123456789abcdef"):
        return None  # missing, or "uninitialized"
    serial = first_line(os.path.join(root, "proc/device-tree/serial-number"))
    return hashlib.sha256(f"hintlite {machine} {serial}".encode()).hexdigest()[:32]


def first_line(path: str) -> str:
    """A small file's first line without blanks and zeros; empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline(1024).strip("\0 \n")
    except OSError:
        return ""


def os_name() -> str | None:
    """The distribution's name, or None."""
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("PRETTY_NAME="):
                    return line.split("=", 1)[1].strip().strip("\"'")
    except OSError:
        pass
    return None


def runtime_folder() -> str:
    """Where `install` puts a runtime for this Python."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    major, minor = sys.version_info[:2]
    tag = f"cp{major}{minor}-{sysconfig.get_platform()}-{8 * struct.calcsize('P')}"
    return os.path.join(data, "hintlite", tag)


def environment(path: str | None) -> Any:
    """The account's own variables, with a folder of packages in front if there is one."""
    variables = dict(os.environ)
    if path is not None:
        older = [variables["PYTHONPATH"]] if variables.get("PYTHONPATH") else []
        variables["PYTHONPATH"] = os.pathsep.join([path, *older])
    return variables


def unpack(payload: Any, folder: str, wanted: Sequence[Any]) -> Sequence[str]:
    """Writes an archive's files into a new folder: just the wanted ones, each as it was sent.

    Args:
        payload: a tar archive as a file.
        folder: to make.
        wanted: [name, bytes, sha256] of each file.
    """
    os.mkdir(folder)
    missing = {name: (size, digest) for name, size, digest in wanted}
    paths = []
    with tarfile.open(fileobj=payload, mode="r|") as archive:
        for member in archive:
            name = member.name
            flat = name not in ("", ".", "..") and "/" not in name and "\0" not in name
            if not member.isreg() or not flat or name not in missing:
                raise RefusedError(f"the archive holds {name!r}, which is no file of the bundle")
            size, digest = missing.pop(name)
            path = os.path.join(folder, name)
            found = write_new(path, archive.extractfile(member))
            if found != (size, digest):
                raise RefusedError(f"{name!r} did not arrive as it was sent")
            paths.append(path)
    if missing:
        raise RefusedError(f"the archive lacks {sorted(missing)}")
    payload.drain()
    return paths


def write_new(path: str, source: Any) -> tuple[int, str]:
    """Writes a file that is not there yet; returns its size and sha256."""
    size, digest = 0, hashlib.sha256()
    with open(path, "xb") as file:
        for block in iter(lambda: source.read(1 << 20), b""):
            file.write(block)
            size += len(block)
            digest.update(block)
    return size, digest.hexdigest()


def unzip(wheel: str, folder: str) -> None:
    """Unpacks a wheel as pip's --target does, scripts left out."""
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            parts = info.filename.split("/")
            if ".." in parts or info.filename.startswith("/") or "\\" in info.filename:
                raise RefusedError(f"the wheel names a file outside itself: {info.filename!r}")
            if parts[0].endswith(".data"):
                if len(parts) < 3 or parts[1] not in ("purelib", "platlib"):
                    continue
                info.filename = "/".join(parts[2:])
            if info.filename:
                archive.extract(info, folder)


def leave(_number: int, _frame: Any) -> None:
    """Ends on a signal as on anything else: by way of the cleaning."""
    raise GoneError


def serve() -> None:
    """Answers orders until nobody gives any more; cleans up however that comes."""
    signals = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    given = os.dup(1)
    os.dup2(2, 1)  # nothing that is printed here gets between the answers
    link = Link(0, given)
    agent = Agent(link)
    try:
        for number in signals:
            signal.signal(number, leave)
        hello = link.line()
        link.send(f"\n{GREETING} {hello['nonce']}\n".encode())
        while True:
            agent.do(link.line())
    except GoneError:
        pass
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        agent.remove({})


if __name__ == "__main__":
    serve()
