"""A folder of class-named folders of image files, or of train/ and test/ with such folders."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import check_class_names
from hintlite.pipeline.data.picture import COLORS, PICTURE_MAX, Header, read_header, read_image
from hintlite.pipeline.data.sources.source import Labelled, Pool, Shape
from hintlite.pipeline.settings.data import DataConfig

_LOG = logging.getLogger(__name__)

TRAIN, TEST = "train", "test"
Listing = tuple[list[Path], np.ndarray]


def open_folder(config: DataConfig) -> Pool:
    """Lists a folder; its pictures are opened when their rows are read, and only those.

    Raises:
        DataError: no such folder, no classes, a class without pictures.
    """
    root = Path(config.path or "").expanduser()
    training, test = _parts(root)
    names = check_class_names([folder.name for folder in _folders(training)], str(training))
    paths, labels = _listed(training, names)
    return Pool(
        place=str(root),
        labels=labels,
        class_names=names,
        read=partial(_read, config, paths),
        raw_max=PICTURE_MAX,
        read_test=None if test is None else partial(_read_test, config, test, names),
    )


def _parts(root: Path) -> tuple[Path, Path | None]:
    """The folder with the training classes, and the one with the test classes, if any."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; set data.path to a folder of class-named folders")
    names = [folder.name for folder in _folders(root)]
    if not names:
        raise DataError(
            f"{root}: no folders in it; make one a class, named after it, and put its pictures "
            "there"
        )
    if TRAIN not in names or not _folders(root / TRAIN):
        return root, None
    others = [name for name in names if name not in (TRAIN, TEST)]
    if others:
        raise DataError(
            f"{root}: beside {TRAIN}/ there is {others[0]}/, but only {TRAIN}/ and {TEST}/ are "
            f"read (validation samples are split off {TRAIN}/); move its pictures or the folder"
        )
    return root / TRAIN, root / TEST if TEST in names else None


def _folders(root: Path) -> list[Path]:
    found = (path for path in root.iterdir() if path.is_dir())
    return sorted(path for path in found if not path.name.startswith((".", "__MACOSX")))


def _listed(root: Path, names: Sequence[str]) -> Listing:
    """All pictures of the classes, sorted by class and file name."""
    files = [_pictures(root / name) for name in names]
    for name, found in zip(names, files, strict=True):
        if not found:
            raise DataError(
                f"{root / name}: no pictures directly in this class folder (PNG, JPEG, ...); "
                "add some or remove the folder"
            )
    labels = np.repeat(np.arange(len(names)), [len(found) for found in files])
    return [path for found in files for path in found], labels.astype(np.int64)


def _pictures(folder: Path) -> list[Path]:
    """The files whose names end like an image's; others are counted in the log."""
    from PIL import Image

    known = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    others = [path.name for path in files if path.suffix.lower() not in known]
    if others:
        _LOG.warning("%s: %d files are no pictures, such as %s", folder, len(others), others[0])
    return [path for path in files if path.suffix.lower() in known]


def _read(
    config: DataConfig, paths: Sequence[Path], rows: np.ndarray, shape: Shape | None
) -> np.ndarray:
    """Decodes some of the pictures: uint8 [len(rows), h, w, c]."""
    chosen = [paths[row] for row in rows]
    height, width, channels = shape or _common_shape(config, chosen)
    images = np.empty((len(chosen), height, width, channels), np.uint8)

    def fill(place: int) -> None:
        images[place] = read_image(chosen[place], height, width, channels)

    # PIL lets go of the interpreter while it decodes.
    with ThreadPoolExecutor() as threads:
        list(threads.map(fill, range(len(chosen))))
    return images


def _common_shape(config: DataConfig, paths: Sequence[Path]) -> Shape:
    """The size and the channels that the settings ask for, or that suit these pictures."""
    if config.image_height and config.image_width and config.color != "auto":
        return config.image_height, config.image_width, COLORS[config.color]
    with ThreadPoolExecutor() as threads:
        headers = list(threads.map(read_header, paths))
    height = config.image_height or round(median(header.height for header in headers))
    width = config.image_width or round(median(header.width for header in headers))
    color = _auto_color(headers) if config.color == "auto" else config.color
    resized = sum((header.height, header.width) != (height, width) for header in headers)
    _LOG.info(
        "%d pictures are read as %d x %d (height x width) %s; %d of them are resized",
        len(paths),
        height,
        width,
        color,
        resized,
    )
    return height, width, COLORS[color]


def _auto_color(headers: Sequence[Header]) -> str:
    """Grayscale if all pictures are, rgba if all have transparency, rgb otherwise."""
    if all(header.gray for header in headers):
        return "grayscale"
    return "rgba" if all(header.alpha for header in headers) else "rgb"


def _read_test(config: DataConfig, root: Path, names: Sequence[str], shape: Shape) -> Labelled:
    """Reads the test folder, whose classes are among those of training."""
    present = [folder.name for folder in _folders(root)]
    unknown = [name for name in present if name not in names]
    if unknown or not present:
        raise DataError(
            f"{root}: {'class ' + unknown[0] if unknown else 'nothing in it'}, expected folders "
            f"named as in {root.parent / TRAIN}: {', '.join(names)}; rename or move its pictures"
        )
    paths, labels = _listed(root, present)
    known = np.array([names.index(name) for name in present], np.int64)
    rows = np.arange(len(paths))
    return Labelled(_read(config, paths, rows, shape), known[labels], rows)
