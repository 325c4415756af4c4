"""Packages for a device, downloaded here: the device needs neither pip nor the network."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hintlite.benchmarks.targets.base import BenchmarkError
from hintlite.benchmarks.targets.ssh.runtime import choose_runtime

LIMIT_S = 600.0


def download(facts: Mapping[str, Any]) -> dict[str, bytes]:
    """The wheels of the runtime for a device: file name -> content.

    Args:
        facts: what the agent's check returned.

    Raises:
        BenchmarkError: none is published for it, or pip cannot get them.
    """
    runtime = choose_runtime(facts)
    if runtime.system_numpy and not str(facts["numpy"] or "2").startswith("1."):
        raise BenchmarkError(
            f"{' '.join(runtime.packages)} for 32-bit Arm needs the system's numpy below 2, found "
            f"{facts['numpy'] or 'none'}: sudo apt-get install -y python3-numpy (Bookworm has 1.24)"
        )
    major, minor = runtime.python
    abi = f"cp{major}{minor}" + ("m" if runtime.python < (3, 8) else "")
    with tempfile.TemporaryDirectory(prefix="hintlite-wheels-") as folder:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:"]
        words += ["--disable-pip-version-check", "--no-input", "--dest", folder]
        words += ["--python-version", f"{major}.{minor}", "--implementation", "cp", "--abi", abi]
        words += [word for tag in runtime.platforms for word in ("--platform", tag)]
        words += ["--no-deps"] if runtime.system_numpy else []
        _run([*words, *runtime.packages])
        return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.whl"))}


def _run(words: list[str]) -> None:
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=LIMIT_S, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"pip took longer than {LIMIT_S:g} s: try again") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise BenchmarkError(f"pip cannot get the runtime for the device: {lines[-1]}")
