"""What OpenSSH's client complains of, and what to do about it."""

from __future__ import annotations

import shlex
import subprocess

from hintlite.benchmarks.targets.base import BenchmarkError
from hintlite.benchmarks.targets.ssh.command import ssh_words
from hintlite.benchmarks.targets.ssh.device import Device

UNKNOWN_KEY = "host key is known for"
CHANGED_KEY = "REMOTE HOST IDENTIFICATION HAS CHANGED"


class UnreachableError(BenchmarkError):
    """The device did not answer; it may yet, if it did before."""


def refusal(device: Device, code: int, said: str) -> BenchmarkError:
    """Why a connection came to nothing before anything ran on the device.

    Args:
        device: that was to be reached.
        code: exit code of the ssh command.
        said: what it wrote to standard error.
    """
    where, last = device.name, _last(said)
    if code in (126, 127):
        return BenchmarkError(
            f"{where}: {device.python!r} cannot be run there ({last}). Install Python with "
            f"`{shlex.join([*ssh_words(device, plain=True), 'sudo apt-get install -y python3'])}`, "
            "or name another one with --python"
        )
    if CHANGED_KEY in said:
        return BenchmarkError(_changed(device))
    if UNKNOWN_KEY in said or "Host key verification failed" in said:
        return BenchmarkError(_unknown(device))
    if "Permission denied" in said:
        return BenchmarkError(
            f"{where}: the SSH key was not accepted ({last}). Put yours on the device once with "
            f"`{_once('ssh-copy-id', device)}`, or name the right one with --identity; a key with "
            "a passphrase must be in the agent (`ssh-add`): no password is ever asked for here"
        )
    if "Bad configuration option" in said or "Can't open user config file" in said:
        return BenchmarkError(f"{where}: OpenSSH cannot use its settings: {last}")
    if "Could not resolve hostname" in said:
        return UnreachableError(
            f"{where}: no such host ({last}): is the name right, and the device on this network?"
        )
    if code == 255:
        return UnreachableError(
            f"{where}: no connection ({last}). Is it switched on, and does "
            f"`{shlex.join(ssh_words(device, plain=True))}` work?"
        )
    return BenchmarkError(f"{where}: the device refused the command (exit code {code}): {last}")


def _changed(device: Device) -> str:
    host, port, alias = _address(device)
    known = alias or (host if port == "22" else f"[{host}]:{port}")
    return (
        f"{device.name}: its host key is not the one that is known. Another machine may be in its "
        "place: compare the keys before anything else. If the device was set up anew, forget the "
        f"old key with `{shlex.join(['ssh-keygen', '-R', known])}` and accept the new one once "
        f"with `{shlex.join(ssh_words(device, plain=True))}`"
    )


def _unknown(device: Device) -> str:
    host, port, _ = _address(device)
    scan = shlex.join(["ssh-keyscan", "-p", port, host])
    return (
        f"{device.name}: its host key is not known here, and is not accepted unseen. What it shows "
        f"now: `{scan} | ssh-keygen -lf -`; what it has, on its own screen: `ssh-keygen -lf "
        "/etc/ssh/ssh_host_ed25519_key.pub`. If they agree, accept it once with "
        f"`{shlex.join(ssh_words(device, plain=True))}`"
    )


def _once(program: str, device: Device) -> str:
    """A command of OpenSSH's beside ssh, which takes the same options."""
    _, *options = ssh_words(device, plain=True)
    return shlex.join([program, *options])


def _address(device: Device) -> tuple[str, str, str]:
    """Host name, port and alias of the host key that OpenSSH's settings give."""
    fallback = device.destination.rpartition("@")[2], str(device.port or 22), ""
    words = [*ssh_words(device, plain=True)]
    try:
        done = subprocess.run(
            [words[0], "-G", *words[1:]], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return fallback
    lines = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    names = ("hostname", "port", "hostkeyalias")
    host, port, alias = (
        lines.get(name, value) for name, value in zip(names, fallback, strict=True)
    )
    return host, port, alias


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
