"""Pictures that are made, from the file to the sheet of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import goodfit as gf
from goodfit.api import generation
from goodfit.api.pictures import drawn, generate_pictures
from goodfit.api.scoring import describe, evaluate, predict_file
from goodfit.base.errors import BundleError, DataError, InputError, SettingError
from goodfit.cli.main import main

FAST = (
    "train.threads=1",
    "train.precision=float32",
    "train.channels_last=no",
    "model.width=8",
    "model.latent_dim=6",
    "train.batch_size=16",
)


def archive(folder: Path, *, labels: bool = True, side: int = 9) -> Path:
    """Bright bars on a dark ground, upright ones and lying ones, where chance wants them."""
    generator = np.random.default_rng(0)
    pictures, label = np.zeros((160, side, side), np.uint8), np.arange(160) % 2
    for picture, kind in zip(pictures, label, strict=True):
        place = generator.integers(1, side - 2)
        (picture if kind else picture.T)[place : place + 2] = generator.integers(200, 255)
    path = folder / "bars.npz"
    np.savez(path, image=pictures, **({"label": np.array(["up", "flat"])[label]} if labels else {}))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> gf.Run:
    """A short game on bars with labels."""
    folder = tmp_path_factory.mktemp("game")
    return gf.train(
        archive(folder), task="generation", sets=(*FAST, "model.width=16", "train.epochs=150", "optim.lr=0.002"), out=folder / "run"
    )


def test_the_walk(run: gf.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = run.analysis["targets"][0]
    assert run.about["task"] == "generation"
    assert run.recipe.data.image_size == 10  # 9 cannot be halved
    assert set(run.metrics) == {"frechet_distance", "diversity", "confidence", "believed", "classes_present"}
    assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in run.metrics.values())
    first, last = run.history[0], run.history[-1]
    assert run.metrics["frechet_distance"]["value"] < 0.7 * first["score"]  # of the untrained generator
    assert last["generator_loss"] > 0
    assert last["discriminator_loss"] > 0
    assert run.metrics["classes_present"]["value"] == 1
    assert [entry["name"] for entry in target["baselines"]] == ["normal pixels"]
    assert target["generated"]["floor"] < run.metrics["frechet_distance"]["value"]
    assert [item["name"] for item in target["generated"]["classes"]] == ["flat", "up"]
    assert sum(item["generated"] for item in target["generated"]["classes"]) == pytest.approx(1)
    page = (run.folder / "report.html").read_text()
    assert page.count("data:image/png;base64") == 2
    assert "The judge is a resnet9 that learned label" in page
    assert "generator" in page
    assert "Where it errs" not in page
    assert describe(run.folder)["model"] == "dcgan"
    again = evaluate(run.folder, run.folder.parent / "bars.npz")
    assert again["rows"] == 160
    assert set(again["metrics"]) == set(run.metrics)
    capsys.readouterr()
    assert main(["generate", str(run.folder), "--number", "5", "--seed", "1", "--out", str(tmp_path / "made"), "--json"]) == 0
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "0001.png",
        "0002.png",
        "0003.png",
        "0004.png",
        "0005.png",
        "grid.png",
    ]
    with Image.open(tmp_path / "made/0001.png") as picture:
        assert (picture.size, picture.mode) == ((10, 10), "L")


def test_a_picture_is_a_function_of_the_seed_and_its_number(run: gf.Run, tmp_path: Path) -> None:
    generate_pictures(run.folder, number=3, seed=4, out=tmp_path / "few")
    generate_pictures(run.folder, number=20, seed=4, out=tmp_path / "many")
    generate_pictures(run.folder, number=3, seed=5, out=tmp_path / "other")
    few, many, other = ([(tmp_path / name / f"000{i}.png").read_bytes() for i in (1, 2, 3)] for name in ("few", "many", "other"))
    assert few == many
    assert all(one != another for one, another in zip(few, other, strict=True))


def test_the_judge_tells_which_class_was_meant(run: gf.Run) -> None:
    """The generator was told the class of each picture; half of the rows are of each, and the judge agrees more often than chance."""
    from goodfit.api.judge import load_judge
    from goodfit.api.pictures import _classes

    meant = _classes(200, [0.5, 0.5])
    assert 90 < meant.sum() < 110
    _, probability = load_judge(run.folder, generation.torch.device("cpu")).look(drawn(run.bundle.members[0], 200, 0))
    assert probability is not None
    assert (probability.argmax(1) == meant).mean() > 0.6  # of 200, where chance has a deviation of 0.035


@pytest.mark.parametrize("name", ["original", "wasserstein"])
def test_without_labels_an_autoencoder_judges(name: str, tmp_path: Path) -> None:
    sets = (*FAST, "train.epochs=3", f"train.gan_loss={name}")
    run = gf.train(archive(tmp_path, labels=False), task="generation", sets=sets, out=tmp_path / "run")
    assert set(run.metrics) == {"frechet_distance", "diversity"}
    assert "an autoencoder of the real training pictures" in run.analysis["targets"][0]["generated"]["judge"]["said"]
    assert run.recipe.optim.beta1 == (0.0 if name == "wasserstein" else 0.5)
    assert "shares" not in run.bundle.members[0].model["inputs"]["noise"] or not run.bundle.members[0].model["inputs"]["noise"]["shares"]


@pytest.mark.parametrize("stop", [3, 18])
def test_killed_and_resumed_it_ends_in_the_same_bits(stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, sets = archive(tmp_path), (*FAST, "train.epochs=4", "train.checkpoint_every=0")
    gf.train(data, task="generation", sets=sets, out=tmp_path / "whole")
    real = generation.play

    def killed(*given: object) -> object:
        for number, record in enumerate(real(*given)):  # type: ignore[arg-type]
            yield record
            if number == stop:
                raise KeyboardInterrupt

    monkeypatch.setattr(generation, "play", killed)
    with pytest.raises(KeyboardInterrupt):
        gf.train(data, task="generation", sets=sets, out=tmp_path / "killed")
    monkeypatch.undo()
    judged = (tmp_path / "killed/judge/model/bundle.json").stat().st_mtime_ns
    gf.train(out=tmp_path / "killed", resume=True)
    assert (tmp_path / "killed/judge/model/bundle.json").stat().st_mtime_ns == judged  # it is taken up, not trained again
    for file in ("model/0/network.safetensors", "judge/model/0/network.safetensors"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes()
    lines = [[line["score"] for line in gf.load(tmp_path / name).history] for name in ("whole", "killed")]
    assert lines[0] == lines[1]


def test_refused(run: gf.Run, tmp_path: Path) -> None:
    data = run.folder.parent / "bars.npz"
    for sets, words in (
        (("model.name=resnet9",), "the network 'resnet9' is for binary or .*; for generation take dcgan"),
        (("train.mixup=0.3",), "train.mixup has no effect on generation"),
        (("optim.schedule=cosine",), "optim.schedule has no effect on generation"),
        (("train.gan_loss=wasserstein", "train.precision=bfloat16"), "needs train.precision=float32"),
        (("model.width=16000", "data.image_size=64"), "would take about .* of memory"),
        (("model.depth=3",), "the network 'dcgan' does not take model.depth"),
    ):
        with pytest.raises(SettingError, match=words):
            gf.train(data, task="generation", sets=sets, out=tmp_path / "run")
    with pytest.raises(InputError, match="sides must be even and at least 8; got 27 x 27"):
        gf.train(data, task="generation", sets=("data.image_size=27",), out=tmp_path / "run")
    with pytest.raises(DataError, match="makes pictures and needs one column of them; there is none"):
        gf.train({"a": np.arange(50.0), "b": np.arange(50.0) ** 2}, task="generation", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="makes pictures and predicts nothing of rows; write: goodfit generate"):
        predict_file(run.folder, data, tmp_path / "p.csv")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    for given, words in (
        ({"number": 0, "out": tmp_path / "a"}, "--number must lie from 1"),
        ({"seed": -1, "out": tmp_path / "a"}, "--seed must be at least 0"),
        ({"out": tmp_path / "full"}, "full is not empty"),
        ({"out": tmp_path / "no/such/place"}, "the folder of --out must exist"),
    ):
        with pytest.raises(InputError, match=words):
            generate_pictures(run.folder, **given)  # type: ignore[arg-type]
    with pytest.raises(BundleError, match="is not a run"):
        generate_pictures(tmp_path / "nowhere")
