"""Broken inputs that cannot lie in the repository: compressed, binary, very large, links and pipes, pictures.

`BUILDERS[name](folder)` fills an empty folder. What is plain text lies under `inputs/` as it is. Runs that were
damaged are made by `damage.py`.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

SOUND = Path(__file__).parent / "inputs" / "sound" / "data.csv"
BUILDERS: dict[str, Callable[[Path], None]] = {}


def builds(name: str, build: Callable[[Path], None]) -> None:
    assert name not in BUILDERS, name
    BUILDERS[name] = build


def content(make: Callable[[], bytes], file: str = "data.csv") -> Callable[[Path], None]:
    """A builder of one file."""
    return lambda folder: (folder / file).write_bytes(make()) and None


# ---- compressed tables
def _gz() -> bytes:
    return gzip.compress(SOUND.read_bytes(), mtime=0)


def _zip(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return buffer.getvalue()


def _zip_that_leaves() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../escaped.csv", SOUND.read_bytes())
    return buffer.getvalue()


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


builds("gz-truncated", content(lambda: _gz()[:-60], "data.csv.gz"))
builds("gz-checksum-wrong", content(lambda: _flip(_gz(), len(_gz()) - 6), "data.csv.gz"))
builds("gz-of-text", content(SOUND.read_bytes, "data.csv.gz"))
builds("gz-empty", content(lambda: b"", "data.csv.gz"))
builds("gz-of-nothing", content(lambda: gzip.compress(b"", mtime=0), "data.csv.gz"))
builds("gz-inside-gz", content(lambda: gzip.compress(_gz(), mtime=0), "data.csv.gz"))
builds("gz-named-csv", content(_gz))
builds("excel-file", content(lambda: _zip(**{"[Content_Types].xml": b"<Types/>", "xl__workbook.xml": b"<workbook/>"}), "data.xlsx"))
builds("zip-of-two-tables", content(lambda: _zip(a=SOUND.read_bytes(), b=SOUND.read_bytes()), "data.zip"))
builds("zip-empty", content(_zip, "data.zip"))
builds("zip-truncated", content(lambda: _zip(data=SOUND.read_bytes())[:-30], "data.csv.zip"))
builds("zip-leaves-the-folder", content(_zip_that_leaves, "data.zip"))
builds("zstd-junk", content(lambda: b"\x28\xb5\x2f\xfd" + bytes(range(200)), "data.csv.zst"))
builds("bz2-of-text", content(SOUND.read_bytes, "data.csv.bz2"))
builds("xz-junk", content(lambda: b"\xfd7zXZ\x00" + bytes(range(200)), "data.csv.xz"))


# ---- columnar tables
def _parquet(frame: pl.DataFrame | None = None) -> bytes:
    buffer = io.BytesIO()
    (pl.read_csv(SOUND) if frame is None else frame).write_parquet(buffer)
    return buffer.getvalue()


def _arrow(frame: pl.DataFrame | None = None) -> bytes:
    buffer = io.BytesIO()
    (pl.read_csv(SOUND) if frame is None else frame).write_ipc(buffer)
    return buffer.getvalue()


def _with(**columns: pl.Series) -> pl.DataFrame:
    return pl.read_csv(SOUND).with_columns(**columns)


def _structs() -> pl.Series:
    return pl.Series([{"street": "A", "number": i} for i in range(40)])


builds("parquet-truncated", content(lambda: _parquet()[:-100], "data.parquet"))
builds("parquet-magic-only", content(lambda: b"PAR1" + b"\x00" * 60 + b"PAR1", "data.parquet"))
builds("parquet-footer-lies", content(lambda: _parquet()[:-8] + struct.pack("<I", 0x7FFFFFFF) + b"PAR1", "data.parquet"))
builds("parquet-body-damaged", content(lambda: (lambda b: b[:8] + b"\xff" * 200 + b[208:])(_parquet()), "data.parquet"))
builds("parquet-encrypted-magic", content(lambda: b"PARE" + _parquet()[4:-4] + b"PARE", "data.parquet"))
builds("parquet-without-rows", content(lambda: _parquet(pl.read_csv(SOUND).head(0)), "data.parquet"))
builds("parquet-nested-column", content(lambda: _parquet(_with(home=_structs())), "data.parquet"))
builds("parquet-binary-column", content(lambda: _parquet(_with(blob=pl.Series([bytes([i]) * 4 for i in range(40)]))), "data.parquet"))
builds("parquet-empty", content(lambda: b"", "data.parquet"))
builds("csv-named-parquet", content(SOUND.read_bytes, "data.parquet"))
builds("arrow-truncated", content(lambda: _arrow()[: len(_arrow()) // 2], "data.arrow"))
builds("arrow-junk", content(lambda: b"ARROW1\x00\x00" + random.Random(5).randbytes(400) + b"ARROW1", "data.arrow"))
builds("csv-named-arrow", content(SOUND.read_bytes, "data.arrow"))
builds("arrow-nested-column", content(lambda: _arrow(_with(home=_structs())), "data.arrow"))
builds("arrow-nan-target", content(lambda: _arrow(_with(label=pl.Series([float("nan")] * 40))), "data.arrow"))


# ---- very large things
def _huge_field() -> bytes:
    lines = SOUND.read_bytes().splitlines()
    return b"\n".join([*lines[:20], lines[20].replace(b",", b"," + b"x" * 12_000_000, 1), *lines[21:]]) + b"\n"


def _very_wide() -> bytes:
    return (",".join(f"c{i}" for i in range(100_000)) + "\n" + (",".join("1" for _ in range(100_000)) + "\n") * 2).encode()


builds("huge-field", content(_huge_field))
builds("hundred-thousand-columns", content(_very_wide))
builds("png-named-csv", content(lambda: png(32, 32)))


# ---- things that are no files
def _loop(folder: Path) -> None:
    (folder / "data.csv").symlink_to(folder / "other.csv")
    (folder / "other.csv").symlink_to(folder / "data.csv")


def _link(target: str, file: str = "data.csv") -> Callable[[Path], None]:
    return lambda folder: (folder / file).symlink_to(target)


builds("link-loop", _loop)
builds("link-dangling", _link("nowhere.csv"))
builds("pipe", lambda folder: os.mkfifo(folder / "data.csv"))
builds("device-zero", _link("/dev/zero"))
builds("device-null", _link("/dev/null"))
builds("folder-named-csv", lambda folder: (folder / "data.csv").mkdir())
builds("recipe-is-folder", lambda folder: (folder / "recipe.yaml").mkdir())
builds("recipe-too-large", content(lambda: b"# " + b"x" * 2_000_000 + b"\n", "recipe.yaml"))
builds("recipe-pipe", lambda folder: os.mkfifo(folder / "recipe.yaml"))


# ---- pictures
def png(width: int, height: int, mode: str = "RGB", seed: int = 0, form: str = "PNG", **options: object) -> bytes:
    """A sound picture of noise over a tone that depends on the seed."""
    bands = len(Image.new(mode, (1, 1)).getbands()) if mode != "I;16" else 2
    noise = random.Random(seed).randbytes(width * height * bands)
    buffer = io.BytesIO()
    Image.frombytes(mode, (width, height), noise).save(buffer, format=form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, pixels: bytes, *more: bytes) -> bytes:
    """A PNG with the size that the header claims, whatever the pixels are; its checksums are right."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def classes(*, classes: tuple[str, ...] = ("cat", "dog"), each: int = 12, size: int = 16, **odd: bytes) -> Callable[[Path], None]:
    """A folder per class with sound pictures, and `odd`: `class__name__suffix=bytes` in place of a further one."""

    def build(folder: Path) -> None:
        for number, name in enumerate(classes):
            (folder / "pictures" / name).mkdir(parents=True)
            for i in range(each):
                (folder / "pictures" / name / f"{i:02d}.png").write_bytes(png(size, size, seed=100 * number + i))
        for path, data in odd.items():
            *parents, stem, suffix = path.split("__")
            place = folder.joinpath("pictures", *parents)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{stem}.{suffix}").write_bytes(data)

    return build


def _jpeg() -> bytes:
    return png(48, 48, form="JPEG")


def _bad_checksum() -> bytes:
    data = png(16, 16)
    return _flip(data, data.index(b"IDAT") + 20)


BOMB = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(b"\x00" * 80_000_000, 9))  # 80 kB that unpack to 80 MB

builds("images-sound", classes())
builds("images-truncated-png", classes(cat__broken__png=png(48, 48)[:-2000]))
builds("images-truncated-jpeg", classes(cat__broken__jpg=_jpeg()[: len(_jpeg()) // 2]))
builds("images-zero-bytes", classes(cat__broken__png=b""))
builds("images-text-named-png", classes(cat__broken__png=b"this is not a picture\n"))
builds("images-bad-checksum", classes(cat__broken__png=_bad_checksum()))
builds("images-claim-more-than-they-hold", classes(cat__broken__png=png_of(400, 400, b"\x00" * 50)))
builds("images-claim-60000-square", classes(cat__broken__png=png_of(60_000, 60_000, b"\x00" * 50)))
builds("images-claim-2-billion-wide", classes(cat__broken__png=png_of(2_147_483_647, 1, b"\x00" * 50)))
builds("images-claim-no-width", classes(cat__broken__png=png_of(0, 16, b"\x00" * 50)))
builds("images-comment-bomb", classes(cat__broken__png=png_of(2, 2, b"\x00" * 14, BOMB)))
builds("images-jpeg-named-png", classes(cat__other__png=_jpeg()))
builds("images-of-many-sizes", classes(cat__wide__png=png(90, 7), dog__tall__png=png(5, 64), dog__dot__png=png(1, 1)))
MODES = {
    "cat__grey__png": png(9, 9, "L"),
    "cat__alpha__png": png(9, 9, "RGBA"),
    "dog__cmyk__jpg": png(9, 9, "CMYK", form="JPEG"),
    "dog__deep__png": png(9, 9, "I;16"),
}
builds("images-of-many-modes", classes(**MODES))
builds("images-one-class", classes(classes=("cat",)))
builds("images-class-without-pictures", classes(bird__README__txt=b"pictures of birds will come"))
builds("images-empty-folder", lambda folder: (folder / "pictures").mkdir())
builds("images-empty-classes", classes(each=0))
builds("images-two-only", classes(each=1))
builds("images-no-classes", classes(classes=(".",)))
builds("images-none-but-texts", classes(each=0, cat__a__txt=b"hello", cat__b__txt=b"there", dog__a__txt=b"world"))
builds("images-with-strangers", classes(cat__Thumbs__db=b"\x00" * 64, dog__notes__txt=b"taken in May", cat__drawing__svg=b"<svg/>"))
builds("images-all-broken", classes(each=0, **{f"{c}__{i}__png": b"no picture" for c in ("cat", "dog") for i in range(6)}))


def _outside(folder: Path) -> None:
    classes()(folder)
    (folder / "secret.png").write_bytes(png(16, 16))
    (folder / "pictures" / "cat" / "link.png").symlink_to(folder / "secret.png")


def _circular(folder: Path) -> None:
    classes()(folder)
    (folder / "pictures" / "cat" / "again").symlink_to(folder / "pictures")


def _path_table(path: Callable[[int], str]) -> Callable[[Path], None]:
    """A table whose column `image` names pictures that exist, except where `path` says otherwise."""

    def build(folder: Path) -> None:
        (folder / "in").mkdir()
        (folder / "outside").mkdir()
        for i in range(24):
            (folder / "in" / f"{i}.png").write_bytes(png(16, 16, seed=i))
            (folder / "outside" / f"{i}.png").write_bytes(png(16, 16, seed=i))
        table = "image,label\n" + "".join(f"{path(i)},{'ab'[i % 2]}\n" for i in range(24))
        (folder / "data.csv").write_text(table.replace("{folder}", str(folder)))

    return build


def _table_in_a_folder(path: Callable[[int], str]) -> Callable[[Path], None]:
    """The same with the table inside a folder of its own, so that `../outside` exists and is outside."""

    def build(folder: Path) -> None:
        _path_table(path)(folder)
        (folder / "data.csv").rename(folder / "in" / "data.csv")

    return build


builds("images-link-leaves-the-folder", _outside)
builds("images-link-circular", _circular)
builds("picture-table-sound", _path_table(lambda i: f"in/{i}.png"))
builds("picture-table-one-absent", _path_table(lambda i: "in/gone.png" if i == 5 else f"in/{i}.png"))
builds("picture-table-leaves-the-folder", _table_in_a_folder(lambda i: f"../outside/{i}.png"))
builds("picture-table-absolute", _path_table(lambda i: f"{{folder}}/in/{i}.png"))
builds("picture-table-names-a-folder", _path_table(lambda i: "in" if i == 5 else f"in/{i}.png"))


# ---- files of numpy arrays
def _npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _npy(values: Any, version: tuple[int, int] = (1, 0)) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(values), version=version)
    return buffer.getvalue()


def _claims(shape: tuple[int, ...]) -> bytes:
    """An array that says it has this shape and holds eight bytes."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(8)


_NPZ_ROWS = 40
_STEPS = np.random.default_rng(0).normal(size=(_NPZ_ROWS, 2, 7)).astype(np.float32)
_CLASS = np.arange(_NPZ_ROWS) % 2
_GAPS = np.where(np.arange(7) < 3 + np.arange(_NPZ_ROWS)[:, None, None] % 5, _STEPS, np.nan)
ARRAYS: dict[str, Callable[[], bytes]] = {
    "npz-sound": lambda: _npz(X=_STEPS, label=_CLASS),
    "npz-parts": lambda: _npz(X_train=_STEPS, label_train=_CLASS, X_test=_STEPS[:20], label_test=_CLASS[:20]),
    "npz-gaps": lambda: _npz(X=_GAPS, label=_CLASS),
    "npz-objects": lambda: _zip(**{"X.npy": _npy(np.array([[1], [2, 3]] * 20, dtype=object)), "label.npy": _npy(_CLASS)}),
    "npz-truncated": lambda: _npz(X=_STEPS, label=_CLASS)[:-40],
    "npz-byte-changed": lambda: _flip(_npz(X=_STEPS, label=_CLASS), 300),
    "npz-array-cut": lambda: _zip(**{"X.npy": _npy(_STEPS)[:-8], "label.npy": _npy(_CLASS)}),
    "npz-nonsense-array": lambda: _zip(**{"X.npy": b"\x00\x01\x02", "label.npy": _npy(_CLASS)}),
    "npz-claims-terabytes": lambda: _zip(**{"X.npy": _claims((1 << 20, 1 << 20)), "label.npy": _npy(_CLASS)}),
    "npz-empty-arrays": lambda: _npz(X=_STEPS[:0], label=_CLASS[:0]),
    "npz-no-rows-at-all": lambda: _npz(X=np.float64(3)),
    "npz-rows-differ": lambda: _npz(X=_STEPS[:30], label=_CLASS),
    "npz-parts-differ": lambda: _npz(X_train=_STEPS, label_train=_CLASS, X_test=_CLASS, label_test=_CLASS),
    "npz-lengths-beyond": lambda: _npz(X=_STEPS, label=_CLASS, len=np.where(np.arange(_NPZ_ROWS) == 4, 8, 7)),
    "npz-lengths-negative": lambda: _npz(X=_STEPS, label=_CLASS, len=np.where(np.arange(_NPZ_ROWS) == 4, -1, 7)),
    "npz-complex": lambda: _npz(X=_STEPS * 1j, label=_CLASS),
    "npz-graph": lambda: _npz(edge_index=np.zeros((2, 9), np.int64), label=_CLASS),
    "npz-nothing-but-nan": lambda: _npz(X=_STEPS * np.nan, label=_CLASS),
}
for _name, _make in ARRAYS.items():
    builds(_name, content(_make, "data.npz"))
