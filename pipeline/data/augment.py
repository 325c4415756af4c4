"""Changes to whole batches of training samples, by stateless random operations.

Images are changed raw, series and rows of tables as they are fed: a jitter is one in deviations of
their channels, and a masked stretch is their mean.

What happens to a batch depends on its seed alone, so a resumed training sees the same images.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hintlite.pipeline.settings.data import AugmentConfig

# Named, since the automatic choice depends on the device.
GENERATOR = "philox"

PLAIN, MIRRORED = 0, 1  # views: what can become of an image where nothing but flips are drawn
VIEW_NAMES = ("plain", "mirrored")


def views(config: AugmentConfig) -> tuple[int, ...] | None:
    """Everything that `augment` can make of an image, or None where it is too much to list."""
    if not config.few_views:
        return None
    return (PLAIN, MIRRORED) if config.flip else (PLAIN,)


def drawn_views(count: Any, config: AugmentConfig, seed: Any) -> Any:
    """Which view of each image `augment` draws with the same seed.

    Shifts and squares cut out are left out of account: only where `views` lists everything does
    the view alone tell what the image looks like.

    Args:
        count: images in the batch.
        config: as given to `augment`.
        seed: int64 [2], as given to `augment`.

    Returns:
        int32 [count]: PLAIN or MIRRORED.
    """
    if not config.flip:
        return tf.zeros([count], tf.int32)
    return tf.cast(_mirrored(count, tf.random.split(seed, 3, alg=GENERATOR)[0]), tf.int32)


def view_of(images: Any, view: int) -> Any:
    """The images [b, h, w, c] as that view shows them."""
    return tf.reverse(images, axis=[2]) if view == MIRRORED else images


def augment(images: Any, config: AugmentConfig, seed: Any) -> Any:
    """Flips, then shifts, then cuts out.

    Args:
        images: raw [b, h, w, c], any type.
        config: which changes, and how large.
        seed: int64 [2].

    Returns:
        The changed images, same shape and type.
    """
    seeds = tf.random.split(seed, 3, alg=GENERATOR)
    if config.flip:
        images = flip(images, seeds[0])
    if config.shift:
        images = shift(images, config.shift, seeds[1])
    if config.cutout:
        images = cutout(images, config.cutout, seeds[2])
    return images


def change_fed(samples: Any, config: AugmentConfig, seed: Any) -> Any:
    """Moves series in time, scales and jitters values, then masks time.

    Args:
        samples: as they are fed, float32 [b, time, channels] or rows of a table [b, c].
        config: which changes, and how large.
        seed: int64 [2].

    Returns:
        The changed samples, same shape.
    """
    seeds = tf.random.split(seed, 4, alg=GENERATOR)
    if config.time_shift:
        samples = time_shift(samples, config.time_shift, seeds[0])
    if config.scaling:
        shape = tf.concat([tf.shape(samples)[:1], tf.ones_like(tf.shape(samples)[1:-1])], axis=0)
        shape = tf.concat([shape, tf.shape(samples)[-1:]], axis=0)
        samples *= 1.0 + config.scaling * _normal(shape, seeds[1])
    if config.jitter:
        samples += config.jitter * _normal(tf.shape(samples), seeds[2])
    if config.time_mask:
        samples = time_mask(samples, config.time_mask, seeds[3])
    return samples


def time_shift(samples: Any, most: int, seed: Any) -> Any:
    """Moves each series by -most to most time steps; its first or last step fills the gap."""
    count, time = tf.unstack(tf.shape(samples)[:2])
    moved = tf.range(time) - _integers([count, 1], seed, -most, most)
    return tf.gather(samples, tf.clip_by_value(moved, 0, time - 1), axis=1, batch_dims=1)


def time_mask(samples: Any, most: int, seed: Any) -> Any:
    """Sets a stretch of 0 to most time steps to 0 (SpecAugment, arXiv 1904.08779, section 2)."""
    count, time = tf.unstack(tf.shape(samples)[:2])
    seeds = tf.random.split(seed, 2, alg=GENERATOR)
    length = _integers([count, 1], seeds[0], 0, most)
    first = _integers([count, 1], seeds[1], 0, time - 1)
    place = tf.range(time) - first
    inside = (place >= 0) & (place < length)
    return tf.where(inside[..., tf.newaxis], tf.zeros([], samples.dtype), samples)


def _normal(shape: Any, seed: Any) -> Any:
    return tf.random.stateless_normal(shape, seed, alg=GENERATOR)


def flip(images: Any, seed: Any) -> Any:
    """Mirrors each image left to right with probability 1/2."""
    chosen = _mirrored(tf.shape(images)[0], seed)
    return tf.where(
        chosen[:, tf.newaxis, tf.newaxis, tf.newaxis], view_of(images, MIRRORED), images
    )


def _mirrored(count: Any, seed: Any) -> Any:
    """Which of `count` images `flip` mirrors, bool [count]."""
    return _integers([count], seed, 0, 1) == 1


def shift(images: Any, most: int, seed: Any) -> Any:
    """Moves each image by -most to most pixels down and right; the raw value 0 comes in.

    Both distances are uniform whole numbers. This is the random crop of a zero-padded image
    (He et al. 2016, section 4.2).
    """
    count, height, width = tf.unstack(tf.shape(images)[:3])
    start = _integers([2, count, 1], seed, 0, 2 * most)
    padded = tf.pad(images, [[0, 0], [most, most], [most, most], [0, 0]])
    rows = start[0] + tf.range(height)
    columns = start[1] + tf.range(width)
    moved = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(moved, columns, axis=2, batch_dims=1)


def cutout(images: Any, side: int, seed: Any) -> Any:
    """Sets one square of each image to the raw value 0 (DeVries & Taylor, arXiv 1708.04552).

    The square's middle is uniform over the image, so a part of it may lie outside.
    """
    count, height, width = tf.unstack(tf.shape(images)[:3])
    seeds = tf.random.split(seed, 2, alg=GENERATOR)
    inside_rows = _span(_integers([count, 1], seeds[0], 0, height - 1), side, height)
    inside_columns = _span(_integers([count, 1], seeds[1], 0, width - 1), side, width)
    square = inside_rows[:, :, tf.newaxis] & inside_columns[:, tf.newaxis, :]
    return tf.where(square[..., tf.newaxis], tf.zeros([], images.dtype), images)


def _span(middle: Any, side: int, length: Any) -> Any:
    """Which of `length` pixels lie in the stretch of `side` pixels around the middle."""
    place = tf.range(length) - (middle - side // 2)
    return (place >= 0) & (place < side)


def _integers(shape: Any, seed: Any, low: Any, high: Any) -> Any:
    """Uniform int32 from low to high, both included."""
    return tf.random.stateless_uniform(
        shape, seed, minval=low, maxval=high + 1, dtype=tf.int32, alg=GENERATOR
    )
