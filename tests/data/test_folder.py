"""Folders of pictures: a subfolder per class, and what may lie beside them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.read import read, read_like


def picture(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(path)


def pictures(folder: Path, *names: str) -> Path:
    for index, name in enumerate(names):
        picture(folder / name, index)
    return folder


def test_a_subfolder_per_class(tmp_path: Path) -> None:
    pictures(tmp_path, "dog/img10.png", "dog/img2.png", "cat/a.JPG", "cat/deep/b.bmp", "cat/c.gif", "dog/d.webp")
    dataset = read(tmp_path)
    assert dataset.column("image").to_list() == ["cat/a.JPG", "cat/c.gif", "cat/deep/b.bmp", "dog/d.webp", "dog/img2.png", "dog/img10.png"]
    assert dataset.column("label").to_list() == ["cat"] * 3 + ["dog"] * 3
    assert [(c.name, c.kind, c.role) for c in dataset.schema.columns] == [("image", "image", "feature"), ("label", "category", "target")]
    assert dataset.root is not None
    assert all((dataset.root / name).is_file() for name in dataset.column("image"))
    assert dataset.part is None
    assert not dataset.notes


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "val", "TEST"), ("train", "valid", "test")])
def test_parts_as_folders(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        pictures(tmp_path / name, "cat/1.png", "dog/1.png")
    dataset = read(tmp_path, settings=DataPart(target=("label",)))
    codes = {"train": 0, "training": 0, "val": 1, "valid": 1, "test": 2}
    assert dataset.part is not None
    assert dataset.part.tolist() == [code for name in sorted(names, key=lambda n: codes[n.lower()]) for code in [codes[name.lower()]] * 2]


def test_parts_as_arguments(tmp_path: Path) -> None:
    pictures(tmp_path / "a", "cat/1.png", "dog/1.png")
    pictures(tmp_path / "b", "cat/2.png", "dog/2.png")
    dataset = read(tmp_path / "a", test=tmp_path / "b")
    assert dataset.column("image").to_list() == ["a/cat/1.png", "a/dog/1.png", "b/cat/2.png", "b/dog/2.png"]
    assert dataset.part is not None
    assert dataset.part.tolist() == [0, 0, 2, 2]
    assert dataset.root == tmp_path


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    pictures(tmp_path, "car/1.png", "train/1.png", "ship/1.png")
    assert sorted(set(read(tmp_path).column("label"))) == ["car", "ship", "train"]


def test_an_archive_that_unpacks_into_a_folder_of_its_own(tmp_path: Path) -> None:
    pictures(tmp_path / "data", "cat/1.png", "dog/1.png")
    assert read(tmp_path).column("image").to_list() == ["data/cat/1.png", "data/dog/1.png"]


def test_what_else_lies_there(tmp_path: Path) -> None:
    pictures(tmp_path, "cat/1.png", "dog/1.png", "loose.png", ".hidden/1.png", "__MACOSX/cat/1.png", "cat/.1.png")
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "cat" / "Thumbs.db").write_text("x")
    (tmp_path / "bird").mkdir()
    dataset = read(tmp_path)
    assert dataset.column("image").to_list() == ["cat/1.png", "dog/1.png"]
    said = " ".join(note.message for note in dataset.notes)
    assert all(word in said for word in ("loose.png", "notes.txt", "'bird'"))
    assert "Thumbs" not in said


def refused(folder: Path, words: str, **given: object) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read(folder, **given)  # type: ignore[arg-type]
    assert caught.value.file is not None


def test_refused(tmp_path: Path) -> None:
    refused(pictures(tmp_path / "one", "cat/1.png"), "at least two subfolders")
    refused(pictures(tmp_path / "flat", "1.png", "2.png"), "2 lie in the folder itself")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds no pictures")
    good = pictures(tmp_path / "good", "cat/1.png", "dog/1.png")
    refused(good, "the target 'label'", settings=DataPart(target=("labels",)))
    refused(good, r"no column for data\.group", settings=DataPart(group="g"))
    refused(good, "kinds are fixed", settings=DataPart(kinds={"image": "text"}))
    refused(good, "'bird' of .*/1.png is not among the classes", test=pictures(tmp_path / "other", "bird/1.png", "cat/1.png"))
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    refused(good, "must be one too; it is a file", test=tmp_path / "t.csv")


def test_links_may_not_lead_out(tmp_path: Path) -> None:
    good = pictures(tmp_path / "good", "cat/1.png", "dog/1.png")
    os.symlink("/etc/hostname", good / "cat" / "2.png")
    refused(good, "leads out of the folder")
    (good / "cat" / "2.png").unlink()
    os.symlink(good / "dog" / "1.png", good / "cat" / "2.png")
    assert read(good).rows == 3


def test_fingerprint(tmp_path: Path) -> None:
    folder = pictures(tmp_path, "cat/1.png", "dog/1.png")
    first = read(folder).fingerprint
    assert first == read(folder).fingerprint
    picture(folder / "dog" / "1.png", 200)
    assert first != read(folder).fingerprint


def test_new_pictures(tmp_path: Path) -> None:
    schema = read(pictures(tmp_path / "train", "cat/1.png", "dog/1.png")).schema
    new = pictures(tmp_path / "new", "x.png", "sub/y.png")
    dataset = read_like(new, schema)
    assert dataset.column("image").to_list() == ["x.png", "sub/y.png"]
    assert dataset.root == new
    assert dataset.schema.targets == ()
    labelled = read_like(pictures(tmp_path / "more", "cat/5.png", "dog/6.png"), schema, labelled=True)
    assert labelled.column("label").to_list() == ["cat", "dog"]
    table = tmp_path / "new" / "t.csv"
    table.write_text("image\nx.png\nsub/y.png\n")
    assert read_like(table, schema).column("image").to_list() == ["x.png", "sub/y.png"]
    table.write_text("image\nx.png\nz.png\n")
    with pytest.raises(DataError, match=r"'z\.png' in row 2 of 'image' is no file"):
        read_like(table, schema)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        read_like(tmp_path / "none", schema)


def test_a_folder_for_a_table(tmp_path: Path) -> None:
    schema = read({"x": [0.5, 1.5] * 9, "label": ["a", "b"] * 9}, settings=DataPart(target=("label",))).schema
    with pytest.raises(DataError, match="training read a table with 'x'"):
        read_like(pictures(tmp_path, "cat/1.png"), schema)
