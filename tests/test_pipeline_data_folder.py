"""Folders of pictures: layouts, colours, sizes, and which files are opened."""

import logging

import numpy as np
import pytest
from PIL import Image

from hintlite.errors import DataError
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.settings.data import DataConfig

RNG = np.random.default_rng(0)


def config(root, **changes):
    return DataConfig(
        source="folder",
        path=str(root),
        **{"calibration_samples": 4, "validation_fraction": 0.25, **changes},
    )


def write(path, shape=(6, 8), mode="L", **options):
    """A picture of random pixels; returns them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = RNG.integers(0, 256, (*shape, channels), np.uint8)
    Image.fromarray(pixels.squeeze()).save(path, **options)
    return pixels


def write_classes(root, names=("cat", "dog"), count=10, **options):
    return {
        f"{name}/{number:02}.png": write(root / name / f"{number:02}.png", **options)
        for name in names
        for number in range(count)
    }


def test_pictures_come_sorted_by_class_and_name(tmp_path):
    pixels = write_classes(tmp_path)
    training = load_training(config(tmp_path))
    assert training.class_names == ("cat", "dog")
    assert training.input_shape == (6, 8, 1)
    expected = np.stack(list(pixels.values()))[training.source_rows]
    assert np.array_equal(training.images, expected)
    assert np.array_equal(training.labels, training.source_rows // 10)


def test_pictures_of_the_test_part_are_not_opened(tmp_path):
    pixels = write_classes(tmp_path)
    first = load_training(config(tmp_path))
    assert len(first.test_rows) == 4
    names = list(pixels)
    for row in first.test_rows:
        (tmp_path / names[row]).write_bytes(b"no picture")
    again = load_training(config(tmp_path))
    assert again.fingerprint == first.fingerprint
    with pytest.raises(DataError, match=rf"{names[first.test_rows[0]]}: cannot be read"):
        load_test(config(tmp_path), first)


def test_the_part_set_aside_is_read_in_the_shape_of_training(tmp_path):
    pixels = write_classes(tmp_path)
    training = load_training(config(tmp_path))
    test = load_test(config(tmp_path), training)
    assert np.array_equal(test.images, np.stack(list(pixels.values()))[training.test_rows])
    assert np.array_equal(test.labels, training.test_rows // 10)


def test_train_and_test_folders(tmp_path):
    write_classes(tmp_path / "train", ("a", "b", "c"))
    wanted = write(tmp_path / "test" / "c" / "only.png", (20, 30))
    training = load_training(config(tmp_path))
    assert len(training.images) == 30
    assert training.test_rows.size == 0
    test = load_test(config(tmp_path), training)
    assert test.labels.tolist() == [2]
    assert test.images.shape == (1, 6, 8, 1)
    resized = Image.fromarray(wanted.squeeze()).resize((8, 6), Image.Resampling.BILINEAR)
    assert np.array_equal(test.images[0, ..., 0], np.asarray(resized))


def test_a_test_class_without_training_is_refused(tmp_path):
    write_classes(tmp_path / "train")
    write(tmp_path / "test" / "cow" / "0.png")
    training = load_training(config(tmp_path))
    with pytest.raises(DataError, match=r"class cow, expected folders named as in .*cat, dog"):
        load_test(config(tmp_path), training)


def test_classes_may_be_called_train_and_test(tmp_path):
    write_classes(tmp_path, ("test", "train"))
    assert load_training(config(tmp_path)).class_names == ("test", "train")


def test_a_third_folder_beside_train_and_test_is_refused(tmp_path):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "val")
    with pytest.raises(DataError, match="there is val/, but only train/ and test/ are read"):
        load_training(config(tmp_path))


def test_the_median_size_is_taken_and_told(tmp_path, caplog):
    write_classes(tmp_path, count=6)
    for number, shape in enumerate([(10, 4), (30, 12), (50, 40)]):
        write(tmp_path / "cat" / f"large{number}.png", shape)
    with caplog.at_level(logging.INFO):
        training = load_training(config(tmp_path, test_fraction=0.15))
    assert training.input_shape == (6, 8, 1)
    assert "read as 6 x 8 (height x width) grayscale" in caplog.text


def test_the_size_wanted_is_the_size_given(tmp_path):
    write_classes(tmp_path)
    training = load_training(config(tmp_path, image_height=3, image_width=5))
    assert training.input_shape == (3, 5, 1)
    assert load_training(config(tmp_path, image_width=5)).input_shape == (6, 5, 1)
    everything = config(tmp_path, image_height=3, image_width=5, color="rgb")
    assert load_training(everything).input_shape == (3, 5, 3)


@pytest.mark.parametrize(
    ("modes", "channels"),
    [
        (("L", "L"), 1),
        (("L", "LA"), 1),
        (("L", "RGB"), 3),
        (("RGB", "RGBA"), 3),
        (("L", "RGBA"), 3),
        (("RGBA", "RGBA"), 4),
        (("RGBA", "LA"), 4),
    ],
)
def test_colours_follow_the_pictures(tmp_path, modes, channels):
    for name, mode in zip(("one", "two"), modes, strict=True):
        write_classes(tmp_path, (name,), mode=mode)
    assert load_training(config(tmp_path)).input_shape == (6, 8, channels)


@pytest.mark.parametrize(("color", "channels"), [("grayscale", 1), ("rgb", 3), ("rgba", 4)])
def test_colours_wanted_are_colours_given(tmp_path, color, channels):
    write_classes(tmp_path, mode="RGB")
    assert load_training(config(tmp_path, color=color)).input_shape == (6, 8, channels)


def test_other_formats_and_other_files(tmp_path, caplog):
    write_classes(tmp_path)
    for name, ending in (("cat", "JPG"), ("dog", "bmp"), ("dog", "webp"), ("cat", "gif")):
        write(tmp_path / name / f"more.{ending}")
    (tmp_path / "cat" / "notes.txt").write_text("not a picture")
    (tmp_path / "cat" / ".hidden.png").write_text("not a picture")
    (tmp_path / ".thumbnails").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    training = load_training(config(tmp_path))
    assert len(training.images) + len(training.test_rows) == 24
    assert "1 files are no pictures, such as notes.txt" in caplog.text


def test_limit_reads_no_more_than_it_needs(tmp_path):
    names = list(write_classes(tmp_path))
    first = load_training(config(tmp_path, limit=8))
    assert len(first.images) == 8
    for row in set(range(20)) - set(first.source_rows.tolist()):
        (tmp_path / names[row]).write_bytes(b"no picture")
    assert load_training(config(tmp_path, limit=8)).fingerprint == first.fingerprint


def test_a_missing_or_empty_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        load_training(config(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="no folders in it"):
        load_training(config(tmp_path))


def test_a_class_without_pictures_is_named(tmp_path):
    write_classes(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no pictures directly in this class folder"):
        load_training(config(tmp_path))


def test_a_single_class_is_refused(tmp_path):
    write_classes(tmp_path, ("cat",))
    with pytest.raises(DataError, match=r"only one class \(cat\)"):
        load_training(config(tmp_path))


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n rubbish", b"text"])
def test_an_unreadable_picture_is_named(tmp_path, content):
    write_classes(tmp_path, count=40)
    for number in range(20):  # some of them are in the training part
        (tmp_path / "cat" / f"{number:02}.png").write_bytes(content)
    with pytest.raises(DataError, match=r"cat/\d\d\.png: cannot be read as an image"):
        load_training(config(tmp_path))


def test_a_truncated_picture_is_named(tmp_path):
    write_classes(tmp_path, count=3)
    write(tmp_path / "cat" / "00.jpg", (64, 64))
    for path in sorted((tmp_path / "cat").iterdir()):
        path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"cat/0\d\.\w+: cannot be read as an image"):
        load_training(config(tmp_path, calibration_samples=1))
