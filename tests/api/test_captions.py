"""Captions from the file to the prediction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import goodfit as gf
from goodfit.api.scoring import describe, evaluate, predict_file
from goodfit.base.errors import DataError, SettingError

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220)}
SHAPES = ("square", "bar", "frame")


def pictures(n: int) -> tuple[np.ndarray, list[str]]:
    """A shape in a colour: [n, 16, 16, 3], and its name."""
    generator = np.random.default_rng(0)
    images, names = np.full((n, 16, 16, 3), 255, np.uint8), []
    for image in images:
        colour, shape = str(generator.choice(list(COLOURS))), str(generator.choice(SHAPES))
        y, x = generator.integers(1, 5, 2)
        image[y : y + 10, x : x + (4 if shape == "bar" else 10)] = COLOURS[colour]
        if shape == "frame":
            image[y + 3 : y + 7, x + 3 : x + 7] = 255
        names.append(f"{colour} {shape}" if generator.random() < 0.5 else f"a {shape} that is {colour}")
    return images, names


SMALL = ("model.width=32", "train.threads=1", "train.batch_size=32", "optim.lr=0.004", "train.precision=float32", "train.channels_last=no")


@pytest.mark.parametrize("name", ["captioner", "caption_rnn"])
def test_pictures_and_their_names(name: str, tmp_path: Path) -> None:
    images, names = pictures(360)
    path = tmp_path / "shapes.npz"
    np.savez(path, image=images, caption=np.array(names), label=np.arange(360) % 3, class_names=np.array(["x", "y", "z"]))
    sets = (*SMALL, f"model.name={name}", "train.epochs=14", "data.augment=false")
    run = gf.train(path, "caption", preset="fast", sets=(*sets, "data.source=image"), out=tmp_path / "run")
    assert (run.about["task"], run.about["model"]) == ("caption", name)
    assert run.metrics["word_f1"]["value"] > 0.5
    target = run.analysis["targets"][0]
    assert [entry["name"] for entry in target["baselines"]] == ["the likest picture's caption", "the commonest words"]
    assert all(item["image"].startswith("data:image/png") for item in target["mistakes"])
    assert evaluate(run.folder)["metrics"]["word_f1"]["value"] == pytest.approx(run.metrics["word_f1"]["value"])
    assert describe(run.folder)["parameters"] > 0
    out, rows = predict_file(run.folder, path, tmp_path / "said.csv")
    said = pl.read_csv(out)["prediction"].to_list()
    assert rows == 360
    hits = [any(colour in text and colour in name for colour in COLOURS) for text, name in zip(said, names, strict=True)]
    assert np.mean(hits) > 0.6  # a third by chance
    new = {
        "image": images[:3],
        "caption": ["red zebra", "a", "square"],
    }  # a word that training did not have is missed, and no mistake of the file
    assert evaluate(run.folder, new)["rows"] == 3
    page = (run.folder / "report.html").read_text()
    assert "F1 of the words" in page
    assert "BLEU" in page
    assert "Where it looks" in page
    assert len(target["looks"]) == 4
    assert [word["word"] for word in target["looks"][0]["words"]] == run.predict({"image": images[[target["looks"][0]["row"] - 1]]})[
        "prediction"
    ][0].split()


@pytest.mark.parametrize("workers", [1, 2])
def test_several_networks_say_one_thing(workers: int, tmp_path: Path) -> None:
    images, names = pictures(120)
    sets = (*SMALL, "model.name=caption_rnn", "train.epochs=2", "train.members=3", f"train.workers={workers}", "data.source=image")
    run = gf.train({"image": images, "caption": names}, "caption", sets=sets, out=tmp_path / "run")
    members = run.bundle.members
    assert run.about["members"] == len(members) == 3
    first, second, _ = (member.network.state_dict()["head.weight"] for member in members)
    assert not torch.equal(first, second), "each has a seed of its own"
    assert len({path.read_text() for path in (run.folder / "model").glob("*/encoder.json")}) == 1, "all read alike"
    rows = {"image": images[:20]}
    together = run.predict(rows)["prediction"].to_list()
    alone = [replace(run.bundle, members=[member], weights=[1.0]).predict(rows)["prediction"].to_list() for member in members]
    trusted = replace(run.bundle, weights=[1 - 2e-6, 1e-6, 1e-6]).predict(rows)["prediction"].to_list()
    assert trusted == alone[0]
    assert any(together != said for said in alone)
    assert evaluate(run.folder, {"image": images, "caption": names})["rows"] == 120


def test_paths_of_pictures_in_a_table(tmp_path: Path) -> None:
    images, names = pictures(60)
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    table = pl.DataFrame({"file": [f"{i}.png" for i in range(60)], "size": list(range(60)), "caption": names})
    table.write_csv(tmp_path / "shapes.csv")
    run = gf.train(
        tmp_path / "shapes.csv", "caption", preset="fast", sets=(*SMALL, "data.source=file", "train.epochs=1"), out=tmp_path / "run"
    )
    assert run.about["task"] == "caption"
    assert run.predict(tmp_path / "shapes.csv").height == 60


def test_refused(tmp_path: Path) -> None:
    images, names = pictures(40)
    data: dict[str, Any] = {"image": images, "caption": names, "label": [i % 2 for i in range(40)], "text": names}
    for error, target, sets, words in (
        (DataError, "caption", ("data.source=imgae",), "did you mean 'image'"),
        (DataError, "label", ("data.source=image",), "a sequence is one target of texts; 'label' holds"),
        (SettingError, "caption", ("data.source=text", "data.task=caption"), "or caption with pictures; data.task=caption was given"),
        (SettingError, "caption", ("data.source=image", "model.name=resnet9"), "take captioner or caption_rnn"),
        (SettingError, "label", ("data.drop=caption,text", "model.name=captioner"), "is for caption, and the target is none"),
    ):
        with pytest.raises(error, match=words):
            gf.train(data, target, sets=sets, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
