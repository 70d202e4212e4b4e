"""Pretrained backbones of transformers from a folder: trained, predicted without the folder, resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from tests import pretrained_folders as folders

import goodfit as gf
from goodfit.api.brought import open_brought
from goodfit.api.folder import RunFolder
from goodfit.api.scoring import describe, evaluate
from goodfit.base.errors import DataError, SettingError
from goodfit.base.files import read_tensors
from goodfit.base.protocols import Silent
from goodfit.base.recipe import Recipe
from goodfit.cli.main import main
from goodfit.models.headed import Headed

QUICK = ("train.epochs=4", "train.threads=1", "optim.lr=0.01", "train.precision=float32", "train.channels_last=no", "train.batch_size=32")


def pictures(n: int) -> dict[str, Any]:
    """Red ones and blue ones."""
    generator = np.random.default_rng(0)
    colour = generator.integers(0, 2, n)
    pixels = generator.integers(0, 90, (n, 12, 12, 3), dtype=np.uint8)
    pixels[np.arange(n), :, :, 2 * colour] += 120
    return {"picture": pixels, "colour": np.array(["red", "blue"])[colour]}


def reviews(n: int) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    said = generator.integers(0, 2, n)
    words = [("good", "fine", "great"), ("bad", "poor", "awful")]
    texts = [f"the {generator.choice(['film', 'book'])} was {generator.choice(words[own])} {generator.choice(words[own])}" for own in said]
    return pl.DataFrame({"review": texts, "mood": np.array(["glad", "sad"])[said]})


def written(table: dict[str, Any] | pl.DataFrame, folder: Path) -> Path:
    if isinstance(table, pl.DataFrame):
        table.write_csv(folder / "data.csv")
        return folder / "data.csv"
    np.savez(folder / "data.npz", **table)
    return folder / "data.npz"


CASES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "resnet": (folders.resnet, "colour"), "vit": (folders.vit, "colour"), "bert": (folders.bert, "mood"), "gpt": (folders.gpt, "mood")
}  # fmt: skip


def call(kind: str, tmp_path: Path, *sets: str) -> tuple[list[str], Path]:
    """The words of the command line, and the file with the data."""
    make, target = CASES[kind]
    data = written(pictures(160) if target == "colour" else reviews(160), tmp_path)
    words = ["train", str(data), "--target", target, "--out", str(tmp_path / "run"), "--json"]
    kinds = ("data.kinds.review=text",) if target == "mood" else ()
    for setting in (f"model.source={make(tmp_path / 'source')}", *QUICK, *kinds, *sets):
        words += ["--set", setting]
    return words, data


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "fine-tuned"])
@pytest.mark.parametrize("kind", CASES)
def test_from_the_command_line_to_a_prediction_without_the_source(
    kind: str, frozen: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words, data = call(kind, tmp_path, "model.name=pretrained", f"model.frozen={str(frozen).lower()}", "train.epochs=12")
    assert main(words) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["model"] == "pretrained"
    assert document["metrics"]["accuracy"]["value"] > 0.8
    before = transformers.AutoModel.from_pretrained(tmp_path / "source").state_dict()
    shutil.rmtree(tmp_path / "source")
    predictions = tmp_path / "said.csv"
    assert main(["predict", str(tmp_path / "run"), str(data), "--out", str(predictions)]) == 0
    assert pl.read_csv(predictions).height == 160
    assert evaluate(tmp_path / "run")["metrics"]["accuracy"]["value"] == document["metrics"]["accuracy"]["value"]
    account = describe(tmp_path / "run", batch_size=8)
    run = gf.load(tmp_path / "run")
    network = run.bundle.members[0].network
    assert isinstance(network, Headed)
    assert account["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    after = {name.partition(".inner.")[2]: tensor for name, tensor in network.state_dict().items() if ".inner." in name}
    assert after.keys() == before.keys()
    learned = [name for name, tensor in after.items() if not torch.equal(tensor, before[name])]
    assert bool(learned) is not frozen
    assert not (tmp_path / "run/cache").exists()
    assert str(tmp_path) not in (tmp_path / "run/model/bundle.json").read_text().replace(str(tmp_path / "source"), "")


def test_features_are_those_of_transformers_own_preparation(tmp_path: Path) -> None:
    """A prediction's features equal the mean that transformers computes from its own tokenizer's ids."""
    words, _ = call("bert", tmp_path)
    source, table = tmp_path / "source", reviews(160)
    run = gf.train(table, "mood", sets=[word for word in words if "=" in word], out=tmp_path / "run")
    (member,) = run.bundle.members
    encoded = member.encoder.encode(run.bundle.read(table.head(7)), with_target=False)
    text = encoded.inputs["text"]
    longest = int(text.lengths.max())
    ours = member.network.features(text=text.gather(torch.arange(7), longest + 3))
    tokenizer, model = transformers.AutoTokenizer.from_pretrained(source), transformers.AutoModel.from_pretrained(source).eval()
    batch = tokenizer(table["review"].head(7).to_list(), return_tensors="pt", padding=True)
    with torch.no_grad():
        hidden, mask = model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(2)
    torch.testing.assert_close(ours, (hidden * mask).sum(1) / mask.sum(1), rtol=1e-5, atol=1e-5)
    assert torch.equal(member.encoder.encode(run.bundle.read(table.head(7)), with_target=False).inputs["text"].values, text.values)


def test_pictures_are_scaled_as_the_folder_says(tmp_path: Path) -> None:
    words, _ = call("vit", tmp_path)
    run = gf.train(pictures(160), "colour", sets=[word for word in words if "=" in word], out=tmp_path / "run")
    image = run.bundle.members[0].encoder.inputs["image"]
    assert image == {"column": "picture", "channels": 3, "height": 16, "width": 16, "mean": [0.5] * 3, "std": [0.5] * 3}


@pytest.mark.parametrize("kind", ["vit", "bert"])
@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "fine-tuned"])
def test_killed_and_resumed_without_the_source_ends_in_the_same_bits(
    kind: str, frozen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, data = call(kind, tmp_path, f"model.frozen={str(frozen).lower()}", "train.checkpoint_every=0")
    sets = [word for word in words if "=" in word]
    target = CASES[kind][1]
    whole = gf.train(data, target, sets=sets, out=tmp_path / "whole")

    class Killed(BaseException):
        pass

    class Killer(Silent):
        left = 9

        def advance(self, amount: float = 1.0, **values: Any) -> None:
            if "loss" in values:
                self.left -= 7
            if self.left <= 0:
                raise Killed

    with pytest.raises(Killed):
        gf.train(data, target, sets=sets, out=tmp_path / "run", progress=Killer())
    assert (tmp_path / "run/recipe.yaml").exists()
    shutil.rmtree(tmp_path / "source")
    resumed = gf.train(tmp_path / "run", resume=True)
    weights = [read_tensors(run.folder / "model/0/network.safetensors") for run in (whole, resumed)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


def test_each_row_goes_through_a_frozen_backbone_once_while_it_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, _ = call("vit", tmp_path, "data.test_fraction=0.25")
    sets = [word for word in words if "=" in word]
    seen = []
    original = Headed.features

    def counted(self: Headed, **inputs: torch.Tensor) -> torch.Tensor:
        seen.append(next(iter(inputs.values())).shape[0])
        return original(self, **inputs)

    monkeypatch.setattr(Headed, "features", counted)
    monkeypatch.setattr("goodfit.api.training.review", lambda *args, **named: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        gf.train(pictures(160), "colour", sets=sets, out=tmp_path / "run")
    assert sum(seen) == 120  # and the 40 of the test set not at all


def test_refused(tmp_path: Path) -> None:
    make_vit, make_bert = folders.vit(tmp_path / "vit"), folders.bert(tmp_path / "bert")
    (tmp_path / "pickles").mkdir()
    shutil.copy(make_vit / "config.json", tmp_path / "pickles")
    (tmp_path / "pickles/pytorch_model.bin").write_bytes(b"x")
    code = shutil.copytree(make_vit, tmp_path / "code")
    config = json.loads((code / "config.json").read_text())
    (code / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "here.Network"}}))
    (tmp_path / "empty").mkdir()
    table, texts = pictures(80), reviews(80)
    for data, target, sets, kind, said in (
        (table, "colour", ("model.name=pretrained",), SettingError, r"needs model\.source"),
        (table, "colour", (f"model.source={tmp_path / 'absent'}",), SettingError, "is no folder"),
        (table, "colour", (f"model.source={tmp_path / 'empty'}",), SettingError, r"has no config\.json"),
        (table, "colour", (f"model.source={tmp_path / 'pickles'}",), SettingError, "a pickle, which goodfit never opens"),
        (table, "colour", (f"model.source={code}",), SettingError, "brings code of its own"),
        (table, "colour", (f"model.source={make_bert}",), DataError, "reads texts; the data have image"),
        (texts, "mood", (f"model.source={make_vit}", "data.kinds.review=text"), DataError, "reads pictures; the data have text"),
        (table, "colour", (f"model.source={make_vit}", "data.image_size=32"), SettingError, r"data\.image_size must be 16"),
        (texts, "mood", (f"model.source={make_bert}", "data.max_tokens=64"), SettingError, r"data\.max_tokens must be at most 24"),
        (texts, "mood", (f"model.source={make_bert}", "data.kinds.review=text", "data.grams=2"), SettingError, "runs of letters"),
        (texts, "mood", (f"model.source={make_bert}", "data.vocabulary=900"), SettingError, "brings its own vocabulary"),
        (table, "colour", (f"model.source={make_vit}", "optim.layer_decay=0.5"), SettingError, "no effect on a frozen backbone"),
        (table, "colour", (f"model.source={make_vit}", "model.width=8"), SettingError, "no effect on a linear head"),
        (table, "colour", (f"model.source={make_vit}", "model.name=resnet9"), SettingError, r"is for model\.name=pretrained"),
        (
            texts.with_columns(pl.Series("stars", [1.5, 2.5] * 40)), "mood",
            (f"model.source={make_bert}", "data.kinds.review=text"), DataError, r"beside them stand stars; .*data\.drop=stars",
        ),
    ):  # fmt: skip
        with pytest.raises(kind, match=said):
            gf.train(data, target, sets=sets, out=tmp_path / "run")
        assert not (tmp_path / "run").exists()


def test_the_cache_is_read_before_the_source(tmp_path: Path) -> None:
    source = folders.vit(tmp_path / "source")
    run = RunFolder(tmp_path / "run")
    request = Recipe.build(None, ["model.name=pretrained", f"model.source={source}"])
    opened = open_brought(run, request, None, Silent())
    shutil.rmtree(source)
    again = open_brought(run, request, None, Silent())
    assert opened is not None
    assert again is not None
    weights = [own.make({}, 1).state_dict() for own in (opened, again)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    assert again.preparation == opened.preparation


@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_captions_on_a_backbone(name: str, tmp_path: Path) -> None:
    table = pictures(120)
    table["words"] = np.array([f"a {colour} one" for colour in table.pop("colour")])
    path, source = written(table, tmp_path), CASES[name][0](tmp_path / "source")
    sets = (*QUICK, "model.name=pretrained", f"model.source={source}", "data.source=picture", "train.epochs=8", "data.image_size=16")
    run = gf.train(path, "words", sets=sets, out=tmp_path / "run")
    assert run.about["task"] == "caption"
    assert run.metrics["word_f1"]["value"] > 0.8, "two of three words are the same in all"
    shutil.rmtree(source)
    said = gf.load(tmp_path / "run").predict({"picture": table["picture"]})["prediction"].to_list()
    assert np.mean([own == right for own, right in zip(said, table["words"], strict=True)]) > 0.8
    assert len(run.analysis["targets"][0]["looks"]) == 4
    assert evaluate(run.folder)["metrics"]["word_f1"]["value"] == pytest.approx(run.metrics["word_f1"]["value"])


def test_captions_on_a_backbone_that_learns(tmp_path: Path) -> None:
    table = pictures(60)
    table["words"] = np.array([f"a {colour} one" for colour in table.pop("colour")])
    path, source = written(table, tmp_path), folders.resnet(tmp_path / "source")
    sets = (*QUICK, "model.name=pretrained", f"model.source={source}", "data.source=picture", "model.frozen=false")
    run = gf.train(path, "words", sets=sets, out=tmp_path / "run")
    before, network = read_tensors(source / "model.safetensors"), run.bundle.members[0].network
    assert any(not torch.equal(before[key], value) for key, value in network.backbone.inner.state_dict().items() if key in before)
    with pytest.raises(SettingError, match=r"model\.pool has no effect on captions"):
        gf.train(path, "words", sets=(*sets, "model.pool=class"), out=tmp_path / "other")


def test_no_backbone_for_what_it_has_no_head_for(tmp_path: Path) -> None:
    table = {"word": ["ab", "ba"] * 20, "phones": ["a b", "b a"] * 20}
    with pytest.raises(SettingError, match=r"'pretrained' is for .*, and the task is sequence; take seq2seq_transformer or attention_rnn"):
        gf.train(table, "phones", sets=("model.name=pretrained", "model.source=x", "data.source=word"), out=tmp_path / "run")
