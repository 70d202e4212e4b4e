"""Pictures as they are shown: uint8 of [-1, 1], many of them side by side as one, and as PNG.

n pictures, C channels (1 or 3), H and W pixels.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from torch import Tensor

GAP = 2  # pixels between pictures: enough to tell them apart, too few to see
ENLARGED = 96  # pixels that a picture's side is brought to at least, by whole factors: small ones are hard to see on a page


def eight_bits(pictures: Tensor) -> np.ndarray:
    """float [n, C, H, W] from -1 to 1, clipped there -> uint8 of the same shape."""
    return ((pictures.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()


def grid(pictures: np.ndarray, across: int) -> np.ndarray:
    """uint8 [n, C, H, W] -> one picture [C, H', W'], `across` side by side, white between them and where the last row ends early.

    >>> grid(np.zeros((3, 1, 4, 4), np.uint8), 2).shape
    (1, 10, 10)
    """
    n, C, H, W = pictures.shape
    down = -(-n // across)
    whole = np.full((C, down * (H + GAP) - GAP, across * (W + GAP) - GAP), 255, np.uint8)
    for index, picture in enumerate(pictures):
        y, x = (index // across) * (H + GAP), (index % across) * (W + GAP)
        whole[:, y : y + H, x : x + W] = picture
    return whole


def png(picture: np.ndarray, *, factor: int = 1) -> bytes:
    """uint8 [C, H, W] -> a PNG file, each pixel `factor` pixels wide and high."""
    from PIL import Image

    pixels = picture.transpose(1, 2, 0)  # C H W -> H W C
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    if factor > 1:
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def enlarging(side: int) -> int:
    """The whole factor that brings a picture's side to about half of ENLARGED or more.

    >>> enlarging(28), enlarging(64)
    (2, 1)
    """
    return max(1, round(ENLARGED / 2 / side))


def address(content: bytes) -> str:
    """A PNG file as an address that holds it, for a page that loads nothing."""
    return "data:image/png;base64," + base64.b64encode(content).decode()
