"""Which model file a path stands for, where it may be a bundle's folder."""

from __future__ import annotations

from pathlib import Path

from hintlite.deploy.bundle.manifest import MANIFEST, BundleError, read_manifest

INSIDE = "bundle/device"  # where runs, conversions and fine-tunings keep their bundle
RUN = "settings.yaml"  # which a run alone has


def is_bundle(path: Path) -> bool:
    """Whether a path is the folder of a bundle, sound or not."""
    return (path / MANIFEST).is_file()


def bundle_in(path: Path) -> Path:
    """The bundle of a folder that `hintlite convert` or `qat` wrote; any other path is itself."""
    inside = path / INSIDE
    return inside if is_bundle(inside) and not (path / RUN).is_file() else path


def model_file(path: Path) -> Path:
    """The model of a bundle's folder: its INT8 file, or the only one. Any other path is itself.

    Raises:
        BundleError: a damaged manifest, or several models of which none alone is INT8.
    """
    path = bundle_in(path)
    if not is_bundle(path):
        return path
    models = read_manifest(path)["models"]
    int8 = [name for name, entry in models.items() if entry.get("precision") == "int8"]
    choice = int8 if len(int8) == 1 else list(models)
    if len(choice) != 1:
        raise BundleError(f"{path} holds {', '.join(sorted(models))}: name one of these files")
    return path / choice[0]
