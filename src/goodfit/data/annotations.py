"""Objects in pictures, as COCO writes them: one JSON document of images, annotations with boxes, and categories.

Boxes there are [x, y, width, height] in pixels, from the left upper corner of the picture. What the form is: Lin et al. 2014 and cocodataset.org.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.base.errors import DataError
from goodfit.data.dataset import Note, listed
from goodfit.data.encode_image import size_of

_LARGEST = 1 << 30  # bytes; COCO's own file of 118,000 pictures has 450 MB


@dataclass(frozen=True, slots=True)
class Box:
    """label: name of the category. x, y: of the left upper corner. All in pixels, within the picture."""

    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Picture:
    """identifier: as the document has it. path: of the file. width, height: of the file, in pixels, as the picture is seen upright."""

    identifier: int | str
    path: Path
    width: int
    height: int
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a document holds. categories: the number of each by its name. notes: what was left out or changed. root: where its pictures lie."""

    file: Path
    root: Path
    pictures: tuple[Picture, ...]
    categories: dict[str, int | str]
    notes: tuple[Note, ...]


def is_annotations(file: Path) -> bool:
    """Whether the file is a JSON document with images, as COCO's are."""
    return document_of(file) is not None


def document_of(file: Path) -> dict[str, Any] | None:
    """The document, None where the file is something else. Raises DataError for one that is too large."""
    if file.suffix.lower() != ".json" or not file.is_file():
        return None
    try:
        with open(file, "rb") as handle:
            if not handle.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
                return None
            if file.stat().st_size > _LARGEST:
                raise DataError(f"annotations are read from documents of up to {_LARGEST >> 30} GiB; {file.name} is larger", file=file)
            handle.seek(0)
            document = json.loads(handle.read().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and "images" in document and {"annotations", "categories"} & set(document) else None


def read_annotations(file: Path) -> Annotations:
    """The pictures of a document with their objects. Raises DataError for what cannot be meant; what can be done without is left out, with a note.

    Boxes that reach beyond their picture are cut; boxes without an area, crowds (iscrowd) and repetitions are left out. A picture without an object stays.
    """
    document = document_of(file)
    if document is None:
        raise DataError(f"{file.name} is no JSON document with images, annotations and categories, as COCO's are", file=file)
    categories = _categories(file, document)
    entries = _images(file, document)
    root = _root(file, [name for _, name, _, _ in entries])
    sizes = [_size(file, root, number, entry) for number, entry in enumerate(entries, 1)]
    places = {identifier: index for index, (identifier, *_) in enumerate(entries)}
    boxes: list[list[Box]] = [[] for _ in entries]
    said = _Said(file)
    for number, annotation in enumerate(_entries(file, document, "annotations"), 1):
        index, box = _box(file, number, annotation, places, categories)
        if annotation.get("iscrowd"):
            said.count("mark crowds and no single objects", number, "were left out")
            continue
        cut = _cut(box, *sizes[index])
        if cut.width <= 0 or cut.height <= 0:
            said.count("have no area within their picture", number, "were left out")
            continue
        if cut != box:
            said.count("reach beyond their picture", number, "were cut at its edges")
        if cut in boxes[index]:
            said.count("repeat another of the same picture", number, "were left out")
            continue
        boxes[index].append(cut)
    pictures = tuple(
        Picture(identifier, root / name, *size, tuple(own))
        for (identifier, name, _, _), size, own in zip(entries, sizes, boxes, strict=True)
    )
    return Annotations(file, root, pictures, {name: number for number, name in categories.items()}, tuple(said))


class _Said:
    """How many boxes were changed or left out, by the reason."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._found: dict[tuple[str, str], list[int]] = {}

    def count(self, what: str, number: int, done: str) -> None:
        self._found.setdefault((what, done), []).append(number)

    def __iter__(self) -> Iterator[Note]:
        for (what, done), numbers in self._found.items():
            yield Note(
                f"the boxes of {self._file.name} that {what} ({len(numbers):,}, first annotation {numbers[0]}) {done}", str(self._file)
            )


def _entries(file: Path, document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    entries = document.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{name!r} of {file.name} must be a list of objects; {str(entries)[:60]!r} stands there", file=file)
    return entries


def _categories(file: Path, document: dict[str, Any]) -> dict[int | str, str]:
    """The names of the categories by their numbers."""
    found: dict[int | str, str] = {}
    for number, entry in enumerate(_entries(file, document, "categories"), 1):
        identifier = _identifier(file, entry, "id", f"category {number}")
        name = str(entry.get("name", identifier)).strip()
        if identifier in found:
            raise DataError(f"each category has an id of its own; {identifier!r} is given twice in {file.name}", file=file, row=number)
        if not name or name in found.values():
            raise DataError(
                f"each category has a name of its own; {name!r} is given twice in {file.name}: join the two", file=file, row=number
            )
        found[identifier] = name
    return found


def _images(file: Path, document: dict[str, Any]) -> list[tuple[int | str, str, Any, Any]]:
    """Id, name, width and height of each image, as they stand."""
    found: list[tuple[int | str, str, Any, Any]] = []
    identifiers: set[int | str] = set()
    names: set[int | str] = set()
    for number, entry in enumerate(_entries(file, document, "images"), 1):
        identifier, name = _identifier(file, entry, "id", f"image {number}"), entry.get("file_name")
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"each image needs a file_name; image {number} of {file.name} has {name!r}", file=file, row=number)
        for what, value, known in (("an id", identifier, identifiers), ("a file", name, names)):
            if value in known:
                raise DataError(
                    f"each image has {what} of its own; {value!r} is given twice in {file.name}", file=file, row=number, value=value
                )
            known.add(value)
        found.append((identifier, name.strip(), entry.get("width"), entry.get("height")))
    if not found:
        raise DataError(f"{file.name} names no image; give at least two", file=file)
    return found


def _identifier(file: Path, entry: dict[str, Any], key: str, what: str) -> int | str:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise DataError(f"{what} of {file.name} needs {key!r}, a whole number or a text; {value!r} stands there", file=file)
    return value


def _root(file: Path, names: list[str]) -> Path:
    """The folder that the names are below: the document's own, its `images`, the one named like it, or another beside it."""
    folder = file.parent
    try:
        beside = sorted(entry.path for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        beside = []
    for place in dict.fromkeys([folder, folder / "images", folder / file.stem, *map(Path, beside)]):
        if any(_is_file(place / name) for name in names[:10]):
            return place
    raise DataError(
        f"the pictures of {file.name} must lie beside it or in a folder beside it; {names[0]!r} is no file in {folder or '.'}",
        file=file,
        row=1,
        value=names[0],
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _size(file: Path, root: Path, number: int, entry: tuple[int | str, str, Any, Any]) -> tuple[int, int]:
    """Width and height of the file; raises DataError where it is not there, leaves the folder, cannot be read, or has another size than is said."""
    _, name, width, height = entry
    path = root / name
    if not _is_file(path):
        raise DataError(f"the picture {name!r} of image {number} in {file.name} is no file in {root}", file=file, row=number, value=name)
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(
            f"the picture {name!r} of image {number} in {file.name} leaves the folder {root}", file=file, row=number, value=name
        )
    size = size_of(str(path), lambda: (str(file), number))
    if all(isinstance(side, int) for side in (width, height)) and (width, height) != size:
        raise DataError(
            f"boxes are in pixels of the file; {file.name} says that {name!r} has {width} x {height}, and the file has {size[0]} x {size[1]}",
            file=file,
            row=number,
            value=name,
        )
    return size


def _box(
    file: Path, number: int, annotation: dict[str, Any], places: dict[int | str, int], categories: dict[int | str, str]
) -> tuple[int, Box]:
    """The position of its image, and the box as it stands."""
    for key, known in (("image_id", places), ("category_id", categories)):
        if annotation.get(key) not in known:
            what = "image" if key == "image_id" else "category"
            raise DataError(
                f"annotation {number} of {file.name} is of the {what} {annotation.get(key)!r}, which is none of its {len(known):,}: {listed([str(k) for k in known], 3)}",
                file=file,
                row=number,
                value=annotation.get(key),
            )
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
        raise DataError(
            f"each annotation needs bbox, [x, y, width, height] in pixels; annotation {number} of {file.name} has {str(box)[:60]}",
            file=file,
            row=number,
        )
    x, y, width, height = (float(side) for side in box)
    return places[annotation["image_id"]], Box(categories[annotation["category_id"]], x, y, width, height)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _cut(box: Box, width: int, height: int) -> Box:
    """What of the box lies in a picture of this size."""
    x, y = max(box.x, 0.0), max(box.y, 0.0)
    right, low = min(box.x + box.width, float(width)), min(box.y + box.height, float(height))
    return Box(box.label, x, y, right - x, low - y) if (x, y, right, low) != (box.x, box.y, box.x + box.width, box.y + box.height) else box
