"""The words that start OpenSSH's client."""

from __future__ import annotations

import os

from hintlite.benchmarks.targets.ssh.device import Device

OPTIONS = {
    "BatchMode": "yes",  # keys alone: nothing is asked for
    "StrictHostKeyChecking": "yes",  # whatever the user's settings say
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",  # a dead network is noticed after three of them
    "ServerAliveCountMax": "3",
    # A connection of its own. One carries a whole benchmark, so there is nothing to share; a shared
    # one would outlive a Ctrl-C, and a master in the background would keep our pipes open.
    "ControlMaster": "no",
    "ControlPath": "none",
    "ClearAllForwardings": "yes",
    "RequestTTY": "no",
    "RemoteCommand": "none",
    "PermitLocalCommand": "no",
    "LogLevel": "ERROR",  # no banner among the errors
}


def ssh_words(device: Device, remote: str | None = None, plain: bool = False) -> list[str]:
    """The command line, as words; no shell sees it.

    Args:
        device: where to.
        remote: the remote command, from remote_command().
        plain: only what a person needs to type to get there.
    """
    words = ["ssh"]
    if not plain:
        words += ["-T", "-a", "-x"]
        for name, value in OPTIONS.items():
            words += ["-o", f"{name}={value}"]
    if device.ssh_config is not None:
        words += ["-F", os.path.expanduser(device.ssh_config)]
    if device.port is not None:
        words += ["-p", str(device.port)]
    if device.identity is not None:
        words += ["-i", os.path.expanduser(device.identity), "-o", "IdentitiesOnly=yes"]
    if not plain:
        words.append("--")
    words.append(device.destination)
    return words if remote is None else [*words, remote]
