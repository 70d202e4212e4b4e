"""Images to uint8 [C, S, S]: decoded once, brought to one size, grey where the training images are grey.

n rows, C channels (1 or 3), S side in pixels.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from goodfit.base.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

# What Pillow decodes by itself and from memory alone; others start programs (EPS) or are no photographs.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
LARGEST = 89_478_485  # pixels; a quarter GiB of RGB, where Pillow begins to suspect a decompression bomb
SMALLEST_SIDE, LARGEST_SIDE = 8, 64  # of the side that is chosen: below 8 nothing is left to see, and cost grows with its square
SAMPLE = 512  # training images that size, channels, mean and standard deviation are taken from: a million pixels and more
_SAMPLE_BYTES = 1 << 26  # of the decoded sample: fewer images where they are large
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and its values with which width and height change places
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")

_Item = str | np.ndarray | None
Place = Callable[[int], tuple[str | None, int]]  # position in the values -> file of the table and 1-based row


@dataclass(frozen=True)
class ImageEncoder:
    """The image column. mean, std: of the training pixels per channel, in units of the brightest value (0 to 1)."""

    column: str
    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def encode_into(self, out: np.ndarray, images: pl.Series, root: Path | None, place: Place) -> None:
        """Bring n images into `out` uint8 [n, C, S, S], on all cores; a missing one gets the mean colour.

        images: paths (String) below `root`, or decoded already (Array of UInt8 [H, W] or [H, W, 1 to 4 channels], see `data.pictures`).
        The picture is turned upright (EXIF) and shrunk or enlarged to fit into the square with its proportions kept; the rest of the square
        gets the picture's mean colour, so nothing is cut off. Transparent parts become white, 16-bit and floating-point pixels 8-bit.
        Raises DataError with the row of the first image that cannot be read.
        """
        blank = np.array([round(255 * mean) for mean in self.mean], np.uint8)[:, None, None]  # C 1 1

        def decode(job: tuple[int, _Item]) -> None:
            index, item = job
            out[index] = blank if item is None else _pixels(_opened(item, root, lambda: place(index), self), self.channels, self.size)

        _on_all_cores(decode, list(enumerate(_items(images))))

    def inputs(self) -> dict[str, Any]:
        """The specification of the network's image input."""
        return {
            "column": self.column,
            "channels": self.channels,
            "height": self.size,
            "width": self.size,
            "mean": [*self.mean],
            "std": [*self.std],
        }

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ImageEncoder:
        return cls(**{**document, "mean": tuple(document["mean"]), "std": tuple(document["std"])})


def size_of(path: str, where: Callable[[], tuple[str | None, int]]) -> tuple[int, int]:
    """Width and height of a picture as it is seen upright, from the head of its file. Raises DataError with file and row."""
    from PIL import Image

    try:
        with _quiet(), Image.open(path, formats=FORMATS) as image:
            turned = image.getexif().get(_ORIENTATION) in _LYING
            return (image.height, image.width) if turned else image.size
    except Exception as problem:  # as of `_opened`
        table, row = where()
        what = "is none" if isinstance(problem, Image.UnidentifiedImageError) else f"cannot be opened ({problem})"
        raise DataError(
            f"an image must be a readable file of {', '.join(FORMATS)}; {path!r} {what}", file=table or path, row=row, value=path
        ) from problem


def upright(path: str, root: Path) -> Image:
    """A picture below `root` as it is seen. Raises DataError."""
    with _quiet():
        return _flat(_opened(path, root, lambda: (None, 1), None), "RGB")


def fit(
    column: str,
    images: pl.Series,
    root: Path | None,
    place: Place,
    size: int | None,
    channels: int | None = None,
    *,
    largest: int = LARGEST_SIDE,
    multiple: int = 1,
) -> ImageEncoder:
    """Size, channels, mean and standard deviation from (a sample of) the training images, paths or arrays as in `encode_into`.

    size: side in pixels; the median of the longer sides between SMALLEST_SIDE and `largest` when None, rounded up to a multiple of `multiple`.
    channels: 1 or 3; by whether all are grey when None.
    """
    jobs = [(index, item) for index, item in enumerate(_items(images)) if item is not None]
    if not jobs:
        raise DataError(f"column {column!r} must name at least one image in the training rows; all of them are missing", column=column)

    def look(job: tuple[int, _Item]) -> tuple[int, bool]:
        image = _opened(job[1], root, lambda: place(job[0]), None)
        return max(image.size), _is_grey(image)

    seen = _on_all_cores(look, jobs)
    usual = int(np.clip(np.median([longer for longer, _ in seen]), SMALLEST_SIDE, largest))
    side = size or -(-usual // multiple) * multiple
    channels = channels or (1 if all(grey for _, grey in seen) else 3)
    encoder = ImageEncoder(column, channels, side, (0.0,) * channels, (1.0,) * channels)
    rows = [index for index, _ in jobs[: max(16, _SAMPLE_BYTES // (channels * side**2))]]
    pixels = np.empty((len(rows), channels, side, side), np.uint8)
    encoder.encode_into(pixels, images.gather(rows), root, lambda position: place(rows[position]))
    counts = sum(np.stack([np.bincount(channel.ravel(), minlength=256) for channel in image]) for image in pixels)  # C 256
    values = np.arange(256) / 255
    mean = counts @ values / (len(rows) * side**2)
    std = np.sqrt((counts * (values - mean[:, None]) ** 2).sum(axis=1) / (len(rows) * side**2))
    std = np.where(std > 0, std, 1.0)  # a channel that never varies is only centred
    return ImageEncoder(column, channels, side, tuple(mean.tolist()), tuple(std.tolist()))


def _items(images: pl.Series) -> list[_Item]:
    """A path or uint8 pixels [H, W] or [H, W, C] for each image, None where there is none."""
    if not isinstance(images.dtype, pl.Array):
        return images.to_list()
    shape, pixels = images.dtype.shape, images.drop_nulls().to_numpy()
    filled = iter(pixels[..., 0] if len(shape) == 3 and shape[2] == 1 else pixels)
    return [next(filled) if known else None for known in images.is_not_null()]


def _on_all_cores(work: Callable[[Any], Any], jobs: list[Any]) -> list[Any]:
    """The results in the order of the jobs; the error of the first job that failed. Pillow decodes outside of Python's lock."""
    with _quiet(), ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        try:
            return list(pool.map(work, jobs))
        except BaseException:  # Ctrl-C too must not wait for every picture; raised again
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow warns of odd files that it can read; the rest are errors of ours. Set outside of the threads, since filters are global."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _opened(item: _Item, root: Path | None, where: Callable[[], tuple[str | None, int]], encoder: ImageEncoder | None) -> Image:
    """The decoded image, upright. Raises DataError with file and row."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if isinstance(item, np.ndarray):
        return Image.fromarray(item)
    assert item is not None
    path = item

    def error(what: str) -> DataError:
        table, row = where()
        return DataError(f"an image must be a readable file of {', '.join(FORMATS)}; {what}", file=table or path, row=row, value=path)

    full = os.path.normpath(os.path.join(root or "", path))
    if root is not None and not Path(full).is_relative_to(os.path.normpath(root)):
        raise error(f"{path!r} leaves the folder {root}; give paths inside it")
    if not os.path.isfile(full):  # opening a pipe would wait for ever
        raise error(f"there is no file {path!r}")
    try:
        with open(full, "rb") as handle:
            image = Image.open(handle, formats=FORMATS)
            if image.width * image.height > LARGEST:
                raise error(f"{path!r} says it has {image.width:,} x {image.height:,} pixels, more than {LARGEST:,}; shrink or remove it")
            if encoder is not None and image.format == "JPEG":  # decoded at a half, quarter or eighth where twice the side is still left
                image.draft("L" if encoder.channels == 1 else "RGB", (2 * encoder.size, 2 * encoder.size))
            image.load()
            return ImageOps.exif_transpose(image)
    except DataError:
        raise
    except Image.DecompressionBombError as problem:
        raise error(f"{path!r} says it has more than {LARGEST:,} pixels; shrink or remove it") from problem
    except UnidentifiedImageError as problem:
        raise error(f"{path!r} is none; remove it or its row") from problem
    except Exception as problem:  # Pillow's decoders raise any type for a malformed file: OSError, SyntaxError, struct.error, KeyError, ...
        raise error(f"{path!r} cannot be decoded ({problem}); replace or remove it") from problem


def _eight_bits(image: Image) -> Image:
    """Pixels of 16 bits, 32 bits or floating point as 8 bits; other images unchanged."""
    from PIL import Image

    if image.mode not in ("I", "F") and not image.mode.startswith("I;"):
        return image
    pixels = np.nan_to_num(np.asarray(image).astype(np.float64))
    if image.mode.startswith("I;"):
        unit = 257.0  # 65,535 is white
    else:  # the mode does not say what white is: 1, 255 or 65,535, whichever the largest value fits under
        highest = pixels.max(initial=0.0)
        unit = 1 / 255 if image.mode == "F" and highest <= 1 else 1.0 if highest <= 255 else 257.0
    return Image.fromarray((pixels / unit).clip(0, 255).round().astype(np.uint8))


def _flat(image: Image, mode: str) -> Image:
    """The image in `mode` ("L" or "RGB"), transparent parts on white: that is how most pages show them."""
    from PIL import Image

    image = _eight_bits(image)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _is_grey(image: Image) -> bool:
    if image.mode in _GREY:
        return True
    pixels = np.asarray(_flat(image, "RGB"))
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


def _pixels(image: Image, channels: int, size: int) -> np.ndarray:
    """The image fitted into a square, uint8 [C, S, S]."""
    from PIL import Image

    image = _flat(image, "L" if channels == 1 else "RGB")
    if image.size != (size, size):
        ratio = size / max(image.size)
        inner = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
        fitted = image.resize(inner, Image.Resampling.BILINEAR, reducing_gap=3.0)  # 3.0: Pillow's documentation calls it indistinguishable
        if inner != (size, size):
            square = Image.new(image.mode, (size, size), fitted.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)))
            square.paste(fitted, ((size - inner[0]) // 2, (size - inner[1]) // 2))
            fitted = square
        image = fitted
    pixels = np.asarray(image)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
