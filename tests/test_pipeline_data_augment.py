"""Flip, shift and cutout, image by image against numpy."""

import numpy as np
import pytest
import tensorflow as tf

from hintlite.pipeline.data.augment import augment, cutout, flip, shift
from hintlite.pipeline.settings.data import AugmentConfig

RNG = np.random.default_rng(0)
COUNT, HEIGHT, WIDTH = 400, 7, 5
IMAGES = RNG.integers(1, 256, (COUNT, HEIGHT, WIDTH, 2), dtype=np.uint8)  # nowhere 0
SEED = tf.constant([3, 4], tf.int64)


def moved(image, down, right):
    """The image moved, with 0 where nothing was."""
    result = np.zeros_like(image)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            if 0 <= row - down < HEIGHT and 0 <= column - right < WIDTH:
                result[row, column] = image[row - down, column - right]
    return result


def test_flip_mirrors_about_half_and_leaves_the_others():
    flipped = flip(IMAGES, SEED).numpy()
    same = (flipped == IMAGES).all(axis=(1, 2, 3))
    mirrored = (flipped == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 160 < mirrored.sum() < 240  # 200 +- 4 deviations of a fair coin


def test_shift_moves_by_every_distance_up_to_the_limit():
    most = 2
    shifted = shift(IMAGES, most, SEED).numpy()
    found = set()
    for before, after in zip(IMAGES, shifted, strict=True):
        distances = [
            (down, right)
            for down in range(-HEIGHT, HEIGHT + 1)
            for right in range(-WIDTH, WIDTH + 1)
            if np.array_equal(moved(before, down, right), after)
        ]
        assert len(distances) == 1
        found.add(distances[0])
    span = range(-most, most + 1)
    assert found == {(down, right) for down in span for right in span}


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_cutout_blanks_one_square(side):
    blank = cutout(IMAGES, side, SEED).numpy()
    holes = (blank == 0).any(axis=-1)
    assert np.array_equal(blank, np.where(holes[..., None], 0, IMAGES))
    middles = set()
    for hole in holes:
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert np.array_equal(hole, np.outer(hole.any(axis=1), hole.any(axis=0)))
        for lines, size in ((rows, HEIGHT), (columns, WIDTH)):
            assert np.array_equal(lines, np.arange(lines[0], lines[-1] + 1))
            at_border = lines[0] == 0 or lines[-1] == size - 1
            assert len(lines) == side or (at_border and len(lines) < side)
        middles.add((rows[0], columns[0], len(rows), len(columns)))
    assert len(middles) > HEIGHT * WIDTH / 2  # all over the image


def test_cutout_is_uniform_over_rows_and_columns():
    hole = (cutout(np.repeat(IMAGES, 5, axis=0), 1, SEED).numpy() == 0).all(axis=-1)
    # 2000 draws: 286 a row and 400 a column, +- 5 deviations
    assert np.abs(hole.sum(axis=(0, 2)) - 2000 / 7).max() < 80
    assert np.abs(hole.sum(axis=(0, 1)) - 400).max() < 90


def test_floating_point_keeps_its_type():
    config = AugmentConfig(flip=True, shift=2, cutout=2)
    changed = augment(IMAGES.astype(np.float32), config, SEED)
    assert changed.dtype == tf.float32
    assert np.array_equal(changed.numpy(), augment(IMAGES, config, SEED).numpy())


def test_nothing_is_changed_where_nothing_is_asked_for():
    assert np.array_equal(augment(IMAGES, AugmentConfig(), SEED), IMAGES)


def test_the_seed_alone_decides():
    config = AugmentConfig(flip=True, shift=2, cutout=2)
    first = augment(IMAGES, config, SEED).numpy()
    assert np.array_equal(first, augment(IMAGES, config, SEED).numpy())
    assert not np.array_equal(first, augment(IMAGES, config, SEED + 1).numpy())


def test_flip_shift_and_cutout_draw_independently():
    together = augment(IMAGES, AugmentConfig(flip=True, shift=1), SEED).numpy()
    flipped = augment(IMAGES, AugmentConfig(flip=True), SEED).numpy()
    seen = set()
    for original, mirrored, both in zip(IMAGES, flipped, together, strict=True):
        was_flipped = not np.array_equal(original, mirrored)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                if np.array_equal(moved(mirrored, down, right), both):
                    seen.add((was_flipped, down, right))
    assert len(seen) == 2 * 3 * 3
