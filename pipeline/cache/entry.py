"""An array of the cache's folder: its name, its form, and what messages call it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hintlite.errors import HintliteError

DTYPE = np.dtype(np.float16)


class CacheError(HintliteError):
    """A cache that cannot be filled."""


@dataclass(frozen=True)
class Entry:
    """One array, made or to be made.

    Attributes:
        name: of the file, without suffix; it ends in "-" and 32 hexadecimal digits, a hash of
            whatever decides the content.
        shape: of the array.
        dtype: of its values.
        what: it is, for messages.
        otherwise: what else can be done where it does not fit, for messages.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype = DTYPE
    what: str = "the teacher's outputs"
    otherwise: str = "have the teacher evaluated in every step (--cache.enabled false)"

    @property
    def size_bytes(self) -> int:
        """What its values take."""
        return self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))
