"""Images: every mode that files come in, and every way in which they are broken."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from goodfit.base.errors import DataError
from goodfit.data import encode_image
from goodfit.data.encode_image import ImageEncoder


def place(position: int) -> tuple[str | None, int]:
    return "table.csv", position + 1


def grey(column: str = "image", size: int = 8) -> ImageEncoder:
    return ImageEncoder(column, 1, size, (0.5,), (0.25,))


def colour(size: int = 8) -> ImageEncoder:
    return ImageEncoder("image", 3, size, (0.5, 0.4, 0.3), (0.25,) * 3)


def decoded(encoder: ImageEncoder, root: Path | None, *paths: str | None) -> np.ndarray:
    out = np.full((len(paths), encoder.channels, encoder.size, encoder.size), 77, np.uint8)
    encoder.encode_into(out, pl.Series(paths, dtype=pl.String), root, place)
    return out


def saved(folder: Path, name: str, pixels: np.ndarray, **options: object) -> str:
    Image.fromarray(pixels).save(folder / name, **options)
    return name


def ramp(height: int = 8, width: int = 8) -> np.ndarray:
    return (np.arange(height * width, dtype=np.uint8).reshape(height, width) * 3).astype(np.uint8)


def test_grey_png_of_the_right_size_keeps_its_pixels(tmp_path: Path) -> None:
    name = saved(tmp_path, "a.png", ramp())
    np.testing.assert_array_equal(decoded(grey(), tmp_path, name)[0, 0], ramp())


def test_colour_keeps_its_channels_apart(tmp_path: Path) -> None:
    pixels = np.stack([ramp(), ramp().T, 255 - ramp()], axis=2)
    np.testing.assert_array_equal(decoded(colour(), tmp_path, saved(tmp_path, "a.png", pixels))[0], pixels.transpose(2, 0, 1))


def test_grey_images_fill_all_channels_where_others_are_coloured(tmp_path: Path) -> None:
    image = decoded(colour(), tmp_path, saved(tmp_path, "a.png", ramp()))[0]
    assert (image == ramp()).all()


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    name = saved(tmp_path, "a.png", ramp().astype(np.uint16) * 257)
    np.testing.assert_array_equal(decoded(grey(), tmp_path, name)[0, 0], ramp())


@pytest.mark.parametrize("factor", [1 / 255, 1.0, 257.0])
def test_floating_point_pixels_become_eight_bits(tmp_path: Path, factor: float) -> None:
    pixels = ramp().astype(np.float32)
    pixels[-1, -1] = 255  # each scale is told by its largest value
    name = saved(tmp_path, "a.tiff", (pixels * factor).astype(np.float32))
    np.testing.assert_allclose(decoded(grey(), tmp_path, name)[0, 0], pixels, atol=0.5)


def test_transparent_parts_are_white_whatever_the_mode(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4, :, 3] = 255
    pixels[:4, :, 0] = 200
    full = Image.fromarray(pixels)
    full.save(tmp_path / "rgba.png")
    full.quantize(4, method=Image.Quantize.FASTOCTREE).save(tmp_path / "palette.png")
    Image.fromarray(pixels[..., [0, 3]]).save(tmp_path / "la.png")
    rgba, palette = decoded(colour(), tmp_path, "rgba.png", "palette.png")
    np.testing.assert_array_equal(rgba[:, :4], np.broadcast_to(np.array([200, 0, 0], np.uint8)[:, None, None], (3, 4, 8)))
    assert (rgba[:, 4:] == 255).all()
    np.testing.assert_allclose(palette.astype(int), rgba, atol=8)
    assert (decoded(grey(), tmp_path, "la.png")[0, 0, 4:] == 255).all()


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    name = saved(tmp_path, "a.png", ramp(), exif=exif)
    np.testing.assert_array_equal(decoded(grey(), tmp_path, name)[0, 0], np.rot90(ramp(), -1))


def test_proportions_are_kept_and_nothing_is_cut_off(tmp_path: Path) -> None:
    pixels = np.full((4, 16), 100, np.uint8)
    pixels[:, :2], pixels[:, -2:] = 0, 200
    image = decoded(grey(), tmp_path, saved(tmp_path, "a.png", pixels))[0, 0]
    assert (image[:3] == image[0, 0]).all()  # the bars above and below have one colour: the mean
    assert image[0, 0] == 100
    assert image[3, 0] < 30
    assert image[3, -1] > 170


def test_large_jpegs_are_decoded_at_part_of_their_size_and_look_the_same(tmp_path: Path) -> None:
    y, x = np.mgrid[:400, :400]
    pixels = np.stack([x * 255 / 400, y * 255 / 400, 128 + 0 * x], axis=2).astype(np.uint8)
    name = saved(tmp_path, "a.jpg", pixels, quality=95)
    exact = np.asarray(Image.fromarray(pixels).resize((16, 16), Image.Resampling.BOX)).transpose(2, 0, 1)
    np.testing.assert_allclose(decoded(colour(16), tmp_path, name)[0].astype(int), exact, atol=6)


def test_missing_paths_get_the_mean_colour(tmp_path: Path) -> None:
    assert decoded(colour(), tmp_path, None)[0, :, 0, 0].tolist() == [128, 102, 76]


@pytest.mark.parametrize(("colourful", "channels"), [(False, 1), (True, 3)])
def test_channels_and_statistics_come_from_the_images(tmp_path: Path, colourful: bool, channels: int) -> None:
    a, b = np.stack([ramp(12, 12)] * 3, axis=2), np.stack([ramp(30, 30)] * 3, axis=2)
    b[0, 0, 0] = 9 if colourful else b[0, 0, 0]
    paths = [saved(tmp_path, "a.png", a), saved(tmp_path, "b.png", b), saved(tmp_path, "c.png", ramp(20, 6))]
    encoder = encode_image.fit("image", pl.Series([*paths, None]), tmp_path, place, None)
    assert (encoder.channels, encoder.size) == (channels, 20)  # the median of 12, 30 and 20
    pixels = decoded(encoder, tmp_path, *paths) / 255
    np.testing.assert_allclose(encoder.mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(encoder.std, pixels.std(axis=(0, 2, 3)), rtol=1e-12)
    assert ImageEncoder.from_json(encoder.to_json()) == encoder


@pytest.mark.parametrize(("side", "chosen"), [(4, 8), (28, 28), (100, 64)])
def test_the_side_is_the_median_within_bounds_unless_given(tmp_path: Path, side: int, chosen: int) -> None:
    paths = pl.Series([saved(tmp_path, "a.png", np.zeros((side, side), np.uint8))])
    assert encode_image.fit("image", paths, tmp_path, place, None).size == chosen
    assert encode_image.fit("image", paths, tmp_path, place, 12).size == 12
    assert encode_image.fit("image", paths, tmp_path, place, None).std == (1.0,)  # black all over: only centred


def test_no_image_at_all_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one image"):
        encode_image.fit("image", pl.Series([None], dtype=pl.String), None, place, None)


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_arrays_are_images_too(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 10, 12, max(1, channels)), np.uint8)
    series = pl.Series("image", pixels if channels else pixels[..., 0])
    encoder = encode_image.fit("image", series, None, place, None)
    assert (encoder.channels, encoder.size) == (max(1, channels), 12)
    out = np.empty((6, encoder.channels, 12, 12), np.uint8)
    encoder.encode_into(out, series.extend_constant(None, 1), None, place)
    np.testing.assert_array_equal(out[:5, :, 1:11], pixels.transpose(0, 3, 1, 2))
    assert (out[5, 0] == round(255 * encoder.mean[0])).all()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(ramp(40, 40)).save(buffer, "png")
    return buffer.getvalue()


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(ramp(40, 40)).save(buffer, "jpeg")
    return buffer.getvalue()


BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated png": (lambda: png()[:-40], "cannot be decoded"),
    "truncated jpeg": (lambda: jpeg()[:200], "cannot be decoded"),
    "empty": (lambda: b"", "is none"),
    "text": (lambda: b"these are words", "is none"),
    "script of another format": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is none"),
    "lies about its size": (lambda: png().replace(struct.pack(">II", 40, 40), struct.pack(">II", 40, 4000)), "is none|cannot be decoded"),
    "header only": (lambda: png_header(8, 8), "cannot be decoded|is none"),
    "bomb": (lambda: png_header(60_000, 60_000) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""), "60,000|more than"),
    "small bomb": (lambda: png_header(10_000, 9_500) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""), "10,000 x 9,500 pixels"),
    "negative": (lambda: png_header(0, 8), "."),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_one_sentence_with_file_and_row(tmp_path: Path, case: str) -> None:
    content, message = BROKEN[case]
    good = saved(tmp_path, "good.png", ramp())
    (tmp_path / "bad.png").write_bytes(content())
    for attempt in (
        lambda: decoded(grey(), tmp_path, good, good, "bad.png", "bad.png"),
        lambda: encode_image.fit("image", pl.Series([good, good, "bad.png"]), tmp_path, place, None),
    ):
        with warnings.catch_warnings(record=True) as leaked:
            warnings.simplefilter("always")
            with pytest.raises(DataError, match=message) as caught:
                attempt()
        assert leaked == []
        assert (caught.value.file, caught.value.row, caught.value.value) == ("table.csv", 3, "bad.png")
        assert "\n" not in caught.value.message


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "sub/../../secret.png"])
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    inside = tmp_path / "data"
    inside.mkdir()
    saved(tmp_path, "secret.png", ramp())
    with pytest.raises(DataError, match="leaves the folder"):
        decoded(grey(), inside, path)


@pytest.mark.parametrize("path", ["absent.png", "", "nul\0.png", "pipe"])
def test_paths_without_a_file_are_refused(tmp_path: Path, path: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="there is no file"):
        decoded(grey(), tmp_path, path)


def test_the_first_broken_row_is_named_however_threads_run(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    good = saved(tmp_path, "good.png", ramp(300, 300))
    for _ in range(5):
        with pytest.raises(DataError) as caught:
            decoded(grey(), tmp_path, *[good] * 20, "bad.png", *["bad.png"] * 20)
        assert caught.value.row == 21
