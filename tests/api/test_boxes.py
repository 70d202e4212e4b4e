"""Objects in pictures, from COCO's annotations to COCO's results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

import goodfit as gf
from goodfit.api.scoring import describe, evaluate, predict_file
from goodfit.base.errors import DataError, SettingError

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220)}
SMALL = ("model.width=32", "model.heads=4", "train.threads=1", "optim.lr=0.002", "train.precision=float32", "data.image_size=32")


def squares(folder: Path, part: str, n: int, seed: int = 0) -> Path:
    """Pictures of grey noise with one to three red or blue squares, and their annotations beside them."""
    generator = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images: list[Any] = []
    annotations: list[Any] = []
    for number in range(1, n + 1):
        height, width = (int(side) for side in generator.integers(28, 41, 2))
        picture = generator.integers(90, 160, (height, width, 1)).repeat(3, 2).astype(np.uint8)
        for _ in range(generator.integers(1, 4)):
            side, kind = int(generator.integers(7, 12)), int(generator.integers(2))
            x, y = int(generator.integers(width - side)), int(generator.integers(height - side))
            picture[y : y + side, x : x + side] = list(COLOURS.values())[kind]
            box = {"id": len(annotations) + 1, "image_id": number, "category_id": (7, 3)[kind], "bbox": [x, y, side, side]}
            annotations.append(box)
        name = f"{part}-{number}.png"
        Image.fromarray(picture).save(folder / "images" / name)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
    categories = [{"id": 7, "name": "red"}, {"id": 3, "name": "blue"}]
    path = folder / f"{part}.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


@pytest.mark.slow
def test_from_annotations_to_results(tmp_path: Path) -> None:
    squares(tmp_path / "data", "train", 500)
    squares(tmp_path / "data", "test", 60, seed=1)
    run = gf.train(tmp_path / "data", preset="fast", sets=(*SMALL, "train.epochs=12", "train.batch_size=8"), out=tmp_path / "run")
    assert run.about["task"] == "detection"
    assert run.about["model"] == "anchor_detr"
    assert run.analysis["data"]["split"]["test"] == 60
    score = run.metrics["map_50"]
    assert score["value"] > 0.3
    assert score["low"] <= score["value"] <= score["high"]
    [baseline] = run.analysis["targets"][0]["baselines"]
    assert baseline["name"] == "mean boxes"
    assert baseline["metrics"]["map_50"] < 0.2
    report = (tmp_path / "run/report.html").read_text()
    assert "Pictures of the test set" in report
    assert report.count("data:image/jpeg") >= 12
    # COCO's results on the test pictures: of the ids and categories of the annotations, in pixels.
    out, rows = predict_file(tmp_path / "run", tmp_path / "data/test.json", tmp_path / "found.json")
    results = json.loads(out.read_text())
    assert rows == 60
    assert {result["category_id"] for result in results} == {3, 7}
    truth = json.loads((tmp_path / "data/test.json").read_text())
    sizes = {image["id"]: (image["width"], image["height"]) for image in truth["images"]}
    for result in results:
        x, y, width, height = result["bbox"]
        assert x >= 0 and y >= 0 and width > 0 and height > 0  # noqa: PT018
        assert x + width <= sizes[result["image_id"]][0] + 0.02
        assert y + height <= sizes[result["image_id"]][1] + 0.02
    assert average_precision(results, truth) == pytest.approx(score["value"], abs=0.02)
    assert evaluate(tmp_path / "run", tmp_path / "data/test.json")["metrics"]["map_50"]["value"] == pytest.approx(score["value"], abs=1e-6)
    assert describe(tmp_path / "run")["parameters"] > 0
    # A folder of pictures, one picture, and a row for each box.
    out, rows = predict_file(tmp_path / "run", tmp_path / "data/images", tmp_path / "found.csv")
    assert rows == 560
    assert pl.read_csv(out).columns == ["image", "image_id", "label", "score", "x", "y", "width", "height"]
    one = run.predict(tmp_path / "data/images/test-1.png")
    assert one.height == 1
    assert set(one["prediction"][0].struct.field("label").to_list()) <= {"red", "blue"}


def average_precision(results: list[dict[str, Any]], truth: dict[str, Any]) -> float:
    """mAP at half overlap of written results, from the documents alone."""
    from goodfit.tasks.detection_metrics import mean_average_precision

    def corners(box: list[float]) -> list[float]:
        return [box[0], box[1], box[0] + box[2], box[1] + box[3]]

    found, true = [], []
    for image in truth["images"]:
        own = [result for result in results if result["image_id"] == image["id"]]
        theirs = [box for box in truth["annotations"] if box["image_id"] == image["id"]]
        found.append(
            tuple(
                np.array([get(one) for one in own])
                for get in (lambda r: corners(r["bbox"]), lambda r: r["category_id"], lambda r: r["score"])
            )
        )
        true.append(tuple(np.array([get(one) for one in theirs]) for get in (lambda b: corners(b["bbox"]), lambda b: b["category_id"])))
    return mean_average_precision(found, true)["map_50"]


@pytest.mark.parametrize("name", ["detr", "anchor_detr"])
def test_each_network_on_one_document(name: str, tmp_path: Path) -> None:
    path = squares(tmp_path / "data", "all", 24)
    sets = (*SMALL, "train.epochs=1", f"model.name={name}", "model.depth=1")
    run = gf.train(path, preset="fast", sets=sets, out=tmp_path / "run")
    assert run.about["model"] == name
    assert run.recipe.model.queries == {"detr": 20, "anchor_detr": 64}[name]
    frame = run.predict(path)
    assert frame.columns == ["image", "image_id", "width", "height", "prediction"]


def test_refused(tmp_path: Path) -> None:
    path = squares(tmp_path / "data", "all", 12)
    document = json.loads(path.read_text())

    def told(words: str, **changed: Any) -> None:
        path.write_text(json.dumps(document | changed))
        with pytest.raises(DataError, match=words):
            gf.train(path, sets=SMALL, out=tmp_path / "run")

    first = document["annotations"][0]
    told("annotation 1 of all.json is of the image 900", annotations=[first | {"image_id": 900}])
    told("no box to learn from", annotations=[])
    told(
        "says that 'all-1.png' has 5 x 5, and the file has",
        images=[document["images"][0] | {"width": 5, "height": 5}, *document["images"][1:]],
    )
    path.write_text(json.dumps(document))
    for sets, words in (
        (("model.name=resnet9",), "the network 'resnet9' is for .*, and the task is detection; take anchor_detr or detr"),
        (("train.label_smoothing=0.1",), "has no effect on detection"),
        (("model.queries=50",), "stand on a grid"),
        (("train.members=3",), "detection has none"),
    ):
        with pytest.raises((SettingError, gf.base.errors.InputError), match=words):
            gf.train(path, sets=(*SMALL, *sets), out=tmp_path / "run")
    with pytest.raises(DataError, match="the target 'objects', the boxes; 'digit' was given"):
        gf.train(path, "digit", sets=SMALL, out=tmp_path / "run")
    with pytest.raises(DataError, match="detection learns from a document of COCO's form"):
        gf.train(tmp_path / "data/images", task="detection", sets=SMALL, out=tmp_path / "run")
