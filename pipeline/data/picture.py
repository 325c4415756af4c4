"""Image files: what they hold, and their way to raw values [h, w, c]."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.errors import DataError

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
GRAY_MODES = frozenset({"1", "L", "LA", "La"})
ALPHA_MODES = frozenset({"LA", "La", "RGBA", "RGBa", "PA"})
ORIENTATION_TAG = 0x0112  # EXIF 2.32, 4.6.4: values 5 to 8 swap rows and columns
PICTURE_MAX = 255.0
JPEG_END, JPEG_TAIL = b"\xff\xd9", 4096  # ITU-T T.81, B.1.1.3: EOI; some cameras write behind it


@dataclass(frozen=True)
class Header:
    """What an image file says of itself before it is decoded.

    Args:
        height: rows as seen, its EXIF orientation applied.
        width: columns as seen.
        gray: whether it is stored without colour.
        alpha: whether it has a transparency.
        deep: whether it has 16 bits a value.
    """

    height: int
    width: int
    gray: bool
    alpha: bool
    deep: bool


def read_header(path: Path, content: bytes | None = None) -> Header:
    """Reads size and colour mode without decoding the picture.

    Args:
        path: of the file, or what `content` is called.
        content: the picture's bytes, where they are no file of their own.

    Raises:
        DataError: not an image file that PIL knows, or of values whose range nobody knows.
    """
    with _opened(path, content) as image:
        try:
            # Asked for what it has not yet met, PIL decodes a whole PNG.
            known = image.format != "PNG" or "exif" in image.info
            turned = known and image.getexif().get(ORIENTATION_TAG, 1) in (5, 6, 7, 8)
        # Decoders raise whatever they like at broken files.
        except Exception as error:
            raise _unreadable(path, error) from error
        _refuse_wide(image, path)
        width, height = image.size[::-1] if turned else image.size
        return Header(height, width, _is_gray(image), _has_alpha(image), _is_deep(image))


def check_whole(path: Path, decode: bool = False) -> Header:
    """Checks that a file holds a whole picture, as far as its form tells.

    PNG files are checked by their checksums, JPEG files by their end mark; neither is decoded.
    Other files, whose form does not tell, are decoded and forgotten.

    Args:
        path: of the file.
        decode: decode JPEG files too, at an eighth of their size, which some fail in alone.

    Raises:
        DataError: not an image file that PIL knows, cut short or damaged.
    """
    header = read_header(path)
    with _opened(path) as image:
        try:
            if image.format == "PNG":
                image.verify()
            elif decode or image.format != "JPEG" or not _has_end_mark(path):
                image.draft(None, (image.width // 8, image.height // 8))
                image.load()
        except Exception as error:
            raise _unreadable(path, error) from error
    return header


def _has_end_mark(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, JPEG_TAIL), os.SEEK_END)
        return JPEG_END in file.read()


def read_image(
    path: Path, height: int, width: int, channels: int, *, content: bytes | None = None
) -> np.ndarray:
    """Decodes an image file, turns it upright, converts its colours and resizes it.

    The whole picture is stretched to the size wanted (bilinear, with area averaging where it
    shrinks). Sixteen bits become eight; transparency is dropped unless four channels are wanted.

    Args:
        path: of the file, or what `content` is called.
        height: of the answer, pixels.
        width: of the answer, pixels.
        channels: 1, 3 or 4.
        content: the picture's bytes, where they are no file of their own.

    Returns:
        uint8 [height, width, channels].

    Raises:
        DataError: unreadable, or 32-bit or floating-point values, whose range nobody knows.
    """
    from PIL import Image, ImageOps

    with _opened(path, content) as image:
        try:
            image.load()
            upright = ImageOps.exif_transpose(image)
        # As above: a truncated or broken file.
        except Exception as error:
            raise _unreadable(path, error) from error
        converted = _converted(upright, MODES[channels], path)
        if converted.size != (width, height):
            converted = converted.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(converted, np.uint8).reshape(height, width, channels)


def _opened(path: Path, content: bytes | None = None) -> Any:
    from PIL import Image

    if content is None and not path.is_file():
        raise DataError(f"{path}: no such file; check the path of the picture")
    try:
        return Image.open(path if content is None else io.BytesIO(content))
    # Decoders raise whatever they like at broken files.
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path}: cannot be read as an image ({reason}); repair or remove the file")


def _is_gray(image: Any) -> bool:
    return image.mode in GRAY_MODES or _is_deep(image)


def _is_deep(image: Any) -> bool:
    return image.mode.startswith("I;16")


def _refuse_wide(image: Any, path: Path) -> None:
    if image.mode in ("I", "F"):
        raise DataError(
            f"{path}: holds {'32-bit' if image.mode == 'I' else 'floating-point'} values, whose "
            "range nobody knows; give the samples as an .npz of float32"
        )


def _has_alpha(image: Any) -> bool:
    return image.mode in ALPHA_MODES or "transparency" in image.info


def _converted(image: Any, mode: str, path: Path) -> Any:
    """The picture in an 8-bit mode of PIL."""
    from PIL import Image

    _refuse_wide(image, path)
    if _is_deep(image):
        # PIL's own conversion clips at 255 instead of scaling.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif _has_alpha(image):
        image = image.convert("RGBA")  # palettes with transparency convert to RGBA alone
    return image if image.mode == mode else image.convert(mode)


def load_picture(
    path: str | Path,
    input_shape: tuple[int, ...],
    raw_dtype: str = "uint8",
    raw_max: float | None = PICTURE_MAX,
) -> np.ndarray:
    """Turns a user's picture or array into the raw input of a model.

    Args:
        path: an image file, or an .npy array of exactly the raw values.
        input_shape: (h, w, c) of the model, to which pictures are resized and converted; or
            (time, c) or (c,), which arrays hold.
        raw_dtype: "uint8" or "float32", the type of the raw training images.
        raw_max: the raw value of full brightness (TrainingData.raw_max); None for float data.

    Returns:
        Raw values [h, w, c] of type raw_dtype.

    Raises:
        DataError: no such file, unreadable, or a picture where only an array can be meant.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() == ".npy":
        return _load_array(path, input_shape, raw_dtype)
    pictured = len(input_shape) == 3 and input_shape[-1] in MODES
    if not pictured or raw_max is None or raw_dtype != "uint8":
        raise DataError(
            f"{path}: the model takes {raw_dtype} values {list(input_shape)} that no picture "
            "holds; give an .npy file of that shape, np.save('sample.npy', sample)"
        )
    height, width, channels = input_shape
    image = read_image(path, height, width, channels)
    if raw_max == PICTURE_MAX:
        return image
    return np.rint(image * (raw_max / PICTURE_MAX)).astype(np.uint8)


def _load_array(path: Path, input_shape: tuple[int, ...], raw_dtype: str) -> np.ndarray:
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path of the array")
    try:
        array = np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npy array ({error}); use np.save") from error
    if array.ndim != len(input_shape) and array.size == np.prod(input_shape):
        array = _with_axes(array, input_shape)
    if array.shape != input_shape:
        raise DataError(
            f"{path}: shape {list(array.shape)}, expected {list(input_shape)}; arrays are taken as "
            "they are, so resize it first"
        )
    return _as_raw(array, raw_dtype, path)


def _with_axes(array: np.ndarray, input_shape: tuple[int, ...]) -> np.ndarray:
    """Accepts [1, h, w, c] and, of one channel, [h, w]; and of series and rows likewise."""
    if array.shape == (1, *input_shape) or (*array.shape, 1) == input_shape:
        return array.reshape(input_shape)
    return array


def _as_raw(array: np.ndarray, raw_dtype: str, path: Path) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        raise DataError(f"{path}: {array.dtype} values, expected numbers; save it as float32")
    if raw_dtype == "uint8":
        return _as_bytes(array, path)
    raw = array.astype(np.dtype(raw_dtype))
    if not np.isfinite(raw).all():
        raise DataError(f"{path}: holds NaN or a value beyond float32; repair the array")
    return raw


def _as_bytes(array: np.ndarray, path: Path) -> np.ndarray:
    """The same values as bytes; refuses those that are not whole numbers from 0 to 255."""
    raw = np.clip(np.nan_to_num(array), 0, PICTURE_MAX).astype(np.uint8)
    if not np.array_equal(raw, array):
        raise DataError(
            f"{path}: {array.dtype} values from {array.min():g} to {array.max():g}, but the model "
            "was trained on raw values that are whole numbers from 0 to 255; give them as they "
            "were before any scaling"
        )
    return raw
