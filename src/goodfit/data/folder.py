"""Folders of pictures: a subfolder per class, perhaps below train, valid and test, or without; and the picture paths of tables."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from goodfit.base.errors import DataError, did_you_mean
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import TEST, TRAIN, VALID, Column, Dataset, Memory, Note, Schema, listed
from goodfit.data.survey import IMAGES

IMAGE, LABEL = "image", "label"  # the columns of a folder
PARTS = {"train": TRAIN, "training": TRAIN, "valid": VALID, "validation": VALID, "val": VALID, "dev": VALID, "test": TEST, "testing": TEST}
_WHOLE = 256 << 20  # bytes of pictures up to which the fingerprint reads all of them; above, the first block of each
_TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".arrow", ".json", ".gz", ".zst", ".bz2", ".xz", ".zip")


def read_folder(folder: Path, settings: DataPart, *, valid: Path | None = None, test: Path | None = None) -> Dataset:
    """A Dataset of the columns `image` (path below `root`) and `label` (name of the subfolder).

    Raises DataError when the folder holds no pictures, one class, classes that training never sees, or links that lead out.
    """
    _refuse_settings(settings, folder)
    notes: list[Note] = []
    places, root, given = _places(folder, valid, test)
    rows = [(path, label, which) for place, which in places for path, label in _labelled(place, root, notes)]
    _refuse_classes(rows, folder)
    frame = pl.DataFrame({IMAGE: [row[0] for row in rows], LABEL: [row[1] for row in rows]})
    schema = Schema(
        (
            Column(IMAGE, "image", "feature", "String", 0, len(rows), "pictures in a folder"),
            Column(LABEL, "category", "target", "String", 0, frame[LABEL].n_unique(), "the subfolder"),
        )
    )
    part = np.array([row[2] for row in rows], dtype=np.int8) if given else None
    files = (folder, *(Path(path) for path in (valid, test) if path is not None))
    return Dataset(schema, len(rows), files, _fingerprint(root, frame), tuple(notes), root, part, Memory(frame))


def read_gallery(folder: Path, settings: DataPart, *, valid: Path | None = None, test: Path | None = None) -> Dataset:
    """A Dataset of the column `image` alone, for what needs no target; with `label`, the subfolder, where all pictures lie in subfolders.

    Raises DataError when the folder holds fewer than two pictures, or links that lead out.
    """
    _refuse_settings(settings, folder)
    notes: list[Note] = []
    places, root, given = _places(folder, valid, test)
    rows: list[tuple[str, str | None, int]] = []
    for place, which in places:
        if _entries(place)[1]:  # loose ones: then those below are no classes either
            rows += [(path, None, which) for path, picture in _walk(place, root) if picture]
        else:
            rows += [(path, label, which) for path, label in _labelled(place, root, notes)]
    if len(rows) < 2:
        raise DataError(f"training needs at least two pictures, better some hundred; there is {len(rows)} in {folder}", file=folder)
    frame = pl.DataFrame({IMAGE: [row[0] for row in rows], LABEL: [row[1] or "" for row in rows]})
    columns = [Column(IMAGE, "image", "feature", "String", 0, len(rows), "pictures in a folder")]
    if all(label is not None for _, label, _ in rows) and (distinct := frame[LABEL].n_unique()) > 1:
        columns.append(Column(LABEL, "category", "label", "String", 0, distinct, "the subfolder"))
    part = np.array([row[2] for row in rows], dtype=np.int8) if given else None
    files = (folder, *(Path(path) for path in (valid, test) if path is not None))
    stored = Memory(frame.select([column.name for column in columns]))
    return Dataset(Schema(tuple(columns)), len(rows), files, _fingerprint(root, frame), tuple(notes), root, part, stored)


def _places(folder: Path, valid: Path | None, test: Path | None) -> tuple[list[tuple[Path, int]], Path, bool]:
    """The folders whose pictures are rows, each with its part, the folder that they all lie in, and whether the parts are given."""
    extra = [(Path(path), part) for path, part in ((valid, VALID), (test, TEST)) if path is not None]
    for path, _ in extra:
        if not path.is_dir():
            raise DataError(
                f"training reads a folder of pictures, so {path} must be one too; it is {'a file' if path.exists() else 'absent'}",
                file=path,
            )
    root = Path(os.path.commonpath([folder.resolve(), *(path.resolve() for path, _ in extra)]))
    top = _unwrapped(folder)
    parts = _part_folders(top)
    places = [(top / name, which) for name, which in parts.items()] if parts else [(top, TRAIN)]
    return places + [(_unwrapped(path), which) for path, which in extra], root, bool(parts or extra)


def read_pictures(folder: Path, *, labelled: bool) -> tuple[pl.DataFrame, Path]:
    """The pictures of a folder for prediction, with the subfolder as label when `labelled`; (frame, root)."""
    root = folder.resolve()
    if labelled:
        notes: list[Note] = []
        rows = _labelled(_unwrapped(folder), root, notes)
        return pl.DataFrame({IMAGE: [row[0] for row in rows], LABEL: [row[1] for row in rows]}), root
    names = [path for path, picture in _walk(folder, root) if picture]
    if not names:
        raise _no_pictures(folder)
    return pl.DataFrame({IMAGE: names}), root


def check_paths(paths: pl.Series, root: Path, place: Callable[[int], tuple[str | None, int]]) -> None:
    """Raises DataError, with the row, for the first path that leaves `root` or where there is no file. Missing paths pass."""
    names = paths.unique(maintain_order=True).drop_nulls().to_list()
    top = root.resolve()
    inside: dict[Path, bool] = {}
    for name in names:
        wrong = ""
        try:
            path = root / name.strip()
            parent = path.parent
            if parent not in inside:
                inside[parent] = parent.resolve().is_relative_to(top)
            if not inside[parent] or (path.is_symlink() and not path.resolve().is_relative_to(top)):
                wrong = f"leaves the folder {root} of the table; keep pictures in or below it"
            elif not path.is_file():
                wrong = f"is no file in {root}; give paths relative to the folder of the table"
        except (OSError, ValueError):
            wrong = "is no path; give paths relative to the folder of the table"
        if wrong:
            file, row = place(int((paths == name).arg_max()))
            raise DataError(
                f"the picture {name[:200]!r} in row {row} of {paths.name!r} {wrong}", file=file, row=row, column=paths.name, value=name
            )


def _refuse_settings(settings: DataPart, folder: Path) -> None:
    if settings.target not in ((), (LABEL,)):
        hint = did_you_mean(settings.target[0], [LABEL])
        raise DataError(
            f"a folder of pictures has the target {LABEL!r}, the name of the subfolder; {settings.target[0]!r} was given{hint}",
            file=folder, column=settings.target[0],
        )  # fmt: skip
    for field in ("weight", "split", "group", "time", "drop"):
        if value := getattr(settings, field):
            raise DataError(
                f"a folder of pictures has no column for data.{field}; leave it out, or write a table of paths and labels",
                file=folder,
                value=value,
            )
    for name, kind in settings.kinds.items():
        if (name, kind) not in ((IMAGE, "image"), (LABEL, "category")):
            raise DataError(
                f"a folder of pictures has the columns {IMAGE!r} and {LABEL!r}, whose kinds are fixed; leave data.kinds.{name} out",
                file=folder,
            )


def _unwrapped(folder: Path) -> Path:
    """The folder itself, or the only subfolder of it that holds subfolders alone: archives unpack that way."""
    folders, pictures = _entries(folder)
    while len(folders) == 1 and not pictures:
        inner, below = _entries(folder / folders[0])
        if below or not inner or folders[0].lower() in PARTS:
            break
        folder, folders, pictures = folder / folders[0], inner, below
    return folder


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """(names of subfolders, names of pictures), without hidden ones, in natural order."""
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".") and entry.name != "__MACOSX"]
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be read: {error.strerror or error}", file=folder) from None
    folders = [entry.name for entry in entries if entry.is_dir()]
    pictures = [entry.name for entry in entries if entry.is_file() and entry.name.lower().endswith(IMAGES)]
    return sorted(folders, key=_natural), sorted(pictures, key=_natural)


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """img2 before img10; ties by the name itself, so that the order never depends on the file system."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return (*((0, int(part), "") if part[0].isdigit() and len(part) < 19 else (1, 0, part) for part in parts), (2, 0, name))


def _part_folders(folder: Path) -> dict[str, int] | None:
    """Subfolders named train, valid, test, when there are no others and training is among them."""
    folders, _ = _entries(folder)
    parts = {name: PARTS[name.lower()] for name in folders if name.lower() in PARTS}
    if len(parts) < len(folders) or TRAIN not in parts.values():
        return None
    return dict(sorted(parts.items(), key=lambda item: item[1]))


def _labelled(folder: Path, root: Path, notes: list[Note]) -> list[tuple[str, str]]:
    """(path below root, class) of every picture in a folder of classes."""
    folders, loose = _entries(folder)
    rows: list[tuple[str, str]] = []
    other: list[str] = []
    empty: list[str] = []
    for label in folders:
        before = len(rows)
        for path, picture in _walk(folder / label, root):
            if picture:
                rows.append((path, label))
            else:
                other.append(path)
        if len(rows) == before:
            empty.append(label)
    if not rows:
        if loose:
            raise DataError(
                f"the pictures of {folder} must lie in a subfolder per class; {len(loose):,} lie in the folder itself", file=folder
            )
        raise _no_pictures(folder)
    if loose:
        notes.append(Note(f"{len(loose):,} pictures beside the class folders ({listed(loose, 2)}) were left out", str(folder)))
    if other:
        notes.append(Note(f"{len(other):,} files that are no pictures ({listed(other, 2)}) were left out", str(folder)))
    if empty:
        notes.append(Note(f"the subfolders {listed(empty, 3)} hold no pictures and are no classes", str(folder)))
    return rows


def _walk(folder: Path, root: Path) -> Iterator[tuple[str, bool]]:
    """(path below root, whether it ends like a picture) of every file at any depth, hidden ones left out."""
    top = root.resolve()
    for directory, folders, files in os.walk(folder):
        folders[:] = sorted((name for name in folders if not name.startswith(".") and name != "__MACOSX"), key=_natural)
        base = Path(directory).resolve()
        for name in [*folders, *files]:
            path = base / name
            if path.is_symlink() and not path.resolve().is_relative_to(top):
                raise DataError(f"the link {path} leads out of the folder {root}; put the pictures themselves there", file=path)
        for name in sorted(files, key=_natural):
            if not name.startswith(".") and name not in ("Thumbs.db", "desktop.ini"):
                yield (base / name).relative_to(top).as_posix(), name.lower().endswith(IMAGES)


def _no_pictures(folder: Path) -> DataError:
    try:
        tables = sorted(entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(_TABLES))
    except OSError:
        tables = []
    if tables:
        return DataError(f"{folder} is a folder without pictures; give one of its tables, such as {folder / tables[0]}", file=folder)
    return DataError(
        f"{folder} holds no pictures ({', '.join(IMAGES)}); give a folder with a subfolder of pictures per class, or a table", file=folder
    )


def _refuse_classes(rows: list[tuple[str, str, int]], folder: Path) -> None:
    trained = {label for _, label, part in rows if part == TRAIN}
    if len(trained) < 2:
        raise DataError(
            f"{folder} must hold at least two subfolders with pictures, one per class; it holds {listed(sorted(trained))}", file=folder
        )
    for path, label, part in rows:
        if part != TRAIN and label not in trained:
            raise DataError(
                f"the class {label!r} of {path} is not among the classes for training, {listed(sorted(trained), 5)}", file=path, value=label
            )


def _fingerprint(root: Path, frame: pl.DataFrame) -> str:
    """SHA-256 over names, classes, sizes and content (of large folders the first block of each picture)."""
    sizes = [os.stat(root / name).st_size for name in frame[IMAGE]]
    length = -1 if sum(sizes) <= _WHOLE else 4096
    digest = hashlib.sha256()
    for (name, label), size in zip(frame.iter_rows(), sizes, strict=True):
        digest.update(f"{name}\0{label}\0{size}\0".encode())
        try:
            with open(root / name, "rb") as handle:
                digest.update(handle.read(length))
        except OSError as error:
            raise DataError(f"the picture {name} cannot be opened: {error.strerror or error}", file=root / name) from None
    return digest.hexdigest()
