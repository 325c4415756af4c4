"""A folder of class-named folders of image files, or of train/, val/ and test/ with such."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
from numpy.typing import DTypeLike

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import check_class_names
from hintlite.pipeline.data.disk import Disk, gathered
from hintlite.pipeline.data.picture import PICTURE_MAX, Header, check_whole, read_image
from hintlite.pipeline.data.rows import SampleArray, extremes, lazy
from hintlite.pipeline.data.sources.arrays import short_name
from hintlite.pipeline.data.sources.source import Labelled, Notes, Pool, Shape
from hintlite.pipeline.settings.data import COLORS, Color, DataConfig

T = TypeVar("T")
R = TypeVar("R")
TRAIN, TEST = "train", "test"
VALIDATION = ("val", "valid", "validation")
SHOWN = 20  # broken files that are named
SKIP = "repair or remove them, or go on without them with data.skip_broken true"
AT_ONCE = 256  # pictures that are decoded at a time
# 16 bits become 8: values below 2^12 (a camera's 12 bits) would keep 16 levels or fewer.
FEWEST_LEVELS = 16


@dataclass(frozen=True, eq=False)
class Pictures:
    """Picture files with their classes, in the order of classes and names.

    Args:
        paths: of the files, all of them whole.
        headers: what each says of itself.
        labels: int64 [n].
        notes: what is to be said of the files that are not among them.
    """

    paths: list[Path]
    headers: list[Header]
    labels: np.ndarray
    notes: Notes


def open_folder(config: DataConfig, disk: Disk | None = None) -> Pool:
    """Lists a folder and checks that its files are whole; pictures are decoded when they are read.

    Raises:
        DataError: no such folder, no classes, a class without pictures, broken files.
    """
    root = Path(config.path or "").expanduser()
    training, validation, test = _parts(root)
    names = check_class_names([folder.name for folder in _folders(training)], str(training))
    listed = [_listed(training, names, names)]
    listed += [_listed(part, _classes(part, names), names) for part in (validation, test) if part]
    parts = _whole(listed, root, config.skip_broken)
    pictures = parts[0] if validation is None else _joined(parts[0], parts[1])
    return Pool(
        name=short_name(root),
        place=str(root),
        labels=pictures.labels,
        class_names=names,
        read=partial(_read, config, disk, pictures),
        raw_max=PICTURE_MAX,
        read_test=None if test is None else partial(_read_test, config, disk, parts[-1]),
        validation=None if validation is None else np.arange(*_ends(parts)),
        notes=tuple(note for part in parts for note in part.notes),
    )


def _joined(first: Pictures, second: Pictures) -> Pictures:
    return Pictures(
        first.paths + second.paths,
        first.headers + second.headers,
        np.concatenate([first.labels, second.labels]),
        first.notes + second.notes,
    )


def _ends(parts: Sequence[Pictures]) -> tuple[int, int]:
    """Where the second part begins and ends, behind the first."""
    first = len(parts[0].paths)
    return first, first + len(parts[1].paths)


def _parts(root: Path) -> tuple[Path, Path | None, Path | None]:
    """The folders with the classes to train on, to validate on and to test on, if there are any."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; set data.path to a folder of class-named folders")
    names = [folder.name for folder in _folders(root)]
    if not names:
        raise DataError(
            f"{root}: no folders in it; make one a class, named after it, and put its pictures "
            "there"
        )
    if TRAIN not in names or not _folders(root / TRAIN):
        return root, None, None
    kept = [name for name in names if name in VALIDATION]
    others = [name for name in names if name not in (TRAIN, TEST)]
    if len(others) > len(kept[:1]):
        found, known = (", ".join(f"{name}/" for name in names) for names in (others, VALIDATION))
        raise DataError(
            f"{root}: beside {TRAIN}/ there is {found}, but only {TRAIN}/, {TEST}/ and one of "
            f"{known} are read; move the pictures or the folder"
        )
    validation = root / kept[0] if kept else None
    return root / TRAIN, validation, root / TEST if TEST in names else None


def _folders(root: Path) -> list[Path]:
    found = (path for path in root.iterdir() if path.is_dir())
    return sorted(path for path in found if not path.name.startswith((".", "__MACOSX")))


def _classes(root: Path, names: Sequence[str]) -> list[str]:
    """The classes that the folder of another part has; they are among those of training."""
    present = [folder.name for folder in _folders(root)]
    unknown = [name for name in present if name not in names]
    if unknown or not present:
        raise DataError(
            f"{root}: {'class ' + unknown[0] if unknown else 'nothing in it'}, expected folders "
            f"named as in {root.parent / TRAIN}: {', '.join(names)}; rename or move its pictures"
        )
    return present


def _listed(root: Path, classes: Sequence[str], names: Sequence[str]) -> Pictures:
    """All pictures of some of the classes; nothing is opened."""
    paths: list[Path] = []
    labels: list[int] = []
    notes: list[str] = []
    for name in classes:
        found, others = _pictures(root / name)
        paths += found
        labels += [names.index(name)] * len(found)
        notes += others
    return Pictures(paths, [], np.array(labels, np.int64), (*_beside(root), *notes))


def _beside(root: Path) -> Notes:
    """Says how many files stand beside the class folders."""
    files = [path.name for path in root.iterdir() if path.is_file() and path.name[0] != "."]
    return (f"{root}: {_files(files)} beside the class folders not read",) if files else ()


def _files(names: Sequence[str]) -> str:
    return f"{len(names)} file{'s' if len(names) > 1 else ''} ({sorted(names)[0]})"


_NO_PICTURE = "is no picture", "are no pictures"


def _pictures(folder: Path) -> tuple[list[Path], list[str]]:
    """The files whose names end like an image's, and what is to be said of the others."""
    from PIL import Image

    known = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    found = [path for path in files if path.suffix.lower() in known]
    others = [path.name for path in files if path.suffix.lower() not in known]
    deeper = [below.name for below in _folders(folder)]
    if not found:
        inside = f"; it has folders ({deeper[0]}/), which are not looked into" if deeper else ""
        raise DataError(
            f"{folder}: no pictures directly in this class folder (PNG, JPEG, ...){inside}; add "
            "some or remove the folder"
        )
    notes = (
        [f"{folder}: {_files(others)} {_NO_PICTURE[len(others) > 1]}, not read"] if others else []
    )
    if deeper:
        notes.append(f"{folder}: folders in it not read ({', '.join(deeper[:3])})")
    return found, notes


def _whole(parts: Sequence[Pictures], root: Path, skip: bool) -> list[Pictures]:
    """The parts without their broken files, or all broken files in one error."""
    checked = [tried_all(partial(check_whole, decode=skip), part.paths) for part in parts]
    if not skip:
        refuse_broken([each for part in checked for each in part], root)
    return [_kept(*pair) for pair in zip(parts, checked, strict=True)]


def tried_all(work: Callable[[T], R], items: Iterable[T]) -> list[R | DataError]:
    """What becomes of each, or why nothing does; PIL lets go of the interpreter as it decodes."""

    def tried(item: T) -> R | DataError:
        try:
            return work(item)
        except DataError as error:
            return error

    with ThreadPoolExecutor() as threads:
        return list(threads.map(tried, items))


def refuse_broken(tried: Sequence[object], root: Path, cure: str = SKIP) -> None:
    """Refuses pictures of which some cannot be read, and names them.

    Args:
        tried: from `tried_all`, one each.
        root: where they come from, for the message.
        cure: what to do, for the message.
    """
    broken = [each for each in tried if isinstance(each, DataError)]
    if broken:
        more = f"\nand {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        raise DataError(
            "\n".join(str(error) for error in broken[:SHOWN]) + more + f"\n{root}: {len(broken)} "
            f"of {len(tried)} pictures cannot be read; {cure}"
        )


def _kept(part: Pictures, checked: Sequence[Header | DataError]) -> Pictures:
    rows = [row for row, header in enumerate(checked) if isinstance(header, Header)]
    left_out = [str(error) for error in checked if isinstance(error, DataError)]
    notes = part.notes
    if left_out:
        notes += (f"broken: {len(left_out)} of {len(checked)} pictures left out", *left_out[:SHOWN])
    return Pictures(
        [part.paths[row] for row in rows],
        [header for header in checked if isinstance(header, Header)],
        part.labels[rows],
        notes,
    )


def _read(
    config: DataConfig,
    disk: Disk | None,
    pictures: Pictures,
    rows: np.ndarray,
    shape: Shape | None,
) -> tuple[SampleArray, Notes]:
    """Decodes some of the pictures: uint8 [len(rows), h, w, c]."""
    headers = [pictures.headers[row] for row in rows]
    size = shape or common_shape(config, headers)
    paths = [pictures.paths[row] for row in rows]

    def read(path: Path) -> np.ndarray:
        return read_image(path, *size)

    def chunks(first: int) -> Iterator[np.ndarray]:
        return decoded(paths[first:], read, size, Path(config.path or ""))

    images = gathered(chunks, {"pictures": paths}, (len(paths), *size), disk)
    return images, (*size_notes(headers, size), *depth_notes(headers, images))


def decoded(
    items: Iterable[T],
    read: Callable[[T], np.ndarray],
    size: Shape,
    root: Path,
    cure: str = SKIP,
    dtype: DTypeLike = np.uint8,
) -> Iterator[np.ndarray]:
    """Pictures, some at a time; none after the first broken one, and at the end all of these.

    Args:
        items: what `read` makes a picture [height, width, channels] of, one each.
        read: raises DataError for a broken one.
        size: of a picture.
        root: the data, for the message.
        cure: what to do about broken ones.
        dtype: of the values.

    Raises:
        DataError: some are broken.
    """
    tried: list[object] = []
    left = iter(items)
    while chunk := list(islice(left, AT_ONCE)):
        images = np.zeros((len(chunk), *size), dtype)

        def fill(place: int, chunk: list[T] = chunk, images: np.ndarray = images) -> None:
            images[place] = read(chunk[place])

        tried += tried_all(fill, range(len(chunk)))
        if not any(isinstance(each, DataError) for each in tried):
            yield images
    refuse_broken(tried, root, cure)


def common_shape(config: DataConfig, headers: Sequence[Header]) -> Shape:
    """The size and the channels that the settings ask for, or that suit these pictures."""
    height = config.image_height or round(median(header.height for header in headers))
    width = config.image_width or round(median(header.width for header in headers))
    color = _auto_color(headers) if config.color == "auto" else config.color
    return height, width, COLORS[color]


def size_notes(headers: Sequence[Header], shape: Shape) -> Notes:
    """Says what size and colours pictures are read as, and how many are resized."""
    height, width, channels = shape
    resized = sum((header.height, header.width) != (height, width) for header in headers)
    color = {count: name for name, count in COLORS.items()}[channels]
    return (
        f"pictures: read as {height} x {width} (height x width) {color}, "
        f"{resized} of {len(headers)} resized",
    )


def depth_notes(headers: Sequence[Header], images: SampleArray) -> Notes:
    """Says that 16 bits become 8, and refuses it where next to nothing would be left."""
    deep = [row for row, header in enumerate(headers) if header.deep]
    if not deep:
        return ()
    if extremes(lazy(images, np.array(deep)))[1] < FEWEST_LEVELS:
        raise DataError(
            f"{len(deep)} pictures have 16 bits, but no value above {FEWEST_LEVELS << 8}: of the "
            "upper 8 bits, which are read, almost nothing is left; give the samples as an .npz of "
            "uint16 with data.value_range, or stretch the pictures to 16 bits"
        )
    return (f"pictures: {len(deep)} have 16 bits, of which the upper 8 are read",)


def _auto_color(headers: Sequence[Header]) -> Color:
    """Grayscale if all pictures are, rgba if all have transparency, rgb otherwise."""
    if all(header.gray for header in headers):
        return "grayscale"
    return "rgba" if all(header.alpha for header in headers) else "rgb"


def _read_test(config: DataConfig, disk: Disk | None, pictures: Pictures, shape: Shape) -> Labelled:
    rows = np.arange(len(pictures.paths))
    images, _ = _read(config, disk, pictures, rows, shape)
    return Labelled(images, pictures.labels, rows)
