"""Broken running texts and captions; see `make_inputs`."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from make_inputs import builds, png

SOUND_TEXT = "".join(f"The {n}th cookie says: less is more, and {n} more is less.\n%\n" for n in range(60))


def _file(content: bytes, name: str = "data.txt") -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return build


def _folder(files: dict[str, bytes]) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        (folder / "texts").mkdir()
        for name, content in files.items():
            (folder / "texts" / name).write_bytes(content)

    return build


builds("text-sound", _file(SOUND_TEXT.encode()))
builds("text-of-windows", _file(SOUND_TEXT.replace("less", "l\u00e9ss").replace("\n", "\r\n").encode("cp1252")))
builds("text-too-short", _file(SOUND_TEXT[:900].encode()))
builds("text-of-one-character", _file(b"a" * 3_000))
builds("text-with-a-zero-byte", _file(SOUND_TEXT.encode()[:2_000] + b"\0" + SOUND_TEXT.encode()[2_000:]))
builds("text-that-is-a-picture", _file(png(64, 64)))
builds("text-cut-off", _file(gzip.compress(SOUND_TEXT.encode())[:-30], "data.txt.gz"))
builds("text-in-a-folder", _folder({"a.txt": SOUND_TEXT[:1_500].encode(), "b.txt": SOUND_TEXT[1_500:].encode(), "c.pdf": b"%PDF-"}))
builds("text-in-no-folder", _folder({"a.csv": b"a,b\n1,2\n"}))


# ---- captions
_PIXELS = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), dtype=np.uint8)
_NAMES = [f"a {'red' if i % 2 else 'blue'} cat" for i in range(40)]


def _npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _parquet_of_pictures() -> bytes:
    buffer = io.BytesIO()
    captions = [None if i == 7 else name for i, name in enumerate(_NAMES)]
    pl.DataFrame({"image": pl.Series(_PIXELS), "caption": captions}).write_parquet(buffer)
    return buffer.getvalue()


builds("captions-sound", _file(_npz(image=_PIXELS, caption=np.array(_NAMES)), "data.npz"))
builds("captions-of-one-word", _file(_npz(image=_PIXELS, caption=np.array(["cat"] * 40)), "data.npz"))
builds("captions-that-are-numbers", _file(_npz(image=_PIXELS, caption=np.arange(40)), "data.npz"))
builds("captions-one-missing", _file(_parquet_of_pictures(), "data.parquet"))
