"""Image files: what they hold, and their way to raw values [h, w, c]."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hintlite.errors import DataError

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
COLORS = {"grayscale": 1, "rgb": 3, "rgba": 4}
GRAY_MODES = frozenset({"1", "L", "LA", "La"})
ALPHA_MODES = frozenset({"LA", "La", "RGBA", "RGBa", "PA"})
ORIENTATION_TAG = 0x0112  # EXIF 2.32, 4.6.4: values 5 to 8 swap rows and columns
PICTURE_MAX = 255.0


@dataclass(frozen=True)
class Header:
    """What an image file says of itself before it is decoded.

    Args:
        height: rows as seen, its EXIF orientation applied.
        width: columns as seen.
        gray: whether it is stored without colour.
        alpha: whether it has a transparency.
    """

    height: int
    width: int
    gray: bool
    alpha: bool


def read_header(path: Path) -> Header:
    """Reads size and colour mode without decoding the picture.

    Raises:
        DataError: not an image file that PIL knows.
    """
    with _opened(path) as image:
        try:
            turned = image.getexif().get(ORIENTATION_TAG, 1) in (5, 6, 7, 8)
        # Decoders raise whatever they like at broken files.
        except Exception as error:
            raise _unreadable(path, error) from error
        width, height = image.size[::-1] if turned else image.size
        return Header(height, width, _is_gray(image), _has_alpha(image))


def read_image(path: Path, height: int, width: int, channels: int) -> np.ndarray:
    """Decodes an image file, turns it upright, converts its colours and resizes it.

    The whole picture is stretched to the size wanted (bilinear, with area averaging where it
    shrinks). Sixteen bits become eight; transparency is dropped unless four channels are wanted.

    Returns:
        uint8 [height, width, channels].

    Raises:
        DataError: unreadable, or 32-bit or floating-point values, whose range nobody knows.
    """
    from PIL import Image, ImageOps

    with _opened(path) as image:
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


def _opened(path: Path) -> Any:
    from PIL import Image

    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path of the picture")
    try:
        return Image.open(path)
    # Decoders raise whatever they like at broken files.
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path}: cannot be read as an image ({reason}); repair or remove the file")


def _is_gray(image: Any) -> bool:
    return image.mode in GRAY_MODES or image.mode.startswith("I;16")


def _has_alpha(image: Any) -> bool:
    return image.mode in ALPHA_MODES or "transparency" in image.info


def _converted(image: Any, mode: str, path: Path) -> Any:
    """The picture in an 8-bit mode of PIL."""
    from PIL import Image

    if image.mode in ("I", "F"):
        raise DataError(
            f"{path}: holds {'32-bit' if image.mode == 'I' else 'floating-point'} values; save it "
            "with 8 or 16 bits, or give the samples as an .npz of float32"
        )
    if image.mode.startswith("I;16"):
        # PIL's own conversion clips at 255 instead of scaling.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif _has_alpha(image):
        image = image.convert("RGBA")  # palettes with transparency convert to RGBA alone
    return image if image.mode == mode else image.convert(mode)


def load_picture(
    path: str | Path,
    input_shape: tuple[int, int, int],
    raw_dtype: str = "uint8",
    raw_max: float | None = PICTURE_MAX,
) -> np.ndarray:
    """Turns a user's picture or array into the raw input of a model.

    Args:
        path: an image file, or an .npy array of exactly the raw values.
        input_shape: (h, w, c) of the model; pictures are resized and converted to it.
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
    height, width, channels = input_shape
    if channels not in MODES or raw_max is None or raw_dtype != "uint8":
        raise DataError(
            f"{path}: the model takes {raw_dtype} values {list(input_shape)} that no picture "
            "holds; give an .npy file of that shape, np.save('sample.npy', sample)"
        )
    image = read_image(path, height, width, channels)
    if raw_max == PICTURE_MAX:
        return image
    return np.rint(image * (raw_max / PICTURE_MAX)).astype(np.uint8)


def _load_array(path: Path, input_shape: tuple[int, int, int], raw_dtype: str) -> np.ndarray:
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path of the array")
    try:
        array = np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npy array ({error}); use np.save") from error
    if array.ndim != 3 and array.size == np.prod(input_shape):
        array = _with_axes(array, input_shape)
    if array.shape != input_shape:
        raise DataError(
            f"{path}: shape {list(array.shape)}, expected {list(input_shape)}; arrays are taken as "
            "they are, so resize it first"
        )
    return _as_raw(array, raw_dtype, path)


def _with_axes(array: np.ndarray, input_shape: tuple[int, int, int]) -> np.ndarray:
    """Accepts [1, h, w, c] and, of one channel, [h, w]."""
    if array.shape in ((1, *input_shape), input_shape[:2]):
        return array.reshape(input_shape)
    return array


def _as_raw(array: np.ndarray, raw_dtype: str, path: Path) -> np.ndarray:
    if raw_dtype == "uint8" and array.dtype != np.uint8:
        raise DataError(
            f"{path}: {array.dtype} values, expected uint8 like the training images; save the raw "
            "values with .astype('uint8')"
        )
    if array.dtype.kind not in "fiu":
        raise DataError(f"{path}: {array.dtype} values, expected numbers; save it as float32")
    raw = array.astype(np.dtype(raw_dtype))
    if not np.isfinite(raw).all():
        raise DataError(f"{path}: holds NaN or a value beyond float32; repair the array")
    return raw
