"""TFRecords of `tf.train.Example`: an image and a class each, in files as TensorFlow writes them.

Two passes: the first takes the labels and what each picture says of itself, the second decodes the
rows that are asked for. No image is decoded before it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.data.checks import check_class_names, check_range
from hintlite.pipeline.data.disk import Disk, gathered
from hintlite.pipeline.data.labels import numbered, read_labels
from hintlite.pipeline.data.picture import PICTURE_MAX, Header, read_header, read_image
from hintlite.pipeline.data.record_files import TEST, VALIDATION, part_of, record_files
from hintlite.pipeline.data.rows import SampleArray
from hintlite.pipeline.data.sources.arrays import short_name
from hintlite.pipeline.data.sources.folder import (
    common_shape,
    decoded,
    depth_notes,
    size_notes,
)
from hintlite.pipeline.data.sources.source import Labelled, Notes, Pool, Shape
from hintlite.pipeline.settings.data import COLORS, DataConfig

# How files of pictures begin: PNG, JPEG, GIF, BMP.
PICTURE_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM")
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, eq=False)
class Records:
    """Files with what their records say of themselves, in their order.

    Attributes:
        files: of the records.
        counts: records of each file.
        labels: as they are stored, [n].
        headers: of the pictures, or of raw bytes as the settings state them.
        raw: whether images are raw bytes, or lists of floats, and no files of pictures.
        floats: whether they are lists of floats.
    """

    files: list[Path]
    counts: list[int]
    labels: np.ndarray
    headers: list[Header]
    raw: bool
    floats: bool

    @property
    def dtype(self) -> np.dtype:
        """Of the values."""
        return np.dtype(np.float32 if self.floats else np.uint8)


def open_tfrecord(config: DataConfig, disk: Disk | None = None) -> Pool:
    """Reads labels and sizes; files whose names say "test" stay closed until they are read.

    Raises:
        DataError: no such files, no such features, images that are no pictures.
    """
    root = Path(config.path or "").expanduser()
    files = record_files(root)
    if not files:
        raise DataError(
            f"{root}: no TFRecord files; set data.path to one, or to a folder of files named "
            "*.tfrecord, *.tfrecords or *.tfrecord-00000-of-00010"
        )
    parts = {file: part_of(file, root) for file in files}
    held_out = [file for file in files if parts[file] == TEST]
    validation = [file for file in files if parts[file] == VALIDATION]
    training = [file for file in files if file not in (*held_out, *validation)]
    if not training:
        raise DataError(f"{root}: every file's name says test or validation; add files to train on")
    records = _indexed([*training, *validation], config)
    read = read_labels(records.labels, len(records.labels), str(root), None)
    names = check_class_names(read.names or numbered(read.values, str(root)), str(root))
    first = sum(records.counts[: len(training)])
    return Pool(
        name=short_name(root),
        place=str(root),
        labels=read.values,
        class_names=names,
        read=partial(_read, config, disk, records),
        raw_max=None if records.floats else PICTURE_MAX,
        read_test=partial(_read_test, config, disk, held_out, names) if held_out else None,
        notes=(read.note,) if read.note else (),
        validation=np.arange(first, len(read.values)) if validation else None,
    )


def _read(
    config: DataConfig, disk: Disk | None, records: Records, rows: np.ndarray, shape: Shape | None
) -> tuple[SampleArray, Notes]:
    headers = [records.headers[row] for row in rows]
    size = shape or common_shape(config, headers)
    images = gathered(
        partial(_decoded, config, records, rows, size),
        {"records": records.files},
        (len(rows), *size),
        disk,
        {"feature": config.image_feature, "rows": _ranges(rows)},
        dtype=records.dtype,
    )
    if records.raw:
        return images, ()
    return images, (*size_notes(headers, size), *depth_notes(headers, images))


def _read_test(
    config: DataConfig,
    disk: Disk | None,
    files: list[Path],
    names: Sequence[str],
    shape: Shape,
) -> Labelled:
    place, records = f"{config.path} (test)", _indexed(files, config)
    labels = read_labels(records.labels, len(records.labels), place, names).values
    check_range(labels, names, place)
    rows = np.arange(len(labels))
    images, _ = _read(config, disk, records, rows, shape)
    return Labelled(images, labels, rows)


def _indexed(files: list[Path], config: DataConfig) -> Records:
    """The first pass."""
    labels: list[Any] = []
    headers: list[Header] = []
    counts: list[int] = []
    raw = floats = False
    for file in files:
        before = len(labels)
        for number, record in enumerate(_records(file)):
            place = f"{file}, record {number}"
            features = _features(record, place)
            content = _image(features, config, place)
            if labels and floats != isinstance(content, np.ndarray):
                raise DataError(
                    f"{place}: {_held(features, config.image_feature)}, other records hold "
                    f"{'floats' if floats else 'bytes'}; write all images in one form"
                )
            floats = isinstance(content, np.ndarray)
            raw = raw or isinstance(content, np.ndarray) or not content.startswith(PICTURE_STARTS)
            labels.append(_label(features, config, place))
            headers.append(
                read_header(Path(place), content)
                if isinstance(content, bytes) and not raw
                else _stated(content, config, place)
            )
        counts.append(len(labels) - before)
    if not labels:
        raise DataError(f"{config.path}: the files hold no records; check how they were written")
    return Records(files, counts, np.array(labels), headers, raw, floats)


def _decoded(
    config: DataConfig, records: Records, rows: np.ndarray, size: Shape, first: int
) -> Iterator[np.ndarray]:
    """The second pass: wanted rows from one on; at the end all that are broken in one error."""
    height, width, channels = size

    def read(image: tuple[str, bytes | np.ndarray]) -> np.ndarray:
        name, content = image
        if isinstance(content, np.ndarray):
            if not np.isfinite(content).all():
                raise DataError(f"{name}: holds NaN or infinity")
            return content.reshape(size)
        if records.raw:
            return np.frombuffer(content, np.uint8).reshape(size)
        return read_image(Path(name), height, width, channels, content=content)

    wanted, root = _wanted(config, records, rows[first:]), Path(config.path or "")
    cure = "write these records anew, or leave them out"
    return decoded(wanted, read, size, root, cure, records.dtype)


def _wanted(
    config: DataConfig, records: Records, rows: np.ndarray
) -> Iterator[tuple[str, bytes | np.ndarray]]:
    """The images of some rows, which are sorted, as they are stored, with their places."""
    begin = 0
    for file, count in zip(records.files, records.counts, strict=True):
        inside = set((rows[(rows >= begin) & (rows < begin + count)] - begin).tolist())
        begin += count
        if not inside:
            continue
        for number, record in enumerate(_records(file)):
            if number in inside:
                place = f"{file}, record {number}"
                yield place, _image(_features(record, place), config, place)


def _records(file: Path) -> Iterator[bytes]:
    import tensorflow as tf

    with file.open("rb") as opened:
        packed = opened.read(2) == GZIP
    records = tf.data.TFRecordDataset(str(file), "GZIP" if packed else None)
    try:
        yield from records.as_numpy_iterator()
    except tf.errors.DataLossError as error:
        raise DataError(
            f"{file}: damaged or no TFRecord file ({_plain(error.message)}); write it anew or "
            "leave it out"
        ) from error


def _plain(message: str) -> str:
    """What TensorFlow says, without the names of its operators."""
    return re.sub(r"{{.*?}} | \[Op:.*", "", message.splitlines()[0])


def _features(record: bytes, place: str) -> Any:
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        return tf.train.Example.FromString(record).features.feature
    except DecodeError as error:
        raise DataError(
            f"{place}: no tf.train.Example ({error}); write one a sample, with an image and a label"
        ) from error


def _image(features: Any, config: DataConfig, place: str) -> bytes | np.ndarray:
    name = config.image_feature
    found, kind = _values(features, name)
    if kind == "float_list" and len(found):
        return np.array(found, np.float32)
    if len(found) != 1 or kind != "bytes_list":
        raise DataError(
            f"{place}: {_held(features, name)}, expected the bytes of one picture, raw bytes "
            f"or floats; name their feature with data.image_feature (there are {_listed(features)})"
        )
    return bytes(found[0])


def _label(features: Any, config: DataConfig, place: str) -> int | str:
    name = config.label_feature
    found, kind = _values(features, name)
    if len(found) != 1 or kind == "float_list":
        raise DataError(
            f"{place}: {_held(features, name)}, expected one class, a whole number or text; name "
            f"its feature with data.label_feature (there are {_listed(features)})"
        )
    return int(found[0]) if kind == "int64_list" else found[0].decode(errors="replace")


def _held(features: Any, name: str) -> str:
    if name not in features:
        return f"no feature {name!r}"
    found, kind = _values(features, name)
    return f"feature {name!r} holds {len(found)} values of {kind}"


def _values(features: Any, name: str) -> tuple[Sequence[Any], str]:
    """The values of a feature, and the name of their kind; none of one that is not there."""
    for kind in ("bytes_list", "int64_list", "float_list"):
        held = features.get(name)
        if held is not None and held.HasField(kind):
            return getattr(held, kind).value, kind
    return (), "no kind"


def _listed(features: Any) -> str:
    return ", ".join(sorted(features)) or "none"


def _stated(content: bytes | np.ndarray, config: DataConfig, place: str) -> Header:
    """The size of raw bytes or of floats, as the settings state it.

    Raises:
        DataError: they do not, or another one.
    """
    height, width = config.image_height, config.image_width
    held = "bytes" if isinstance(content, bytes) else "floats"
    if height is None or width is None:
        raise DataError(
            f"{place}: feature {config.image_feature!r} holds {len(content)} {held} that are no "
            f"PNG, JPEG, GIF or BMP: raw {held} need data.image_height and data.image_width"
        )
    channels, rest = divmod(len(content), height * width)
    asked = channels if config.color == "auto" else COLORS[config.color]
    if rest or channels != asked or channels not in COLORS.values():
        raise DataError(
            f"{place}: {len(content)} {held} are no {height} x {width} pixels of "
            f"{asked if config.color != 'auto' else '1, 3 or 4'} channels: correct "
            "data.image_height, data.image_width or data.color"
        )
    return Header(height, width, gray=channels == 1, alpha=channels == 4, deep=False)


def _ranges(rows: np.ndarray) -> list[list[int]]:
    """Sorted rows as stretches [first, end), which are shorter to write."""
    borders = np.flatnonzero(np.diff(rows) != 1) + 1
    starts, ends = np.r_[0, borders], np.r_[borders, len(rows)]
    return [[int(rows[a]), int(rows[b - 1]) + 1] for a, b in zip(starts, ends, strict=True)]
