"""Pictures with objects in boxes as a Dataset, from COCO's annotations; the boxes as targets, and found boxes as pixels again.

n rows, M places for objects, Q found boxes. A picture is read as a square that holds it whole (see `data.encode_image`), so boxes are kept in shares of the
square's side, around its middle: then they do not hang on how many pixels the network sees.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.errors import DataError, did_you_mean
from goodfit.base.recipe import DataPart
from goodfit.data.annotations import Annotations, Picture, is_annotations, read_annotations
from goodfit.data.dataset import TEST, TRAIN, VALID, Column, Dataset, Memory, Note, Schema, listed
from goodfit.data.encode_image import size_of
from goodfit.data.folder import IMAGE, PARTS, read_pictures
from goodfit.data.survey import IMAGES

OBJECTS = "objects"  # the target's column
IDENTIFIER, WIDTH, HEIGHT = "image_id", "width", "height"
NONE = -1.0  # the class where a picture has no object any more
_FILES = ("annotations.json", "_annotations.coco.json", "instances.json")  # what the one file of a folder is called; the second by Roboflow
_TYPE = pl.List(pl.Struct({"label": pl.String} | dict.fromkeys(("x", "y", "width", "height"), pl.Float64)))

Files = list[tuple[Path, int]]


def annotated(source: Any, settings: DataPart) -> Files | None:
    """The documents that a source stands for, each with its part; None where it is something else.

    A document of annotations itself; or a folder with `annotations.json`, or with `train.json` and perhaps `valid.json` and `test.json`, or with
    such folders that have an `annotations.json` each. Raises DataError where objects are asked for and there are none.
    """
    if not isinstance(source, str | Path) or settings.task not in (None, "detection"):
        return None
    path, found = Path(source), None
    try:
        if path.is_dir():
            found = _in_folder(path)
        elif path.is_file() and is_annotations(path):
            found = [(path, TRAIN)]
    except (OSError, ValueError):
        found = None
    if found is None and settings.task == "detection":
        raise DataError(
            "detection learns from a document of COCO's form (images, annotations, categories) beside its pictures, or a folder with an annotations.json; "
            f"{path.name} is neither",
            file=path,
        )
    return found


def _in_folder(folder: Path) -> Files | None:
    whole = next((folder / name for name in _FILES if is_annotations(folder / name)), None)
    parts: dict[int, Path] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        stem, place = Path(entry.name).stem.lower() if entry.is_file() else entry.name.lower(), Path(entry.path)
        if stem in PARTS and PARTS[stem] not in parts:
            inner = [place] if entry.is_file() else [place / name for name in _FILES]
            if (document := next((file for file in inner if is_annotations(file)), None)) is not None:
                parts[PARTS[stem]] = document
    if TRAIN not in parts and whole is not None:
        parts[TRAIN] = whole
    return [(file, part) for part, file in sorted(parts.items())] if TRAIN in parts else None


def read_objects(files: Files, settings: DataPart, *, valid: Any = None, test: Any = None) -> Dataset:
    """A Dataset of the columns `image`, `image_id`, `width`, `height` and `objects`. Raises DataError for what cannot be read or learned from."""
    _refuse_settings(settings, files[0][0])
    for source, part in ((valid, VALID), (test, TEST)):
        if source is not None:
            more = annotated(source, DataPart(task="detection")) or []
            files = [*((file, own) for file, own in files if own != part), (more[0][0], part)]
    read = [(read_annotations(file), part) for file, part in sorted(files, key=lambda pair: pair[1])]
    first = read[0][0]
    trained = sorted(_named(first))
    if not trained:
        raise DataError(f"{first.file.name} has no box to learn from; give annotations with bbox and category_id", file=first.file)
    for other, _ in read[1:]:
        _refuse_unknown(other, trained)
    notes = [note for own, _ in read for note in own.notes]
    if missing := [name for name in first.categories if name not in trained]:
        notes.append(Note(f"the categories {listed(missing, 5)} have no box in {first.file.name} and are not learned", str(first.file)))
    sizes = [len(own.pictures) for own, _ in read]
    root = Path(os.path.commonpath([own.root.resolve() for own, _ in read]))
    frame = _frame([picture for own, _ in read for picture in own.pictures], root)
    boxes = int(frame[OBJECTS].list.len().sum())
    notes.insert(0, Note(f"{frame.height:,} pictures with {boxes:,} boxes of {len(trained)} categories were read", str(first.file)))
    if frame.height < 2:
        raise DataError(f"training needs at least two pictures, better some hundred; there is {frame.height}", file=first.file)
    return Dataset(
        schema=_schema(frame, {name: first.categories[name] for name in trained}),
        rows=frame.height,
        files=tuple(own.file for own, _ in read),
        fingerprint=_fingerprint([own.file for own, _ in read], root, frame),
        notes=tuple(notes),
        root=root,
        part=np.repeat(np.array([part for _, part in read], np.int8), sizes) if len(read) > 1 else None,
        store=Memory(frame),
        starts=tuple(int(start) for start in np.cumsum([0, *sizes[:-1]])),
    )


def detects(schema: Schema) -> bool:
    """Whether what was learned is to find objects."""
    return [column.name for column in schema.targets] == [OBJECTS]


def read_objects_like(source: Any, schema: Schema) -> Dataset:
    """New pictures: a document of annotations, with its objects where it has some, a folder of pictures, or one picture."""
    if not isinstance(source, str | Path):
        raise DataError(
            f"objects are looked for in a folder of pictures, one picture, or a COCO document; a {type(source).__name__} was given"
        )
    path = Path(source)
    document = (
        path if path.is_file() else next((path / name for name in _FILES if (path / name).is_file()), None) if path.is_dir() else None
    )
    if document is not None and is_annotations(document):
        own = read_annotations(document)
        _refuse_unknown(own, classes(schema))
        frame, root, notes, files = _frame(list(own.pictures), own.root), own.root, own.notes, (document,)
        if not any(picture.boxes for picture in own.pictures):
            frame = frame.drop(OBJECTS)
    else:
        if path.is_dir():
            names, root = read_pictures(path, labelled=False)
        elif path.is_file() and path.name.lower().endswith(IMAGES):
            names, root = pl.DataFrame({IMAGE: [path.name]}), path.parent
        else:
            raise DataError(
                f"objects are looked for in a folder of pictures, one picture, or a COCO document; {path} is none of them", file=path
            )
        pictures = []
        for number, (name, identifier) in enumerate(zip(names[IMAGE], _numbers(names[IMAGE].to_list()), strict=True), 1):
            size = size_of(str(root / name), lambda row=number: (str(path), row))  # type: ignore[misc]
            pictures.append(Picture(identifier, root / name, *size, ()))
        frame, notes, files = _frame(pictures, root).drop(OBJECTS), (), (path,)
    known = replace(schema, columns=tuple(column for column in schema.columns if column.name in frame.columns))
    return Dataset(known, frame.height, files, _fingerprint([], root, frame), tuple(notes), root, None, Memory(frame))


def classes(schema: Schema) -> tuple[str, ...]:
    """The categories that are learned, sorted."""
    return tuple(json.loads(schema.column(OBJECTS).form))


def numbers(schema: Schema) -> dict[str, int | str]:
    """The number of each category in the annotations of the training."""
    return dict(json.loads(schema.column(OBJECTS).form))


def codes(column: pl.Series, labels: Sequence[Any]) -> np.ndarray:
    """Boxes of each row -> float32 [n, M, 5]: a class and a box around its centre in shares of the square; NONE behind a row's last."""
    lengths = column.list.len().fill_null(0).to_numpy().astype(np.int64)
    found = np.full((len(column), max(1, int(lengths.max(initial=0))), 5), NONE, np.float32)
    if not lengths.sum():
        return found
    flat = column.filter(pl.Series(lengths > 0)).explode().struct.unnest()
    row = np.repeat(np.arange(len(column)), lengths)
    place = np.arange(row.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    names = pl.Series([str(name) for name in labels])
    found[row, place, 0] = (
        flat["label"].replace_strict(names, pl.Series(range(len(names)), dtype=pl.Int64), return_dtype=pl.Int64).to_numpy()
    )
    found[row, place, 1:] = flat.select("x", "y", "width", "height").to_numpy()
    return found


def pixels(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Boxes [Q, 4] by corners in shares of the square -> [Q, 4], x, y, width and height in pixels of the picture, cut at its edges.

    >>> pixels(np.array([[0.0, 0.0, 1.0, 0.5]]), 40, 20).tolist()
    [[0.0, 0.0, 40.0, 10.0]]
    """
    corner = (boxes.reshape(-1, 2, 2).astype(np.float64) - 0.5) * max(width, height) + np.array([width, height]) / 2
    corner = corner.clip(0, [width, height])
    return np.concatenate([corner[:, 0], corner[:, 1] - corner[:, 0]], 1)


def _frame(pictures: list[Picture], root: Path) -> pl.DataFrame:
    top = root.resolve()
    rows: list[list[dict[str, Any]]] = []
    for picture in pictures:
        side, (across, down) = max(picture.width, picture.height), (picture.width / 2, picture.height / 2)
        rows.append(
            [
                {
                    "label": box.label,
                    "x": (box.x + box.width / 2 - across) / side + 0.5,
                    "y": (box.y + box.height / 2 - down) / side + 0.5,
                    "width": box.width / side,
                    "height": box.height / side,
                }
                for box in picture.boxes
            ]
        )
    identifiers = [picture.identifier for picture in pictures]
    whole = all(isinstance(one, int) for one in identifiers)
    return pl.DataFrame(
        {
            IMAGE: pl.Series([picture.path.resolve().relative_to(top).as_posix() for picture in pictures], dtype=pl.String),
            IDENTIFIER: pl.Series(identifiers if whole else [str(one) for one in identifiers], dtype=pl.Int64 if whole else pl.String),
            WIDTH: pl.Series([picture.width for picture in pictures], dtype=pl.Int64),
            HEIGHT: pl.Series([picture.height for picture in pictures], dtype=pl.Int64),
            OBJECTS: pl.Series(rows, dtype=_TYPE),
        }
    )


def _schema(frame: pl.DataFrame, categories: dict[str, int | str]) -> Schema:
    """The form of the target's column holds the categories' own numbers, which predictions are written with."""
    n = frame.height
    return Schema(
        (
            Column(IMAGE, "image", "feature", "String", 0, n, "pictures of the annotations"),
            Column(IDENTIFIER, "identifier", "ignored", str(frame[IDENTIFIER].dtype), 0, n, "the picture's own number"),
            Column(WIDTH, "number", "ignored", "Int64", 0, frame[WIDTH].n_unique(), "pixels of the picture"),
            Column(HEIGHT, "number", "ignored", "Int64", 0, frame[HEIGHT].n_unique(), "pixels of the picture"),
            Column(OBJECTS, "category", "target", "List(Struct)", 0, n, "boxes of the annotations", json.dumps(categories)),
        )
    )


def _named(own: Annotations) -> list[str]:
    """The categories that have a box, in the order of first sight."""
    return list(dict.fromkeys(box.label for picture in own.pictures for box in picture.boxes))


def _refuse_unknown(own: Annotations, trained: Sequence[str]) -> None:
    if unknown := [name for name in _named(own) if name not in trained]:
        raise DataError(
            f"the category {unknown[0]!r} of {own.file.name} has no box in the training pictures, which have {listed(trained, 5)}"
            f"{did_you_mean(unknown[0], trained)}",
            file=own.file,
            value=unknown[0],
        )


def _numbers(names: list[str]) -> list[int]:
    """A number for each picture: the one that it is called by, as COCO's are, or else its place in the folder, from 1."""
    stems = [Path(name).stem for name in names]
    if all(stem.isascii() and stem.isdigit() and len(stem) < 19 for stem in stems) and len({int(stem) for stem in stems}) == len(stems):
        return [int(stem) for stem in stems]
    return list(range(1, len(names) + 1))


def _refuse_settings(settings: DataPart, file: Path) -> None:
    if settings.target not in ((), (OBJECTS,)):
        raise DataError(
            f"annotations have the target {OBJECTS!r}, the boxes; {settings.target[0]!r} was given: leave --target out",
            file=file,
            column=settings.target[0],
        )
    for field in ("source", "weight", "split", "group", "time", "drop", "kinds"):
        if getattr(settings, field):
            raise DataError(f"annotations of pictures have no column for data.{field}; leave it out", file=file)


def _fingerprint(documents: Sequence[Path], root: Path, frame: pl.DataFrame) -> str:
    """SHA-256 over the documents, and the name, size and first block of each picture."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(document.read_bytes())
    for name in frame[IMAGE]:
        with open(root / name, "rb") as handle:
            digest.update(f"{name}\0{os.fstat(handle.fileno()).st_size}\0".encode() + handle.read(4096))
    return digest.hexdigest()
