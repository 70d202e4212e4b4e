"""Small pictures for the report."""

from __future__ import annotations

import base64
import io

import numpy as np

from goodfit.base.errors import DataError
from goodfit.data.dataset import Dataset
from goodfit.data.encode_image import fit as fit_images

_SIDE = 96  # pixels: 20 of them stay below half a megabyte


def thumbnails(dataset: Dataset, column: str, rows: np.ndarray) -> list[str | None]:
    """The pictures in these rows as PNGs of 96 x 96 pixels in data URIs; None where one is missing or cannot be read."""
    from PIL import Image

    images = dataset.take(rows, [column]).to_series()
    try:
        encoder = fit_images(column, images, dataset.root, lambda i: dataset.place(int(rows[i])), _SIDE)
        pixels = np.empty((rows.size, encoder.channels, _SIDE, _SIDE), np.uint8)
        encoder.encode_into(pixels, images, dataset.root, lambda i: dataset.place(int(rows[i])))
    except DataError:  # a picture was removed since; the encoder says so where it matters
        return [None] * rows.size
    found: list[str | None] = []
    for picture, missing in zip(pixels.transpose(0, 2, 3, 1), images.is_null(), strict=True):  # n C S S -> n S S C
        content = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture if encoder.channels == 3 else picture[..., 0])).save(content, "PNG", optimize=True)
        found.append(None if missing else "data:image/png;base64," + base64.b64encode(content.getvalue()).decode())
    return found
