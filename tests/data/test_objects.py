"""Annotations of pictures: how they are found and read, and boxes from pixels to shares and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.annotations import is_annotations, read_annotations
from goodfit.data.encoder import Encoder
from goodfit.data.objects import codes, pixels
from goodfit.data.read import read, read_like
from goodfit.data.target import TargetSpec, detect

BOX = [4, 2, 8, 6]


def picture(path: Path, size: tuple[int, int] = (40, 20), box: list[int] | None = None, **options: Any) -> None:
    """Black, with a white box."""
    image = Image.new("RGB", size)
    if box:
        image.paste((255, 255, 255), (box[0], box[1], box[0] + box[2], box[1] + box[3]))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def document(names: list[str], *, at: int = 0, **more: Any) -> str:
    images = [{"id": at + n, "file_name": name} for n, name in enumerate(names, 10)]
    boxes = [{"id": n, "image_id": at + n, "category_id": 5, "bbox": BOX} for n in range(10, 10 + len(names))]
    return json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 5, "name": "cat"}, {"id": 2, "name": "dog"}]} | more)


def test_one_document_with_its_pictures_beside_it(tmp_path: Path) -> None:
    for n in range(3):
        picture(tmp_path / f"{n}.png")
    (tmp_path / "boxes.json").write_text(document(["0.png", "1.png", "2.png"]))
    data = read(tmp_path / "boxes.json")
    assert data.column("image_id").to_list() == [10, 11, 12]
    assert data.part is None
    assert data.place(2) == (str(tmp_path / "boxes.json"), 3)
    assert any("'dog'" in note.message and "not learned" in note.message for note in data.notes)
    spec = detect(data, DataPart())
    assert spec.kind == "detection"
    assert spec.classes == ("cat",)
    assert spec.fit(data).longest == 1
    [box] = data.column("objects")[0].to_list()
    assert box == {"label": "cat", "x": 8 / 40, "y": 0.25 + 5 / 40, "width": 8 / 40, "height": 6 / 40}


@pytest.mark.parametrize("form", ["files", "folders", "roboflow", "one and a test"])
def test_folders_with_parts(form: str, tmp_path: Path) -> None:
    name = "_annotations.coco.json" if form == "roboflow" else "annotations.json"
    for part, count in (("train", 4), ("test", 2)):
        names = [f"{part}-{n}.png" for n in range(count)]
        inside = form in ("folders", "roboflow")
        for file in names:
            picture(tmp_path / (part if inside else "images") / file)
        place = (
            tmp_path / part / name
            if inside
            else tmp_path / ("annotations.json" if (form, part) == ("one and a test", "train") else f"{part}.json")
        )
        place.write_text(document(names, at=100 * count))
    data = read(tmp_path)
    assert data.rows == 6
    assert data.part is not None
    assert data.part.tolist() == [0] * 4 + [2] * 2
    assert data.place(4)[1] == 1


def test_new_pictures_with_and_without_annotations(tmp_path: Path) -> None:
    for n in (7, 30, 200):
        picture(tmp_path / "new" / f"{n:06d}.jpg")
        picture(tmp_path / f"{n}.png")
    (tmp_path / "boxes.json").write_text(document(["7.png", "30.png", "200.png"]))
    schema = read(tmp_path / "boxes.json").schema
    assert read_like(tmp_path / "new", schema).column("image_id").to_list() == [7, 30, 200], "COCO's names are its numbers"
    assert read_like(tmp_path / "new/000030.jpg", schema).column("image").to_list() == ["000030.jpg"]
    assert read_like(tmp_path / "boxes.json", schema).column("objects").list.len().to_list() == [1, 1, 1]
    (tmp_path / "plain.json").write_text(document(["7.png", "30.png"], annotations=[]))
    found = read_like(tmp_path / "plain.json", schema)
    assert "objects" not in found.schema.names
    picture(tmp_path / "new" / "cat.png")
    assert read_like(tmp_path / "new", schema).column("image_id").to_list() == [1, 2, 3, 4]
    (tmp_path / "dogs.json").write_text(document(["7.png"], annotations=[{"image_id": 10, "category_id": 2, "bbox": BOX}]))
    with pytest.raises(DataError, match=r"'dog' of dogs\.json has no box in the training pictures"):
        read_like(tmp_path / "dogs.json", schema)
    with pytest.raises(DataError, match="a folder of pictures, one picture, or a COCO document"):
        read_like(tmp_path / "nothing.csv", schema)


def test_a_picture_that_lies_is_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for n in range(2):
        picture(tmp_path / f"{n}.jpg", (40, 20), exif=exif)
    (tmp_path / "boxes.json").write_text(document(["0.jpg", "1.jpg"]))
    own = read_annotations(tmp_path / "boxes.json")
    assert {(one.width, one.height) for one in own.pictures} == {(20, 40)}


def test_what_is_no_document(tmp_path: Path) -> None:
    for name, text in (
        ("a.json", '{"images": 3'),
        ("b.json", "[]"),
        ("c.json", '{"a": 1}'),
        ("d.csv", document([])),
        ("e.json", '{"images": []}'),
    ):
        (tmp_path / name).write_text(text)
        assert not is_annotations(tmp_path / name)


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (33, 33)])
def test_the_box_lies_where_the_network_sees_the_object(size: tuple[int, int], tmp_path: Path) -> None:
    """What is white in the square that the encoder makes is what the box in shares of its side says."""
    for n in range(2):
        picture(tmp_path / f"{n}.png", size, BOX)
    (tmp_path / "boxes.json").write_text(document(["0.png", "1.png"]))
    data = read(tmp_path / "boxes.json")
    spec = detect(data, DataPart())
    encoder = Encoder.fit(data, data.schema, spec, np.arange(2), DataPart(image_size=80), 0)
    assert encoder.inputs["boxes"] == {"classes": 1, "most": 1}
    seen = encoder.encode(data).inputs["image"][0].numpy().max(0) > 128  # type: ignore[index]
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    _, x, y, width, height = spec.encode(data)[0, 0]
    assert [columns[0], columns[-1] + 1] == pytest.approx([80 * (x - width / 2), 80 * (x + width / 2)], abs=1.5)
    assert [rows[0], rows[-1] + 1] == pytest.approx([80 * (y - height / 2), 80 * (y + height / 2)], abs=1.5)


side = st.integers(1, 200)


@given(side, side, st.tuples(*[st.floats(0, 1)] * 4))
def test_shares_and_pixels_are_each_others_inverse(width: int, height: int, corner: tuple[float, float, float, float]) -> None:
    x, right = sorted((corner[0] * width, corner[1] * width))
    y, low = sorted((corner[2] * height, corner[3] * height))
    longer = max(width, height)
    shares = (np.array([[x, y], [right, low]]) - np.array([width, height]) / 2) / longer + 0.5
    assert np.allclose(pixels(shares.reshape(1, 4), width, height), [[x, y, right - x, low - y]], atol=1e-6 * longer)


def test_codes_are_filled_up() -> None:
    entry = {"label": "b", "x": 0.5, "y": 0.25, "width": 0.1, "height": 0.2}
    column = pl.Series("objects", [[], [entry, entry | {"label": "a"}], [entry]])
    found = codes(column, ("a", "b"))
    assert found.dtype == np.float32
    assert found[:, :, 0].tolist() == [[-1, -1], [1, 0], [1, -1]]
    assert np.allclose(found[1, 1, 1:], [0.5, 0.25, 0.1, 0.2])
    spec = TargetSpec("detection", ("objects",), classes=("a", "b"))
    assert np.array_equal(spec.encode(column), found)
    assert TargetSpec.from_json(spec.to_json()) == spec


def test_settings_that_annotations_do_not_have(tmp_path: Path) -> None:
    for n in range(2):
        picture(tmp_path / f"{n}.png")
    (tmp_path / "boxes.json").write_text(document(["0.png", "1.png"]))
    for part, words in (
        (DataPart(target=("label",)), "the target 'objects', the boxes; 'label' was given"),
        (DataPart(drop=("x",)), r"no column for data\.drop"),
        (DataPart(group="x"), r"no column for data\.group"),
    ):
        with pytest.raises(DataError, match=words):
            read(tmp_path / "boxes.json", settings=part)
