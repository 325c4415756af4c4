"""The samples of a conversion: of any shape, for one input or several, with labels or without."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hintlite.errors import DataError
from hintlite.pipeline.app.convert.foreign import Input
from hintlite.pipeline.app.settings.named_data import SETS
from hintlite.pipeline.data.disk import Disk, gathered
from hintlite.pipeline.data.npz_file import head_of, present_in, read_arrays, read_member
from hintlite.pipeline.data.rows import SampleArray, cast, chunks, extremes, with_channels
from hintlite.pipeline.data.sources.npz import NAMES, VALIDATION

_KINDS = "iufb"
BROKEN = "repair or remove them"
FEWER = "put fewer pictures into the folder"


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples, and which of them set ranges and which judge.

    Attributes:
        inputs: raw, one array [n, ...] an input of the model: uint8 or float32; too many for
            memory, they lie in a file.
        labels: [n] class indices or [n, ...] numbers; None where there are none.
        class_names: one a class where the source names them.
        calibration, validation: disjoint rows.
        name: what the samples are called.
        notes: what was understood.
    """

    inputs: tuple[SampleArray, ...]
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    calibration: np.ndarray
    validation: np.ndarray
    name: str
    notes: tuple[str, ...] = ()

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of one sample, for each input."""
        return [array.shape[1:] for array in self.inputs]

    @property
    def sha256(self) -> str:
        """Of all values."""
        digest = hashlib.sha256()
        for array in (*self.inputs, *(() if self.labels is None else (self.labels,))):
            for chunk in chunks(array):
                digest.update(np.ascontiguousarray(chunk).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Counts:
    """How many samples serve for what.

    Attributes:
        calibration: that set the ranges, at most.
        validation: that judge, at most.
        limit: of all that are read; None for all.
        seed: of the division.
    """

    calibration: int
    validation: int
    limit: int | None
    seed: int


def read_samples(word: str, inputs: Sequence[Input], counts: Counts, disk: Disk) -> Samples:
    """Reads the samples that --data names.

    Args:
        word: an `.npz` or `.npy` file, a folder of pictures, with or without folders of classes,
            or the name of a data set.
        inputs: what the model takes.
        counts: how they are divided.
        disk: where samples are kept that are too many for memory.

    Raises:
        DataError: samples that the model cannot be fed.
        CacheError: samples that do not fit on the disk.
    """
    path = Path(word).expanduser()
    if word in SETS or (path.is_dir() and any(each.is_dir() for each in path.iterdir())):
        found = _labelled(word, inputs, counts, disk)
    elif path.is_dir():
        found = _divided([_pictures(path, inputs, disk)], None, (), counts, word)
    elif path.suffix == ".npy":
        found = _divided([_npy(path)], None, (), counts, word)
    elif path.suffix == ".npz":
        found = _npz(path, inputs, counts, disk)
    else:
        raise DataError(
            f"--data {word}: expected an .npz or .npy file, a folder of pictures, or one of "
            f"{', '.join(SETS)}"
        )
    return replace(found, inputs=_fitted(found, inputs))


def _labelled(word: str, inputs: Sequence[Input], counts: Counts, disk: Disk) -> Samples:
    """Pictures in class-named folders, or a data set, as a run reads them."""
    from hintlite.pipeline.app.settings.named_data import named_data
    from hintlite.pipeline.data.load import load_training
    from hintlite.pipeline.settings.data import COLORS, DataConfig

    source, path = named_data(word)
    config = DataConfig(
        source=source, path=path, limit=counts.limit, calibration_samples=counts.calibration
    )
    sizes = inputs[0].sizes
    if source == "folder" and len(sizes) == 3:
        names = {count: name for name, count in COLORS.items()}
        config = replace(
            config,
            image_height=sizes[0],
            image_width=sizes[1],
            color=names.get(sizes[2] or 0, "auto"),
        )
    data = load_training(config, disk=disk)
    return Samples(
        inputs=(data.images,),
        labels=data.labels,
        class_names=tuple(data.class_names),
        calibration=data.calibration,
        validation=_spread(data.validation, counts.validation),
        name=data.name or word,
        notes=tuple(note for note in data.notes if not note.startswith("values:")),
    )


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """So many of the rows, evenly spaced."""
    if len(rows) <= count:
        return rows
    chosen: np.ndarray = rows[np.linspace(0, len(rows) - 1, count).astype(int)]
    return chosen


def _pictures(folder: Path, inputs: Sequence[Input], disk: Disk) -> SampleArray:
    """All pictures of a folder, brought to the size of the model's input."""
    from hintlite.pipeline.data.picture import read_image
    from hintlite.pipeline.data.sources.folder import decoded

    sizes = inputs[0].sizes
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES)
    if not paths or len(sizes) != 3 or None in sizes:
        raise DataError(
            f"{folder}: {len(paths)} pictures for an input of sizes {list(sizes)}; expected "
            "pictures (PNG, JPEG, BMP) in it or in its class-named folders, and a model of one "
            "size of pictures [h, w, c]: give the samples as an .npz file with x"
        )
    height, width, channels = (int(size or 0) for size in sizes)
    size = height, width, channels

    def each(first: int) -> Iterator[np.ndarray]:
        return decoded(paths[first:], lambda path: read_image(path, *size), size, folder, BROKEN)

    return gathered(each, {"pictures": paths}, (len(paths), *size), disk, fewer=FEWER)


_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm")


def _npz(path: Path, inputs: Sequence[Input], counts: Counts, disk: Disk) -> Samples:
    present = present_in(path, "--data")
    names = _input_names(path, present, inputs)
    own = next((pair[0] for pair in VALIDATION if pair[0] in present), None)
    alone = own is None or len(names) > 1
    if not alone:
        _refuse_unlike(path, names[0], str(own))
    read = [[name] if alone else [name, str(own)] for name in names]
    values = [_checked(path, read_arrays(path, each, disk)) for each in read]
    label = next((each for each in ("y", "y_train") if each in present), None)
    labels = None if label is None else read_member(path, label)
    validation = None
    if not alone:
        first = head_of(path, names[0]).shape[0]
        validation = np.arange(first, len(values[0]))
        if labels is not None and own is not None:
            labels = np.concatenate([labels, read_member(path, f"y{own[1:]}")])
    class_names = tuple(map(str, read_member(path, NAMES))) if NAMES in present else ()
    return _divided(values, labels, class_names, counts, str(path), validation)


def _refuse_unlike(path: Path, name: str, own: str) -> None:
    first, second = head_of(path, name), head_of(path, own)
    if first.sample != second.sample:
        raise DataError(
            f"{path}: {own} holds {second.dtype} {list(second.shape)}, {name} {first.dtype} "
            f"{list(first.shape)}; save both with one type and shape"
        )


def _input_names(path: Path, present: Sequence[str], inputs: Sequence[Input]) -> list[str]:
    """The arrays that the inputs take: by their own names, as x0, x1, ..., or the only one, x."""
    own = [each.name for each in inputs]
    for names in ([["x"], ["x_train"]] if len(own) == 1 else []) + [
        own,
        [f"x{n}" for n in range(len(own))],
    ]:
        if all(name in present for name in names):
            return names
    wanted = "x" if len(own) == 1 else ", ".join(own)
    raise DataError(
        f"{path} holds {', '.join(present) or 'nothing'}; expected {wanted}, one array [n, ...] an "
        "input of the model, and y if there are labels"
    )


def _npy(path: Path) -> SampleArray:
    try:
        return _checked(path, np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}): save it with np.save") from error


def _checked(path: Path, array: SampleArray) -> SampleArray:
    """Raw values: bytes as uint8, all other numbers as float32."""
    if array.dtype.kind not in _KINDS or array.ndim < 1 or 0 in array.shape:
        raise DataError(
            f"{path}: {array.dtype} {list(array.shape)}, expected numbers [n, ...], at least one "
            "sample"
        )
    if array.dtype.kind in "iub":
        low, high = extremes(array)
        if low >= 0 and high <= 255:
            return cast(array, np.uint8)
    array = cast(array, np.float32)
    finite = np.concatenate(
        [np.isfinite(each).reshape(len(each), -1).all(axis=1) for each in chunks(array)]
    )
    if not finite.all():
        row = int(np.argmin(finite))
        raise DataError(f"{path}: sample {row} holds NaN or infinity; leave it out or repair it")
    return array


def _divided(
    values: Sequence[SampleArray],
    labels: np.ndarray | None,
    class_names: tuple[str, ...],
    counts: Counts,
    name: str,
    validation: np.ndarray | None = None,
) -> Samples:
    """Draws the rows that judge, a fifth at most, and those that set the ranges."""
    total = len(values[0])
    lengths = {len(each) for each in (*values, *(() if labels is None else (labels,)))}
    if len(lengths) > 1 or total < 2:
        raise DataError(
            f"{name}: arrays of {', '.join(map(str, sorted(lengths)))} samples; expected at least "
            "2 samples, as many in each array"
        )
    rows = np.random.default_rng(counts.seed).permutation(total)
    if validation is None:
        rows = rows[: counts.limit]
        held = min(max(len(rows) // 5, 1), counts.validation)
        validation = np.sort(rows[:held])
    else:
        validation = _spread(validation, counts.validation)
    others = np.setdiff1d(rows, validation, assume_unique=True)
    calibration = np.sort(others[: counts.calibration])
    return Samples(tuple(values), labels, class_names, calibration, validation, Path(name).name, ())


def _fitted(found: Samples, inputs: Sequence[Input]) -> tuple[SampleArray, ...]:
    """The arrays in the ranks of the inputs: grey pictures [n, h, w] get their axis of channels."""
    if len(found.inputs) != len(inputs):
        raise DataError(
            f"{found.name} has samples for one input, the model takes "
            f"{', '.join(each.name for each in inputs)}: give an .npz file with these arrays"
        )
    fitted = []
    for array, taken in zip(found.inputs, inputs, strict=True):
        gray = array.ndim == len(taken.sizes) and taken.sizes[-1:] == (1,)
        whole = with_channels(array) if gray else array
        shape = whole.shape[1:]
        fits = len(shape) == len(taken.sizes) and all(
            own in (None, size) for own, size in zip(taken.sizes, shape, strict=True)
        )
        if not fits:
            sizes = ", ".join("any" if size is None else str(size) for size in taken.sizes)
            raise DataError(
                f"the model's input {taken.name!r} takes samples of shape [{sizes}], but "
                f"{found.name} has {list(shape)}: give data of that shape"
            )
        fitted.append(whole)
    return tuple(fitted)
