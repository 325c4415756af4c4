"""SampleArray that stay where they are until some of their rows are asked for.

A set larger than memory lies in files that are mapped into memory: their pages are the kernel's to
take back. Whatever goes over all samples does so chunk by chunk, so that no copy of the whole is
ever made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from hintlite.errors import SettingsError

CHUNK_BYTES = 2**24  # of the samples that are read at a time
PREDICTED_BYTES = 2**24  # of those that a network is given at a time, in batches
# A batch of samples that are asked, not trained on: so many, fewer where they are large.
BATCH, FEWEST, BATCH_BYTES = 512, 32, 2**24

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class LazyRows:
    """Some rows of an array, read when they are asked for.

    Args:
        stored: [m, ...], mapped from a file or in memory.
        rows: int64 [n], rows of `stored`.
        kind: the type that values are given out as, which holds all of the stored type's values.
        fed: makes of raw values float32 ones, as networks are fed; None: they stay raw.
    """

    stored: np.ndarray
    rows: np.ndarray
    kind: np.dtype
    fed: Callable[[np.ndarray], np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> np.ndarray:
        """The rows of a slice or of an array of whole numbers, or one row of a number."""
        with np.errstate(over="ignore"):
            raw = self.stored[self.rows[key]].astype(self.kind, copy=False)
        return raw if self.fed is None else self.fed(raw)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All rows at once: for few of them."""
        if copy is False:
            raise SettingsError("the rows lie in a file: numpy must be let make a copy of them")
        return np.asarray(self[:], dtype)

    @property
    def dtype(self) -> np.dtype:
        """Of the values given out."""
        return self.kind if self.fed is None else np.dtype(np.float32)

    @property
    def shape(self) -> tuple[Any, ...]:
        """[n, ...]."""
        return (len(self.rows), *self.stored.shape[1:])

    @property
    def ndim(self) -> int:
        """How many axes."""
        return self.stored.ndim

    @property
    def nbytes(self) -> int:
        """What all rows take in the type that they are given out as."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


SampleArray: TypeAlias = np.ndarray | LazyRows


def is_mapped(samples: SampleArray) -> bool:
    """Whether the values lie in a file."""
    return isinstance(samples, (np.memmap, LazyRows))


def as_array(samples: Any) -> SampleArray:
    """What numpy makes of samples, unless they lie in a file."""
    return samples if is_mapped(samples) else np.asarray(samples)


def lazy(
    samples: SampleArray, rows: np.ndarray, fed: Callable[[np.ndarray], np.ndarray] | None = None
) -> LazyRows:
    """Some rows of samples, which are not read yet.

    Args:
        samples: raw [m, ...].
        rows: int64 [n], of them.
        fed: makes of raw values what networks are fed; None leaves them raw.
    """
    if isinstance(samples, LazyRows):
        return LazyRows(samples.stored, samples.rows[rows], samples.kind, fed)
    return LazyRows(samples, rows, samples.dtype, fed)


def taken(samples: SampleArray, rows: np.ndarray) -> SampleArray:
    """Some rows: those of a file stay there, those in memory are copied."""
    return lazy(samples, rows) if is_mapped(samples) else samples[rows]


def chunks(samples: SampleArray, rows_at_once: int | None = None) -> Iterator[np.ndarray]:
    """All samples in their order.

    Args:
        samples: [n, ...].
        rows_at_once: by default as many as CHUNK_BYTES holds, at least 1.

    Yields:
        [k, ...].
    """
    step = rows_at_once or at_once(samples, CHUNK_BYTES)
    for start in range(0, len(samples), step):
        yield samples[start : start + step]


def at_once(samples: SampleArray, size_bytes: int, multiple: int = 1) -> int:
    """So many samples are read at a time: a multiple that fits, or one multiple."""
    one = samples.nbytes // max(len(samples), 1)
    return max(size_bytes // max(one * multiple, 1), 1) * multiple


def cast(samples: SampleArray, kind: DTypeLike) -> SampleArray:
    """The same values as another type, which they fit: of a file when they are read.

    What is beyond it becomes infinite.
    """
    if is_mapped(samples):
        return replace(everything(samples), kind=np.dtype(kind))
    with np.errstate(over="ignore"):
        return np.asarray(samples).astype(kind, copy=False)


def with_channels(samples: SampleArray) -> SampleArray:
    """With an axis of one channel behind the others."""
    if isinstance(samples, LazyRows):
        return replace(samples, stored=samples.stored[..., np.newaxis])
    return samples[..., np.newaxis]


def everything(samples: SampleArray) -> LazyRows:
    """All rows of an array, which are not read yet."""
    return lazy(samples, np.arange(len(samples)))


def extremes(samples: SampleArray) -> tuple[float, float]:
    """The lowest and the highest value of samples, of which there is at least one."""
    found = [(float(chunk.min()), float(chunk.max())) for chunk in chunks(samples)]
    return min(low for low, _ in found), max(high for _, high in found)


def predicted(predict: Predict, samples: SampleArray) -> np.ndarray:
    """A network's answers for all samples, of which few are in memory at a time.

    Args:
        predict: float32 [k, ...] -> answers [k, ...]; k is a multiple of `batch_of`, but for the
            last, so that batches are those of all samples at once.
        samples: float32 [n, ...].
    """
    parts = chunks(samples, at_once(samples, PREDICTED_BYTES, batch_of(samples.shape[1:])))
    return np.concatenate([predict(part) for part in parts])


def batch_of(shape: tuple[int, ...]) -> int:
    """How many samples of this shape a network is asked at a time.

    BATCH of up to 8,192 values; of larger ones as many as take BATCH_BYTES as float32, so that
    what batches take does not grow with the samples' size.
    """
    fit = BATCH_BYTES // (4 * int(np.prod(shape, dtype=np.int64)))
    return min(BATCH, max(FEWEST, fit))


def write_npy(file: IO[bytes], samples: SampleArray) -> None:
    """Writes what `np.save` would.

    Args:
        file: open for writing.
        samples: [n, ...].
    """
    header = {"descr": samples.dtype.str, "fortran_order": False, "shape": samples.shape}
    np.lib.format.write_array_header_1_0(file, header)
    for chunk in chunks(samples):
        file.write(np.ascontiguousarray(chunk).data)
