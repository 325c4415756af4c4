"""A real OpenSSH server on 127.0.0.1 that stands for a device, and a wire that can be cut.

It runs as the account of the tests, on a port of its own, with keys of its own; the device's folder
for temporary files and its python3 are its own too, so that what is left behind can be seen.
"""

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

HOST = "127.0.0.1"
ALIAS = "device"  # in the client's settings
NEEDED = "apt-get install openssh-server openssh-client"


def programs():
    """Where sshd is; skips, or fails in CI, where OpenSSH is missing."""
    path = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
    sshd = shutil.which("sshd", path=path)
    if sshd is None or shutil.which("ssh") is None:
        assert "CI" not in os.environ, NEEDED
        pytest.skip(NEEDED)
    return sshd


def make_key(path):
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(words, check=True)
    return path.with_name(path.name + ".pub").read_text().strip()


def free_port():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


class Server:
    """The server, its device's folders, and the client's settings that reach it."""

    def __init__(self, place):
        self.place = place
        self.tmp, self.home, self.bin = place / "a 'tmp'", place / "home", place / "bin"
        for folder in (self.tmp, self.home, self.bin):
            folder.mkdir()
        self.set_python()
        self.host_key = make_key(place / "host_key")
        self.key = place / "client key"
        (place / "authorized").write_text(make_key(self.key) + "\n")
        self.known = place / "known_hosts"
        self.config = self.client_config("ssh_config")

    def set_python(self, before="", options="-S"):
        """The device's python3: this Python, reached through a script; -S hides its packages."""
        program = self.bin / "python3"
        # Aside, then renamed: one that still starts from the test before may not be written to.
        new = self.bin / "python3.new"
        new.write_text(f'#!/bin/sh\n{before}\nexec {shlex.quote(sys.executable)} {options} "$@"\n')
        new.chmod(0o755)
        new.replace(program)

    def start(self):
        sshd = programs()
        if os.geteuid() == 0:  # where the server of a root account wants an empty folder
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for _ in range(5):  # somebody may take the port in between
            self.port = free_port()
            config = self.place / "sshd_config"
            config.write_text(self._server_config())
            self.process = subprocess.Popen(
                [sshd, "-D", "-e", "-f", str(config)],
                stderr=(self.place / "sshd.log").open("w"),
                stdin=subprocess.DEVNULL,
            )
            if self._answers():
                self.known.write_text(f"{ALIAS} {self.host_key}\n")
                self.config = self.client_config("ssh_config")
                return
        raise AssertionError((self.place / "sshd.log").read_text())

    def _server_config(self):
        path = f"{self.bin}:{os.environ['PATH']}"
        variables = {"PATH": path, "TMPDIR": self.tmp, "HOME": self.home}
        setenv = " ".join(f'"{name}={value}"' for name, value in variables.items())
        return "\n".join(
            [
                f"ListenAddress {HOST}:{self.port}",
                f'HostKey "{self.place / "host_key"}"',
                f'AuthorizedKeysFile "{self.place / "authorized"}"',
                "PidFile none",
                "StrictModes no",  # the folders of tests may lie below ones that others can write
                "UsePAM no",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
                "PermitRootLogin prohibit-password",
                "MaxStartups 50",
                f"SetEnv {setenv}",
                "",
            ]
        )

    def _answers(self):
        for _ in range(100):
            if self.process.poll() is not None:
                return False
            with suppress(OSError), socket.create_connection((HOST, self.port), timeout=5) as s:
                return s.recv(4) == b"SSH-"
            time.sleep(0.05)
        return False

    def client_config(self, name, port=None, known=None):
        """A client's settings, as ~/.ssh/config would have them."""
        path = self.place / name
        path.write_text(
            f"Host {ALIAS}\n  HostName {HOST}\n  Port {port or getattr(self, 'port', 22)}\n"
            f'  User {getpass.getuser()}\n  IdentityFile "{self.key}"\n  IdentitiesOnly yes\n'
            f'  UserKnownHostsFile "{known or self.known}"\n  GlobalKnownHostsFile /dev/null\n'
            f"  HostKeyAlias {ALIAS}\n  KexAlgorithms curve25519-sha256\n"
        )
        return str(path)

    def left(self):
        """What lies in the device's folder for temporary files."""
        return sorted(path.name for path in self.tmp.iterdir())

    def processes(self):
        """Command lines of processes that work in that folder."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (place / "cmdline").read_bytes().split(b"\0")
                if str(self.tmp).encode() in b" ".join(words):
                    found.append(b" ".join(words).decode())
        return found

    def clean_within(self, seconds=20.0):
        """Whether nothing is left, waiting for it."""
        end = time.monotonic() + seconds
        while self.left() or self.processes():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stderr and self.process.stderr.close()


@contextmanager
def serving(place):
    """A running server."""
    server = Server(place)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Wire:
    """Hands bytes on between client and server, until it is cut."""

    def __init__(self, port):
        self._to = port
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self.bytes = {"up": 0, "down": 0}  # up: from client to server; all connections together
        self.cut_at_bytes = {}
        self._pairs = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self.connections += 1
                server = socket.create_connection((HOST, self._to))
                with self._lock:
                    self._pairs.append((client, server))
                for pair, way in (((client, server), "up"), ((server, client), "down")):
                    threading.Thread(target=self._hand_on, args=(*pair, way), daemon=True).start()

    def _hand_on(self, source, sink, way):
        with suppress(OSError):
            while content := source.recv(1 << 14):
                self.bytes[way] += len(content)
                if self.bytes[way] >= self.cut_at_bytes.get(way, float("inf")):
                    self.cut_at_bytes = {}
                    break
                sink.sendall(content)
        self._end((source, sink))

    def _end(self, pair):
        for each in pair:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """Ends all connections there are; new ones are handed on."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._end(pair)

    def close(self):
        self._listener.close()
        self.cut()
