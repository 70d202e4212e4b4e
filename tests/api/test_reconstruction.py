"""Rows that are given back, from the file to the codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import goodfit as gf
from goodfit.api import fitting
from goodfit.api.pictures import generate_pictures
from goodfit.api.scoring import describe, evaluate, predict_file
from goodfit.base.errors import DataError, InputError, SettingError
from goodfit.data.read import read

FAST = ("train.threads=1", "train.precision=float32", "train.channels_last=no", "optim.lr=0.003")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,797 digits of 8 x 8 pixels, with their labels."""
    given = load_digits()
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    np.savez(path, image=(given.images * 15.9375).astype(np.uint8), label=given.target)
    return path


def table(n: int = 600) -> pl.DataFrame:
    """Five numbers and a category from two hidden ones, so that a code of two knows nearly all of them."""
    a, b = np.random.default_rng(0).normal(size=(2, n))
    columns = {"u": a, "v": a + 0.01 * b, "w": np.sin(2 * a), "x": b, "z": b**2, "kind": np.where(a > 0, "up", "down")}
    return pl.DataFrame(columns).with_columns(pl.when(pl.col("x") > 2).then(None).otherwise(pl.col("z")).alias("z"))


def test_pictures(digits: Path, tmp_path: Path) -> None:
    run = gf.train(digits, task="reconstruction", sets=(*FAST, "train.epochs=12", "model.width=8"), out=tmp_path / "run")
    target = run.analysis["targets"][0]
    error = run.metrics["mean_squared_error"]
    beside = {entry["name"]: entry["metrics"]["mean_squared_error"] for entry in target["baselines"]}
    assert run.about["task"] == "reconstruction"
    assert run.about["model"] == "conv_autoencoder"
    assert error["low"] <= error["value"] <= error["high"] < beside["mean"] / 2
    assert target["rebuilt"]["size"] == 8
    assert target["rebuilt"]["codes"]["label"] == "label"
    assert target["rebuilt"]["codes"]["accuracy"]["autoencoder"] > 0.6  # of ten classes
    page = (tmp_path / "run/report.html").read_text()
    assert page.count("data:image/png;base64") == 2
    assert "What it gives back" in page
    assert "What it relies on" not in page
    # The baseline is scikit-learn's PCA of pixels from 0 to 1, fitted on the training rows and asked for the sealed ones.
    pixels = load_digits().images.reshape(-1, 64)
    pixels = (pixels * 15.9375).astype(np.uint8) / 255
    split = run.analysis["data"]["split"]
    assert (split["train"], split["test"]) == (1257, 270)
    from goodfit.data.splits import split as divided
    from goodfit.data.target import detect

    data = read(digits, settings=run.recipe.data)
    parts = divided(data, detect(data, run.recipe.data), run.recipe.data, run.recipe.seed)
    fitted = PCA(8).fit(pixels[parts.train])
    rest = pixels[parts.test] - fitted.inverse_transform(fitted.transform(pixels[parts.test]))
    assert beside["PCA"] == pytest.approx(np.square(rest).mean(), rel=1e-4)
    assert beside["mean"] == pytest.approx(np.square(pixels[parts.test] - pixels[parts.train].mean(0)).mean(), rel=1e-4)
    out, rows = predict_file(tmp_path / "run", digits, tmp_path / "codes.csv")
    said = pl.read_csv(out)
    assert rows == 1797
    assert said.columns == [*(f"code_{i}" for i in range(8)), "reconstruction_error"]
    assert said["reconstruction_error"].gather(parts.test.tolist()).mean() == pytest.approx(error["value"], rel=1e-4)
    with Image.open(tmp_path / "codes.png") as picture:
        assert picture.size[0] > picture.size[1] >= 2 * 8
    assert evaluate(tmp_path / "run", digits)["rows"] == 1797
    assert evaluate(tmp_path / "run")["metrics"]["mean_squared_error"]["value"] == pytest.approx(error["value"], rel=1e-6)
    assert describe(tmp_path / "run")["parameters"] > 0


def test_a_table_of_numbers_categories_and_gaps(tmp_path: Path) -> None:
    table().write_csv(tmp_path / "table.csv")
    run = gf.train(
        tmp_path / "table.csv",
        task="reconstruction",
        sets=(*FAST, "train.epochs=200", "model.latent_dim=2", "model.width=64"),
        out=tmp_path / "run",
    )
    target = run.analysis["targets"][0]
    beside = {entry["name"]: entry["metrics"]["mean_squared_error"] for entry in target["baselines"]}
    assert run.about["model"] == "autoencoder"
    assert target["name"] == "6 columns"
    assert run.metrics["mean_squared_error"]["value"] < beside["PCA"] < beside["mean"]
    odd = table(50).with_columns(pl.lit(9.0).alias("v"))  # v is u everywhere else
    odd.write_csv(tmp_path / "odd.csv")
    table(50).write_csv(tmp_path / "usual.csv")
    errors = [
        pl.read_csv(predict_file(tmp_path / "run", tmp_path / f"{name}.csv", tmp_path / f"{name}-said.csv")[0])["reconstruction_error"]
        for name in ("usual", "odd")
    ]
    assert (errors[1] > 5 * errors[0]).mean() > 0.9  # type: ignore[operator]
    assert not (tmp_path / "odd-said.png").exists()


def test_a_label_is_no_input(tmp_path: Path) -> None:
    frame = table(80).with_columns(pl.Series("label", [None, *np.arange(79) % 2]))
    run = gf.train(frame, task="reconstruction", sets=(*FAST, "train.epochs=1"), out=tmp_path / "run")
    assert "label" not in run.bundle.target.names
    assert run.analysis["data"]["rows"] == 80  # the row without one is kept
    assert run.predict(frame.drop("label")).equals(run.predict(frame))
    named = gf.train(frame, "kind", task="reconstruction", sets=(*FAST, "train.epochs=1"), out=tmp_path / "named")
    assert "kind" not in named.bundle.target.names
    assert "label" in named.bundle.target.names


def test_the_linear_one_is_pca(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(400, 6)) @ np.diag([3, 2, 1, 0.5, 0.3, 0.1]) @ np.random.default_rng(1).normal(size=(6, 6))
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(6)})
    settings = ("model.depth=0", "model.latent_dim=2", "train.epochs=300", "optim.lr=0.02", *FAST[:3])
    run = gf.train(frame, task="reconstruction", sets=settings, out=tmp_path / "run")
    beside = {entry["name"]: entry["metrics"]["mean_squared_error"] for entry in run.analysis["targets"][0]["baselines"]}
    assert run.metrics["mean_squared_error"]["value"] == pytest.approx(beside["PCA"], rel=0.03)
    network, encoder = run.bundle.members[0].network, run.bundle.members[0].encoder
    parts = json.loads((tmp_path / "run/data.json").read_text())["split"]
    given = encoder.encode(read(frame), with_target=False).inputs["numbers"].numpy()
    assert parts["train"] == 280
    learned = PCA(2).fit(given).components_
    assert np.degrees(subspace_angles(network.decoder[0].weight.detach().numpy(), learned.T)).max() < 3  # of all rows, the network saw 70 %


def test_killed_and_resumed_it_ends_in_the_same_bits(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = (*FAST, "train.epochs=4", "model.width=4", "model.noise=0.3", "train.checkpoint_every=0")
    gf.train(digits, task="reconstruction", sets=settings, out=tmp_path / "whole")
    real = fitting.fit

    def killed(*given: object, **named: object) -> object:
        for number, record in enumerate(real(*given, **named)):  # type: ignore[arg-type]
            yield record
            if number == 45:
                raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        gf.train(digits, task="reconstruction", sets=settings, out=tmp_path / "killed")
    monkeypatch.undo()
    gf.train(out=tmp_path / "killed", resume=True)
    bits = [(tmp_path / name / "model/0/network.safetensors").read_bytes() for name in ("whole", "killed")]
    assert bits[0] == bits[1]


@pytest.mark.parametrize("loose", [True, False])
def test_folders_of_pictures(loose: bool, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(24):
        place = tmp_path / "pictures" / ("" if loose else str(number % 2))
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (8, 8, 3), np.uint8)).save(place / f"{number}.png")
    sets = (*FAST, "train.epochs=1", "model.width=4")
    run = gf.train(tmp_path / "pictures", task="reconstruction", sets=sets, out=tmp_path / "run")
    assert run.predict(tmp_path / "pictures").height == 24
    assert [column.role for column in run.bundle.schema.columns] == ["feature"] + [] * loose + ["label"] * (not loose)


def test_refused(digits: Path, tmp_path: Path) -> None:
    for task, sets, words in (
        (
            "reconstruction",
            ("model.name=resnet9",),
            "'resnet9' is for binary or .*; for reconstruction take autoencoder or conv_autoencoder",
        ),
        (
            "multiclass",
            ("model.name=autoencoder",),
            "'autoencoder' is for reconstruction; for multiclass take another, or --task reconstruction",
        ),
        ("reconstruction", ("train.members=3",), "train.members=3 averages probabilities, and reconstruction has none"),
        ("reconstruction", ("train.gan_loss=original",), "train.gan_loss has no effect on reconstruction"),
        ("reconstruction", ("train.label_smoothing=0.1",), "train.label_smoothing has no effect on reconstruction"),
        ("reconstruction", ("data.balance=classes",), "needs one target of classes; the target is reconstruction"),
    ):
        with pytest.raises(SettingError, match=words):
            gf.train(digits, task=task, sets=sets, out=tmp_path / "run")
    frame = table(60).with_columns(pl.Series("text", [f"a row of several words, the {i}th of {i * i} in all" for i in range(60)]))
    with pytest.raises(DataError, match=r"'text' holds text: leave it out with data\.drop=text"):
        gf.train(frame, task="reconstruction", out=tmp_path / "run")
    run = gf.train(table(60), task="reconstruction", sets=(*FAST, "train.epochs=1"), out=tmp_path / "sound")
    with pytest.raises(InputError, match=r"pictures are made by a run of the task generation; .* learned reconstruction"):
        generate_pictures(run)
    assert not (tmp_path / "run").exists()
