"""Image files and arrays on their way to a model's raw input."""

import numpy as np
import pytest
from PIL import Image

from hintlite.errors import DataError
from hintlite.pipeline.data.picture import load_picture, read_header, read_image

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (6, 8), np.uint8)
COLOUR = RNG.integers(0, 256, (6, 8, 3), np.uint8)


def saved(tmp_path, pixels, name="picture.png", **options):
    Image.fromarray(pixels).save(tmp_path / name, **options)
    return tmp_path / name


def test_a_picture_of_the_right_size_is_taken_pixel_by_pixel(tmp_path):
    raw = load_picture(saved(tmp_path, COLOUR), (6, 8, 3))
    assert raw.dtype == np.uint8
    assert np.array_equal(raw, COLOUR)


def test_another_size_is_stretched(tmp_path):
    # left half 0, right half 200: the filter mixes them in the middle columns alone
    halves = np.repeat([[0, 200]], [20, 20], axis=1).repeat(30, axis=0).astype(np.uint8)
    raw = load_picture(saved(tmp_path, halves), (6, 8, 1))[..., 0]
    assert raw[:, [0, 1, 2, 5, 6, 7]].tolist() == [[0, 0, 0, 200, 200, 200]] * 6


def test_colours_follow_the_channels(tmp_path):
    gray = load_picture(saved(tmp_path, COLOUR), (6, 8, 1))
    # ITU-R BT.601 luma, as PIL's documentation of "L" states it
    luma = COLOUR @ np.array([0.299, 0.587, 0.114])
    assert np.abs(gray[..., 0] - luma).max() <= 1
    rgb = load_picture(saved(tmp_path, GRAY), (6, 8, 3))
    assert np.array_equal(rgb, np.stack([GRAY] * 3, axis=-1))
    rgba = load_picture(saved(tmp_path, COLOUR), (6, 8, 4))
    assert np.array_equal(rgba[..., :3], COLOUR)
    assert (rgba[..., 3] == 255).all()


def test_transparency_is_dropped_where_it_is_not_wanted(tmp_path):
    pixels = np.concatenate([COLOUR, np.full((6, 8, 1), 128, np.uint8)], axis=-1)
    path = saved(tmp_path, pixels)
    assert np.array_equal(load_picture(path, (6, 8, 4)), pixels)
    assert np.array_equal(load_picture(path, (6, 8, 3)), COLOUR)
    assert read_header(path).alpha


def test_a_palette_with_transparency_is_read(tmp_path, recwarn):
    pixels = np.concatenate([COLOUR, np.full((6, 8, 1), 255, np.uint8)], axis=-1)
    palette = Image.fromarray(pixels).quantize(48)
    palette.save(tmp_path / "palette.png", transparency=b"\x00\xff")
    raw = read_image(tmp_path / "palette.png", 6, 8, 3)
    assert np.array_equal(raw, np.asarray(palette.convert("RGB")))
    assert read_header(tmp_path / "palette.png").alpha
    assert not recwarn.list


def test_sixteen_bits_become_eight(tmp_path):
    path = saved(tmp_path, np.array([[0, 255, 256, 32768, 65535]], np.uint16))
    assert read_header(path).gray
    assert load_picture(path, (1, 5, 1)).ravel().tolist() == [0, 0, 1, 128, 255]


def test_a_photo_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the stored picture is rotated by 90 degrees
    path = saved(tmp_path, GRAY, exif=exif)
    header = read_header(path)
    assert (header.height, header.width) == (8, 6)
    assert np.array_equal(read_image(path, 8, 6, 1)[..., 0], np.rot90(GRAY, -1))


def test_the_full_scale_of_the_raw_values_is_met(tmp_path):
    path = saved(tmp_path, np.array([[0, 16, 128, 255]], np.uint8))
    # 16 * v / 255 = 0, 1.004, 8.03, 16
    assert load_picture(path, (1, 4, 1), raw_max=16.0).ravel().tolist() == [0, 1, 8, 16]


@pytest.mark.parametrize(
    "pixels", [np.zeros((3, 3), np.float32), np.full((3, 3), 70000, np.int32)], ids=["F", "I"]
)
def test_values_of_unknown_range_are_refused(tmp_path, pixels):
    with pytest.raises(DataError, match=r"picture\.tiff: holds .* values"):
        load_picture(saved(tmp_path, pixels, "picture.tiff"), (3, 3, 1))


def test_a_missing_file_is_named(tmp_path):
    for name in ("no.png", "no.npy"):
        with pytest.raises(DataError, match=rf"{name}: no such file"):
            load_picture(tmp_path / name, (6, 8, 1))


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(DataError, match=r"text\.png: cannot be read as an image"):
        load_picture(tmp_path / "text.png", (6, 8, 1))


def test_a_picture_too_large_to_be_true_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match="exceeds limit"):
        load_picture(saved(tmp_path, GRAY), (6, 8, 1))


@pytest.mark.parametrize(
    ("shape", "dtype", "raw_max"),
    [((49, 10, 2), "uint8", 255.0), ((6, 8, 1), "float32", None), ((6, 8, 1), "uint8", None)],
)
def test_a_picture_where_only_an_array_can_be_meant(tmp_path, shape, dtype, raw_max):
    with pytest.raises(DataError, match=r"give an \.npy file"):
        load_picture(saved(tmp_path, GRAY), shape, dtype, raw_max)


def stored(tmp_path, array):
    np.save(tmp_path / "sample.npy", array)
    return tmp_path / "sample.npy"


def test_arrays_are_taken_as_they_are(tmp_path):
    for array in (GRAY, GRAY[..., None], GRAY[None, ..., None]):
        assert np.array_equal(load_picture(stored(tmp_path, array), (6, 8, 1))[..., 0], GRAY)
    for other in (np.int64, np.float32):  # the same values
        raw = load_picture(stored(tmp_path, GRAY.astype(other)), (6, 8, 1))
        assert raw.dtype == np.uint8
        assert np.array_equal(raw[..., 0], GRAY)
    raw = load_picture(stored(tmp_path, GRAY / 7), (6, 8, 1), "float32", None)
    assert raw.dtype == np.float32
    np.testing.assert_allclose(raw[..., 0], GRAY / 7, rtol=1e-6)


@pytest.mark.parametrize(
    ("array", "dtype", "said"),
    [
        (GRAY.T, "uint8", r"shape \[8, 6\], expected \[6, 8, 1\]"),
        (COLOUR, "uint8", r"expected \[6, 8, 1\]"),
        (GRAY.ravel(), "uint8", r"shape \[48\]"),
        (GRAY / 255, "uint8", r"float64 values from 0\.01.* whole numbers from 0 to 255"),
        (GRAY.astype(np.int16) - 300, "uint8", r"int16 values from -\d+ to -\d+, but"),
        (np.full((6, 8), np.nan), "uint8", "whole numbers from 0 to 255"),
        (GRAY.astype(str), "float32", "expected numbers"),
        (np.full((6, 8), np.nan), "float32", "NaN"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, dtype, said):
    with pytest.raises(DataError, match=rf"sample\.npy: .*{said}"):
        load_picture(stored(tmp_path, array), (6, 8, 1), dtype)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 half an archive"])
def test_a_file_that_is_no_array_is_named(tmp_path, content):
    (tmp_path / "sample.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"sample\.npy: not a readable"):
        load_picture(tmp_path / "sample.npy", (6, 8, 1))


def test_pickled_arrays_are_not_loaded(tmp_path):
    with pytest.raises(DataError, match=r"sample\.npy: not a readable"):
        load_picture(stored(tmp_path, np.array([{}], object)), (6, 8, 1))
