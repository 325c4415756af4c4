"""Small pictures of arrays as PNG data URIs."""

from __future__ import annotations

import base64
import io

import numpy as np


def map_uri(values: np.ndarray, low: float, high: float) -> str:
    """A map `[h, w]` in the viridis colours, `low` dark and `high` bright, a pixel a value."""
    from matplotlib import colormaps

    spread = high - low if high > low else 1.0
    shares = np.clip((np.nan_to_num(values) - low) / spread, 0, 1)
    return png_uri((colormaps["viridis"](shares)[..., :3] * 255).round().astype(np.uint8))


def image_uri(image: np.ndarray, low: float, high: float) -> str:
    """An image `[h, w, channels]` as a person sees it, from `low` (black) to `high` (white).

    One channel is grey, three are red, green, blue, four have an alpha channel, which is left out;
    any other number is shown as its mean.
    """
    spread = high - low if high > low else 1.0
    shares = np.clip((np.nan_to_num(image.astype(np.float64)) - low) / spread, 0, 1)
    if image.shape[-1] in (3, 4):
        shares = shares[..., :3]
    else:
        shares = shares.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    return png_uri((shares * 255).round().astype(np.uint8))


def png_uri(pixels: np.ndarray) -> str:
    """A data URI of uint8 pixels `[h, w, 3]`, or `[h, w, 4]` with opacity."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
