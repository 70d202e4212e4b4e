"""Running text from the file to what is written."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import goodfit as gf
from goodfit.api.folder import RunFolder
from goodfit.api.scoring import describe, evaluate, predict_file
from goodfit.base.errors import InputError
from goodfit.base.files import read_tensors
from goodfit.cli.main import main

WORDS = ("ant", "bee", "cow", "dog", "elk", "fox", "gnu", "hen")
ENTROPY = math.log2(len(WORDS)) / 4  # bits of a character: a word of eight in four characters
SMALL = ("model.width=32", "train.threads=1", "train.precision=float32", "data.max_tokens=32", "optim.lr=0.01")


def story(n: int, seed: int = 0) -> str:
    """Animals by chance."""
    return " ".join(np.random.default_rng(seed).choice(WORDS, n)) + "\n"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("story") / "story.txt"
    path.write_text(story(6_000))
    return path


@pytest.fixture(scope="module")
def run(file: Path) -> Path:
    out = file.parent / "run"
    gf.train(file, preset="fast", sets=(*SMALL, "model.depth=1", "train.epochs=3"), out=out)
    return out


def test_a_text_file(run: Path, file: Path) -> None:
    trained = gf.load(run)
    assert (trained.about["task"], trained.about["model"]) == ("language", "gpt")
    assert ENTROPY * 0.97 < trained.metrics["bits_per_character"]["value"] < 1.25 * ENTROPY
    target = trained.analysis["targets"][0]
    bits = {entry["name"]: entry["metrics"]["bits_per_character"] for entry in target["baselines"]}
    assert bits["runs of 6 characters"] < 1.1 * ENTROPY < 2 < bits["single characters"]
    assert len(target["mistakes"]) == 20
    assert [sample["temperature"] for sample in target["samples"]] == [0.5, 1.0]
    text = file.read_text()
    assert trained.analysis["data"]["split"]["test"] == math.ceil((len(text) - int(0.9 * len(text))) / 32)
    page = (run / "report.html").read_text()
    assert "What it writes" in page
    assert "Bits per character" in page
    again = evaluate(run)["metrics"]["bits_per_character"]
    assert again["value"] == pytest.approx(trained.metrics["bits_per_character"]["value"], rel=1e-6)
    assert describe(run)["parameters"] > 0


def test_what_is_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "".join(gf.generate(run, "cow d", length=200, temperature=0.5, seed=1))
    assert len(text) == 200
    words = f"d{text}".split()[:-1]
    assert sum(word in WORDS for word in words) > 0.9 * len(words)
    assert text == "".join(gf.generate(run, "cow d", length=200, temperature=0.5, seed=1))
    assert text != "".join(gf.generate(run, "cow d", length=200, temperature=0.5, seed=2))
    assert main(["generate", str(run), "--prompt", "cow d", "--length", "30", "--top-k", "3", "--top-p", "0.9"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("cow d")
    assert len(shown) == 5 + 30 + 1
    assert main(["generate", str(run), "--length", "3", "--temperature", "0", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["text"]) == 3
    for given, words_ in (
        ({"length": 0}, "--length"),
        ({"temperature": -1}, "--temperature"),
        ({"top_k": 0}, "--top-k"),
        ({"top_p": 2}, "--top-p"),
    ):
        with pytest.raises(InputError, match=words_):
            gf.generate(run, **given)  # type: ignore[arg-type]


def test_prompts_of_a_table(run: Path, tmp_path: Path) -> None:
    prompts = ["cow dog f", "zzzz qqq", "", "ant bee cow dog elk fox gnu hen " * 9 + "co"]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"text": prompt}) + "\n" for prompt in prompts))
    path, rows = predict_file(run, tmp_path / "prompts.jsonl", tmp_path / "said.jsonl")
    said = pl.read_ndjson(path)
    assert rows == 4
    assert said["text"].to_list() == prompts
    assert [len(text) for text in said["prediction"]] == [200] * 4
    assert said["prediction"][3].startswith("w ")
    bits = said["bits_per_character"].to_list()
    assert bits[1] > 3 * bits[0] > 0
    assert bits[2] is None
    assert bits[3] < 1.3 * ENTROPY
    alone = gf.load(run).predict({"text": prompts[:1]})
    assert alone["prediction"][0] == said["prediction"][0]
    assert alone["bits_per_character"][0] == pytest.approx(bits[0], rel=1e-4)


def test_a_new_file_is_one_text(run: Path, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text(story(500, seed=5))
    said = gf.load(run).predict(tmp_path / "new.txt")
    assert said.height == 1
    assert said["text"][0] == story(500, seed=5)
    scored = evaluate(run, tmp_path / "new.txt")["metrics"]["bits_per_character"]
    assert scored["value"] == pytest.approx(said["bits_per_character"][0], rel=1e-5)
    assert scored["low"] < scored["value"] < scored["high"]
    assert scored["value"] < 1.25 * ENTROPY


def test_a_column_of_texts_with_an_lstm(tmp_path: Path) -> None:
    table = {"id": list(range(300)), "tale": [story(20, seed).strip() for seed in range(300)]}
    sets = (*SMALL, "model.name=lstm_language", "train.epochs=4")
    trained = gf.train(table, task="language", preset="fast", sets=sets, out=tmp_path / "run")
    assert trained.metrics["bits_per_character"]["value"] < 1.6 * ENTROPY
    assert trained.predict({"tale": ["cow do"]}).columns == ["tale", "prediction", "bits_per_character"]


@pytest.mark.parametrize("name", ["gpt", "lstm_language"])
def test_interrupted_and_resumed_it_ends_in_the_same_bits(name: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = (*SMALL, f"model.name={name}", "train.epochs=1", "model.dropout=0.1", "train.checkpoint_every=0")
    whole = gf.train(file, preset="fast", sets=sets, out=tmp_path / "whole")
    appended = RunFolder.append

    def killed(self: RunFolder, *given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        gf.train(file, preset="fast", sets=sets, out=tmp_path / "cut")
    monkeypatch.setattr(RunFolder, "append", appended)
    resumed = gf.train(tmp_path / "cut", resume=True)
    weights = [read_tensors(each.folder / "model/0/network.safetensors") for each in (whole, resumed)]
    assert all(np.array_equal(value, weights[1][key]) for key, value in weights[0].items())
    assert whole.metrics == resumed.metrics
