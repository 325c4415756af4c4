"""Folders of pictures: layouts, colours, sizes, and which files are opened."""

import zlib

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


def undecodable():
    """A PNG of 8 x 6 whose checksums are right, but whose pixels cannot be unpacked."""
    chunks = [
        (b"IHDR", (8).to_bytes(4) + (6).to_bytes(4) + bytes([8, 0, 0, 0, 0])),
        (b"IDAT", b"no zlib stream"),
        (b"IEND", b""),
    ]
    packed = (
        len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
        for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_pictures_of_the_test_part_are_not_decoded(tmp_path):
    pixels = write_classes(tmp_path)
    first = load_training(config(tmp_path))
    assert len(first.test_rows) == 4
    names = list(pixels)
    for row in first.test_rows:
        (tmp_path / names[row]).write_bytes(undecodable())
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
    with pytest.raises(DataError, match=r"class cow, expected folders named as in .*cat, dog"):
        load_training(config(tmp_path))


def test_classes_may_be_called_train_and_test(tmp_path):
    write_classes(tmp_path, ("test", "train"))
    assert load_training(config(tmp_path)).class_names == ("test", "train")


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_folder_is_the_validation_part(tmp_path, name):
    trained = write_classes(tmp_path / "train", count=5)
    chosen = write_classes(tmp_path / name, ("dog",), count=3)
    write_classes(tmp_path / "test", count=2)
    training = load_training(config(tmp_path))
    assert np.array_equal(training.images[training.train], np.stack(list(trained.values())))
    assert np.array_equal(training.images[training.validation], np.stack(list(chosen.values())))
    assert training.labels[training.validation].tolist() == [1, 1, 1]
    assert len(load_test(config(tmp_path), training).labels) == 4


def test_another_folder_beside_train_and_test_is_refused(tmp_path):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "val")
    write_classes(tmp_path / "more")
    with pytest.raises(DataError, match="there is more/, val/, but only train/, test/ and one of"):
        load_training(config(tmp_path))
    (tmp_path / "more").rename(tmp_path / "valid")
    with pytest.raises(DataError, match="there is val/, valid/, but only"):
        load_training(config(tmp_path))


def test_the_median_size_is_taken_and_told(tmp_path):
    write_classes(tmp_path, count=6)
    for number, shape in enumerate([(10, 4), (30, 12), (50, 40)]):
        write(tmp_path / "cat" / f"large{number}.png", shape)
    training = load_training(config(tmp_path, test_fraction=0.15))
    assert training.input_shape == (6, 8, 1)
    read = [note for note in training.notes if note.startswith("pictures: ")]
    resized = sum(name.startswith("large") for name in names_of(training, tmp_path))
    assert read == [f"pictures: read as 6 x 8 (height x width) grayscale, {resized} of 13 resized"]


def names_of(training, root):
    """File names of the samples to train on and to validate on."""
    paths = sorted(root.glob("*/*"))
    return [paths[row].name for row in training.source_rows]


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


def test_other_formats_and_other_files(tmp_path):
    write_classes(tmp_path)
    for name, ending in (("cat", "JPG"), ("dog", "bmp"), ("dog", "webp"), ("cat", "gif")):
        write(tmp_path / name / f"more.{ending}")
    (tmp_path / "cat" / "notes.txt").write_text("not a picture")
    (tmp_path / "cat" / ".hidden.png").write_text("not a picture")
    (tmp_path / ".thumbnails").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / ".DS_Store").write_bytes(b"")
    write(tmp_path / "stray.png")
    write(tmp_path / "dog" / "deeper" / "0.png")
    training = load_training(config(tmp_path))
    assert len(training.images) + len(training.test_rows) == 24
    told = "\n".join(training.notes)
    assert "cat: 1 file (notes.txt) is no picture, not read" in told
    assert "1 file (stray.png) beside the class folders not read" in told
    assert "dog: folders in it not read (deeper)" in told
    assert "hidden" not in told
    assert "DS_Store" not in told


def test_limit_reads_no_more_than_it_needs(tmp_path):
    names = list(write_classes(tmp_path))
    first = load_training(config(tmp_path, limit=8))
    assert len(first.images) == 8
    for row in set(range(20)) - set(first.source_rows.tolist()):
        (tmp_path / names[row]).write_bytes(undecodable())
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
    write(tmp_path / "empty" / "deeper" / "0.png")
    with pytest.raises(DataError, match=r"empty: no pictures .*it has folders \(deeper/\)"):
        load_training(config(tmp_path))


def test_a_single_class_is_refused(tmp_path):
    write_classes(tmp_path, ("cat",))
    with pytest.raises(DataError, match=r"only one class \(cat\)"):
        load_training(config(tmp_path))


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n rubbish", b"text"])
def test_all_unreadable_pictures_are_named_at_once(tmp_path, content):
    write_classes(tmp_path, count=40)
    for number in range(25):
        (tmp_path / "cat" / f"{number:02}.png").write_bytes(content)
    with pytest.raises(DataError) as refused:
        load_training(config(tmp_path))
    said = str(refused.value)
    assert all(f"cat/{number:02}.png: cannot be read as an image" in said for number in range(20))
    assert "cat/20.png" not in said
    assert "and 5 more" in said
    assert "25 of 80 pictures cannot be read" in said
    assert "data.skip_broken" in said


def test_it_goes_on_without_broken_pictures_where_it_is_told_to(tmp_path):
    pixels = write_classes(tmp_path / "train", count=8)
    write_classes(tmp_path / "test", count=3)
    (tmp_path / "train" / "cat" / "03.png").write_bytes(b"no picture")
    (tmp_path / "test" / "dog" / "01.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="2 of 22 pictures cannot be read"):
        load_training(config(tmp_path))
    settings = config(tmp_path, skip_broken=True)
    training = load_training(settings)
    whole = [pixels[name] for name in pixels if name != "cat/03.png"]
    assert np.array_equal(training.images, np.stack(whole))
    assert training.labels.tolist() == [0] * 7 + [1] * 8
    told = "\n".join(training.notes)
    assert "broken: 1 of 16 pictures left out" in told
    assert "cat/03.png: cannot be read" in told
    assert "broken: 1 of 6 pictures left out" in told
    assert load_test(settings, training).labels.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "gif", "webp", "tiff"])
def test_a_picture_that_is_cut_short_is_broken(tmp_path, ending):
    write_classes(tmp_path, count=3)
    path = tmp_path / "cat" / f"large.{ending}"
    write(path, (64, 64))
    load_training(config(tmp_path))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match=rf"large\.{ending}: cannot be read.*\n.*1 of 7 pictures"):
        load_training(config(tmp_path))


def test_a_jpeg_that_fails_in_decoding_alone_is_broken_too(tmp_path):
    """Cut short, it still has an end mark: that of the thumbnail in it."""
    write_classes(tmp_path / "train", count=3)
    write_classes(tmp_path / "test", count=3)
    for part in ("train", "test"):
        path = tmp_path / part / "cat" / "large.jpg"
        write(path, (64, 64))
        content = path.read_bytes()
        thumbnail = b"\xff\xe1\x00\x06ab\xff\xd9"  # with an end of its own
        path.write_bytes(content[:2] + thumbnail + content[2:-300])
    (tmp_path / "train" / "dog" / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"dog/1\.png"):
        load_training(config(tmp_path))
    (tmp_path / "train" / "dog" / "1.png").unlink()
    with pytest.raises(DataError, match=r"large\.jpg: cannot be read.*\n.*1 of .*data.skip_broken"):
        load_training(config(tmp_path))
    settings = config(tmp_path, skip_broken=True)
    training = load_training(settings)
    assert len(training.labels) == 6
    assert "broken: 1 of 7 pictures left out" in "\n".join(training.notes)
    assert len(load_test(settings, training).labels) == 6


def test_a_jpeg_with_something_behind_its_end_is_whole(tmp_path):
    write_classes(tmp_path, count=3)
    path = tmp_path / "cat" / "camera.jpg"
    write(path, (64, 64))
    path.write_bytes(path.read_bytes() + bytes(1000))
    assert len(load_training(config(tmp_path)).source_rows) == 5  # of 7, 2 for the test


def test_sixteen_bits_are_told_and_refused_where_nothing_would_be_left(tmp_path):
    write_classes(tmp_path, ("cat",))
    for number in range(10):
        path = tmp_path / "dog" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(RNG.integers(0, 65536, (6, 8), np.uint16)).save(path)
    notes = load_training(config(tmp_path)).notes
    assert "pictures: 8 have 16 bits, of which the upper 8 are read" in notes
    for number in range(10):
        Image.fromarray(RNG.integers(0, 4096, (6, 8), np.uint16)).save(
            tmp_path / "dog" / f"{number}.png"
        )
    with pytest.raises(DataError, match=r"16 bits, but no value above 4096.*uint16"):
        load_training(config(tmp_path))
