"""Debian's userland for Arm and TFLite runtimes in it, downloaded once and kept.

    python -m hintlite.benchmarks.dev.emulated_pi.userland

makes all of them ready. They lie in ~/.cache/hintlite/emulated_pi (or below $XDG_CACHE_HOME); take
that folder away to get newer packages. No root and no binfmt are needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hintlite.errors import HintliteError
from hintlite.files import folder_aside

INSTALL = "apt-get install --no-install-recommends qemu-user-static qemu-user mmdebstrap arch-test"
LIMIT_S = 900


class UserlandError(HintliteError):
    """It cannot be made; the text says what is missing and what to do."""


@dataclass(frozen=True)
class Userland:
    """A release of Debian for an architecture, as a Raspberry Pi's image has it.

    Args:
        release: Debian's name of it.
        architecture: Debian's name of it.
        qemu: the part of QEMU's programs' names.
        python: its version.
        packages: to unpack.
        tags: of wheels that run there, besides the plain ones (PEP 600; glibc 2.36).
        library_folders: below the root, that the loader does not look into by itself.
    """

    release: str
    architecture: str
    qemu: str
    python: str
    packages: tuple[str, ...]
    tags: tuple[str, ...]
    library_folders: tuple[str, ...] = ()


_LIBRARIES = ("base-files", "libstdc++6", "libgcc-s1", "zlib1g")  # base-files: os-release, /lib
_APT = 'Acquire::Retries "3";'
_TAGS_64 = (
    "manylinux_2_34_aarch64",
    "manylinux_2_28_aarch64",
    "manylinux_2_27_aarch64",
    "manylinux2014_aarch64",
)
USERLANDS: Mapping[str, Userland] = {
    "bookworm-arm64": Userland(
        "bookworm",
        "arm64",
        "aarch64",
        "3.11",
        ("python3.11", "python3-venv", *_LIBRARIES),
        _TAGS_64,
    ),
    "trixie-arm64": Userland(
        "trixie", "arm64", "aarch64", "3.13", ("python3.13", "python3-venv", *_LIBRARIES), _TAGS_64
    ),
    "bookworm-armhf": Userland(
        "bookworm",
        "armhf",
        "arm",
        "3.11",
        ("python3.11", "python3-numpy", *_LIBRARIES),
        ("manylinux_2_34_armv7l", "manylinux2014_armv7l"),
        ("usr/lib/arm-linux-gnueabihf/blas", "usr/lib/arm-linux-gnueabihf/lapack"),
    ),
}
RUNTIMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {  # by userland; for pip
    "bookworm-arm64": {
        "ai-edge-litert": ("ai-edge-litert", "numpy"),
        "tflite-runtime": ("tflite-runtime==2.14.0", "numpy<2"),
    },
    "trixie-arm64": {},  # what `--install` brings is tried there
    "bookworm-armhf": {"tflite-runtime": ("tflite-runtime==2.14.0",)},  # its numpy is Debian's
}


def missing_tools() -> list[str]:
    """Programs that are needed and not there."""
    wanted = ("mmdebstrap", "arch-test", "qemu-aarch64-static", "qemu-arm-static")
    return [program for program in wanted if shutil.which(program) is None]


def cache() -> Path:
    """Where all is kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "hintlite" / "emulated_pi"


def userland(name: str) -> Path:
    """The root folder of one of the USERLANDS; made if it is not there yet.

    Raises:
        UserlandError: a tool is missing or failed.
    """
    recipe = USERLANDS[name]

    def make(folder: Path) -> None:
        # Nothing of it is run, so that an ordinary account can unpack it as well as root.
        mode = "root" if os.geteuid() == 0 else "chrootless"
        words = ["mmdebstrap", "--variant=extract", f"--mode={mode}", "--quiet"]
        words += [f"--architectures={recipe.architecture}", f"--aptopt={_APT}"]
        words += [f"--include={','.join(recipe.packages)}", recipe.release, str(folder)]
        # A source of its own: the host's sources may have no such architecture.
        _run([*words, f"deb http://deb.debian.org/debian {recipe.release} main"])

    if missing := missing_tools():
        raise UserlandError(f"missing: {', '.join(missing)}; {INSTALL}")
    return _kept(f"{name}-{_key(recipe)}", make)


def runtime(name: str, runtime_name: str) -> Path:
    """A folder of Python packages with a TFLite runtime for a userland; made if need be.

    Raises:
        UserlandError: pip failed.
    """
    packages, recipe = RUNTIMES[name][runtime_name], USERLANDS[name]

    def make(folder: Path) -> None:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:"]
        words += ["--disable-pip-version-check", "--no-input", "--python-version", recipe.python]
        words += ["--implementation", "cp", "--abi", f"cp{recipe.python.replace('.', '')}"]
        words += [word for tag in recipe.tags for word in ("--platform", tag)]
        words += ["--no-deps"] if recipe.architecture == "armhf" else []
        with tempfile.TemporaryDirectory(dir=folder.parent) as wheels:
            _run([*words, "--dest", wheels, *packages])
            for wheel in Path(wheels).glob("*.whl"):
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(folder)

    return _kept(f"{name}-{runtime_name}-{_key((packages, recipe))}", make)


def _key(recipe: object) -> str:
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:10]


def _kept(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache; made aside by `make` and then renamed, by one process at a time."""
    place = cache() / name
    with _lock(cache() / f"{name}.lock"):
        if not place.is_dir():
            with folder_aside(place) as aside:
                make(aside)
    return place


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(words: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=LIMIT_S, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise UserlandError(f"{words[0]} took longer than {LIMIT_S} s: try again") from error
    if done.returncode:
        raise UserlandError(f"{words[0]} failed: {done.stderr.strip()[-2000:]}")


def main() -> None:
    """Makes everything ready, all at once, and says how long each part took."""

    def made(make: Callable[[], Path]) -> str:
        start = time.monotonic()
        return f"{make()}: {time.monotonic() - start:.1f} s"

    parts = [partial(userland, name) for name in USERLANDS]
    parts += [
        partial(runtime, name, runtime_name)
        for name, runtimes in RUNTIMES.items()
        for runtime_name in runtimes
    ]
    with ThreadPoolExecutor(len(parts)) as pool:
        for line in pool.map(made, parts):
            print(line, flush=True)


if __name__ == "__main__":
    main()
