"""Talking to one Android device through the program adb; each odd state becomes a sentence.

`adb shell` joins its words with spaces and gives them to a shell on the device, so every word is
quoted in one function, `quoted`. Before Android 7 it always exits with 0: the status is printed
behind a mark that no output can hold by chance.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hintlite.benchmarks.targets.base import BenchmarkError

INSTALL = "apt-get install adb, or Android's SDK platform tools"
STEP_S = 60.0  # for a command that only looks or tidies
CURES = {  # what `adb devices` calls a device that cannot be used -> what to do
    "unauthorized": "unlock the phone, allow USB debugging from this computer, try again",
    "authorizing": "unlock the phone, allow USB debugging from this computer, try again",
    "offline": "plug it in anew, or `adb kill-server` and try again",
    "connecting": "wait a moment and try again",
    "no permissions": "install Android's udev rules (Debian: android-sdk-platform-tools-common), "
    "add yourself to the group plugdev, plug it in anew",
    "recovery": "start Android on it",
    "sideload": "start Android on it",
    "bootloader": "start Android on it",
    "rescue": "start Android on it",
}
NONE_THERE = (
    "no device: plug in a phone with USB debugging switched on (Settings, Developer options), or "
    "`adb connect ADDRESS`"
)
FULL = re.compile(r"No space left on device", re.IGNORECASE)
GONE = re.compile(
    r"device '?[^']*'? ?not found|device offline|error: closed|no devices/emulators|"
    r"device unauthorized|protocol fault|connection reset"
)


def quoted(words: Sequence[str]) -> str:
    """One line for the device's shell that gives just these words to the first of them."""
    return " ".join(shlex.quote(word) for word in words)


@dataclass(frozen=True)
class Answer:
    """What a command on the device gave: its exit status and its output, stderr included."""

    status: int
    text: str


class Adb:
    """One device.

    Args:
        serial: as `adb devices` lists it; the only device, or $ANDROID_SERIAL, if None.
        program: adb's path; found in PATH if None.

    Raises:
        BenchmarkError: no adb, no such device, several, or one that cannot be used.
    """

    def __init__(self, serial: str | None = None, program: str | None = None) -> None:
        found = program or shutil.which("adb")
        if found is None:
            raise BenchmarkError(f"--target android needs adb, which is not in PATH: {INSTALL}")
        self._program = found
        self.serial = _choose(self._devices(), serial or os.environ.get("ANDROID_SERIAL"))

    def _devices(self) -> dict[str, str]:
        """Serial -> state of every device."""
        done = self._call(["devices"], STEP_S)
        if done.returncode != 0:
            raise BenchmarkError(
                f"`adb devices` failed: {_last(done)}; `adb kill-server`, try again"
            )
        return parse_devices(done.stdout)

    def push(self, local: Path, remote: str, timeout_s: float = 300.0) -> None:
        """Copies a file to the device.

        Raises:
            BenchmarkError: the disk is full, the place is read-only, or the device is gone.
        """
        done = self._call(["-s", self.serial, "push", str(local), remote], timeout_s)
        if done.returncode == 0:
            return
        text = done.stdout + done.stderr
        if FULL.search(text):
            raise BenchmarkError(
                f"the phone has no room for {local.name} ({local.stat().st_size:,} bytes): free "
                "some space on it"
            )
        self._refuse_gone(text)
        raise BenchmarkError(f"`adb push` of {local.name} failed: {_last(done)}")

    def shell(self, words: Sequence[str], timeout_s: float = STEP_S) -> Answer:
        """Runs one command on the device.

        Args:
            words: the command and its arguments, any characters but NUL.
            timeout_s: after which it is given up.

        Raises:
            BenchmarkError: the device is gone, or did not answer in time.
        """
        mark = f"hintlite-{secrets.token_hex(8)}"
        line = f"{quoted(words)} 2>&1; echo {mark}:$?"
        done = self._call(["-s", self.serial, "shell", line], timeout_s)
        text = done.stdout.replace("\r\n", "\n")
        found = re.search(rf"{mark}:(\d+)\s*\Z", text)
        if found is None:
            self._refuse_gone(done.stdout + done.stderr)
            raise BenchmarkError(
                f"the connection to {self.serial} ended before {words[0]} did: {_last(done)}. Plug "
                "the phone in anew and try again"
            )
        return Answer(int(found[1]), text[: found.start()])

    def _refuse_gone(self, text: str) -> None:
        if GONE.search(text):
            raise BenchmarkError(
                f"{self.serial} went away ({' '.join(text.split())[-200:]}): plug it in anew, keep "
                "it awake, try again"
            )

    def _call(self, words: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self._program, *words],
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError(
                f"adb gave no answer within {timeout_s:g} s (adb {words[0]}): is the phone awake "
                "and connected? `adb kill-server` starts anew"
            ) from error
        except OSError as error:
            raise BenchmarkError(f"{self._program} cannot be run: {error.strerror}") from error


def parse_devices(text: str) -> dict[str, str]:
    """Serial -> state, from what `adb devices` prints."""
    found = {}
    for line in text.splitlines():
        if line.startswith(("List of devices", "* ", "adb server")) or not line.strip():
            continue
        serial, _, state = line.partition("\t")
        state = state.strip() or "unknown"
        found[serial.strip()] = "no permissions" if state.startswith("no permissions") else state
    return found


def _choose(devices: dict[str, str], serial: str | None) -> str:
    """The serial of the device to use."""
    listed = ", ".join(f"{name} ({state})" for name, state in devices.items()) or "none"
    if serial is not None and serial not in devices:
        raise BenchmarkError(f"no device {serial!r} here; `adb devices` lists: {listed}")
    if not devices:
        raise BenchmarkError(NONE_THERE)
    usable = [name for name, state in devices.items() if state == "device"]
    if serial is None and len(usable) > 1:
        raise BenchmarkError(f"several devices: {listed}; name one with --serial")
    chosen = serial or (usable or list(devices))[0]
    state = devices[chosen]
    if state != "device":
        cure = CURES.get(state, "`adb devices` should call it 'device'")
        raise BenchmarkError(f"the device {chosen} cannot be used, its state is {state!r}: {cure}")
    return chosen


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines()]
    said = [line for line in lines if line]
    return said[-1][:300] if said else f"it said nothing (exit code {done.returncode})"
