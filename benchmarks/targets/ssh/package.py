"""What is copied to a device: a bundle's files or a single model, checked and packed."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hintlite.benchmarks.targets.base import BenchmarkError
from hintlite.deploy.bundle.manifest import MANIFEST, BundleError, read_manifest


@dataclass(frozen=True)
class Package:
    """Files that go to a device.

    Args:
        files: name -> content.
        model: name of the one to measure.
        is_bundle: whether there is a manifest among them.
    """

    files: Mapping[str, bytes]
    model: str
    is_bundle: bool

    @property
    def model_sha256(self) -> str:
        """Of the file to measure, in hex."""
        return hashlib.sha256(self.files[self.model]).hexdigest()


def read_package(place: Path, model: str | None) -> Package:
    """Reads a bundle's folder or a .tflite file whole, so that what was checked is what is sent.

    Args:
        place: the folder or the file.
        model: name of a model of the bundle; None is its int8 model.

    Raises:
        BenchmarkError: it is neither, damaged, names files outside itself, or lacks the model.
    """
    if place.is_file():
        if model not in (None, place.name):
            raise BenchmarkError(f"{place} is a single model, it holds no {model}")
        return Package({place.name: place.read_bytes()}, place.name, is_bundle=False)
    try:
        manifest = read_manifest(place)
    except BundleError as error:
        raise BenchmarkError(str(error)) from error
    files = {name: _checked(place / name, entry) for name, entry in manifest["files"].items()}
    files[MANIFEST] = (place / MANIFEST).read_bytes()
    return Package(files, _pick(manifest["models"], model, place), is_bundle=True)


def _checked(path: Path, entry: Mapping[str, object]) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise BenchmarkError(f"{path} is missing or no plain file: make the bundle anew")
    content = path.read_bytes()
    if (len(content), hashlib.sha256(content).hexdigest()) != (entry["bytes"], entry["sha256"]):
        raise BenchmarkError(f"{path} is not what its manifest says: make the bundle anew")
    return content


def _pick(models: Mapping[str, Mapping[str, object]], wanted: str | None, place: Path) -> str:
    """The named model, else the int8 one, else the only one; as bench_tflite.py chooses."""
    int8 = [name for name in models if models[name].get("precision") == "int8"]
    only = [wanted] if wanted is not None else int8 if len(int8) == 1 else list(models)
    if len(only) != 1 or only[0] not in models:
        raise BenchmarkError(
            f"{place} has the models {', '.join(sorted(models))}; "
            + (f"{wanted} is none of them" if wanted else "name one of them")
        )
    return only[0]


def to_archive(files: Mapping[str, bytes]) -> bytes:
    """A tar archive: the one place where file names travel (pax: any name, of any length)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def listing(files: Mapping[str, bytes]) -> list[tuple[str, int, str]]:
    """Name, size and sha256 of each file, for the other side to check."""
    return [
        (name, len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()
    ]
