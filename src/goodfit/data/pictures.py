"""Columns of pictures that are handed over as arrays: checked, and brought to eight bits.

n rows, H and W pixels, C channels: 1 grey, 2 grey and opacity, 3 red, green and blue, 4 these and opacity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from goodfit.base.errors import DataError

_MOST_CHANNELS = 4


def picture_column(name: str, pixels: np.ndarray) -> pl.Series:
    """[n, H, W] or [n, H, W, C] -> a series of uint8 arrays.

    The type says what white is, so that new pictures are read as those of training were: 255 for whole numbers, 1 for fractions and truth
    values. Raises DataError for another shape, and with the row for a pixel beyond that.

    >>> picture_column("x", np.array([[[0.0, 0.5, 1.0]]])).to_numpy().tolist()
    [[[0, 128, 255]]]
    """
    _refuse_shape(name, pixels.shape)
    if pixels.dtype == np.uint8:
        return pl.Series(name, np.ascontiguousarray(pixels))
    kind = pixels.dtype.kind
    if kind not in "biuf":
        raise DataError(
            f"the pictures in {name!r} hold {pixels.dtype}; give whole numbers from 0 to 255 or fractions from 0 to 1", column=name
        )
    white = 255 if kind in "iu" else 1
    outside = ~((pixels >= 0) & (pixels <= white))  # not a number is outside too
    if outside.any():
        row = int(outside.reshape(len(pixels), -1).any(axis=1).argmax())
        value = pixels[row][outside[row]][0].item()
        must, other = ("whole numbers", "fractions from 0 to 1") if white == 255 else ("fractions", "whole numbers from 0 to 255, as uint8")
        raise DataError(
            f"the pixels of {name!r} are {pixels.dtype}, so they must be {must} from 0 to {white}; row {row + 1} holds {value:g}: "
            f"scale them, or write them as {other}",
            row=row + 1,
            column=name,
            value=value,
        )
    return pl.Series(name, pixels.astype(np.uint8) if white == 255 else np.rint(pixels * np.float32(255)).astype(np.uint8))


def picture_objects(name: str, values: Sequence[np.ndarray | None]) -> pl.Series:
    """Pictures [H, W] or [H, W, C], one object a row and None where there is none -> a series of uint8 arrays."""
    rows = [row for row, value in enumerate(values) if value is not None]
    pictures = [np.asarray(values[row]) for row in rows]
    for row, picture in zip(rows, pictures, strict=True):
        if picture.shape != pictures[0].shape or picture.dtype != pictures[0].dtype:
            raise DataError(
                f"the pictures in {name!r} must have one shape and type; row {rows[0] + 1} has {_said(pictures[0])} and row {row + 1} has "
                f"{_said(picture)}: bring them to one size, or write them as files and give a column of their paths",
                row=row + 1,
                column=name,
            )
    return _spread(picture_column(name, np.stack(pictures)), rows, len(values))


def picture_series(series: pl.Series) -> pl.Series:
    """A polars column of arrays [H, W] or [H, W, C] of any type -> the same as uint8 arrays."""
    known = series.is_not_null()
    return _spread(picture_column(series.name, series.filter(known).to_numpy()), known.arg_true().to_list(), len(series))


def are_pictures(dtype: pl.DataType) -> bool:
    """Whether a column of this type holds pictures as they come from here."""
    return isinstance(dtype, pl.Array) and len(dtype.shape) in (2, 3) and _innermost(dtype) == pl.UInt8


def _innermost(dtype: pl.DataType) -> pl.DataType:
    while isinstance(dtype, pl.Array):
        dtype = dtype.inner  # type: ignore[assignment]
    return dtype


def _refuse_shape(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) not in (3, 4) or 0 in shape[1:]:
        raise DataError(
            f"each column must have one dimension, or hold pictures of the shape [n, H, W] or [n, H, W, C]; {name!r} has the shape {shape}: "
            "give a column per entry",
            column=name,
        )
    if len(shape) == 4 and shape[3] > _MOST_CHANNELS:
        first = shape[1] <= _MOST_CHANNELS
        raise DataError(
            f"pictures have the shape [n, H, W] or [n, H, W, C] with 1 to 4 channels C; {name!r} has the shape {shape}: "
            + (f"move the channels to the end, np.moveaxis({name}, 1, -1)" if first else "keep up to four channels"),
            column=name,
        )


def _spread(pictures: pl.Series, rows: Sequence[int], n: int) -> pl.Series:
    """Pictures in their rows of n, null elsewhere."""
    if len(rows) == n:
        return pictures
    places = np.full(n, -1)
    places[rows] = np.arange(len(rows))
    return pictures.gather(pl.Series([int(place) if place >= 0 else None for place in places], dtype=pl.UInt32))


def _said(picture: np.ndarray) -> str:
    return f"{picture.shape} of {picture.dtype}"


def holds_pictures(lazy: pl.LazyFrame, name: str, asked: str | None, endings: tuple[str, ...]) -> bool:
    """Whether a column is one of pictures: arrays of pixels, or texts most of whose first twenty have one of the `endings`. asked: its kind by
    the user."""
    if asked is not None:
        return asked == "image"
    dtype = lazy.collect_schema()[name]
    if isinstance(dtype, pl.Array):
        return True
    if dtype != pl.String:
        return False
    first = lazy.select(name).drop_nulls().head(20).collect().to_series()
    names = [str(text).strip().lower() for text in first]
    return sum(text.endswith(endings) for text in names) > len(names) / 2
