"""Pairs of sequences from the file to the prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import goodfit as gf
from goodfit.api.scoring import describe, evaluate, predict_file
from goodfit.base.errors import DataError, SettingError

SOUND = {"a": "AH", "b": "B IY", "c": "K", "d": "D OW"}


def words(n: int) -> pl.DataFrame:
    """Each letter sounds as one or two phones."""
    generator = np.random.default_rng(0)
    made = ["".join(generator.choice(list(SOUND), generator.integers(1, 6))) for _ in range(n)]
    return pl.DataFrame(
        {"word": made, "phones": [" ".join(SOUND[letter] for letter in word) for word in made], "length": [len(w) for w in made]}
    )


SMALL = ("model.width=32", "model.depth=1", "optim.lr=0.01", "train.threads=1", "train.epochs=30", "train.batch_size=64")


@pytest.mark.parametrize("name", ["seq2seq_transformer", "attention_rnn"])
def test_letters_to_phones(name: str, tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    words(900).write_csv(path)
    run = gf.train(path, "phones", preset="fast", sets=(*SMALL, f"model.name={name}", "data.source=word"), out=tmp_path / "run")
    assert run.about["task"] == "sequence"
    assert run.metrics["token_error_rate"]["value"] < 0.05
    assert run.metrics["accuracy"]["value"] > 0.8
    assert [entry["name"] for entry in run.analysis["targets"][0]["baselines"]] == ["nearest in the dictionary"]
    (tmp_path / "new.csv").write_text("word\nabc\ndad\nzz\n")
    out, rows = predict_file(tmp_path / "run", tmp_path / "new.csv", tmp_path / "said.csv")
    said = pl.read_csv(out)["prediction"].to_list()
    assert rows == 3
    assert said[:2] == ["AH B IY K", "D OW AH D OW"]
    assert evaluate(tmp_path / "run", path)["metrics"]["accuracy"]["value"] > 0.8
    assert describe(tmp_path / "run")["parameters"] > 0
    assert "okens wrong" in (tmp_path / "run/report.html").read_text() or "Token error rate" in (tmp_path / "run/report.html").read_text()


def test_refused(tmp_path: Path) -> None:
    table = words(60)
    for target, sets, words_ in (
        ("phones", ("data.task=sequence",), "one column is read .* one of 'word' and 'length'|one of 'word', 'length'"),
        ("phones", ("data.source=length,word",), "one column is read"),
        ("phones", ("data.source=letters",), "data.source names 'letters', which is no column to read"),
        ("length", ("data.source=word",), "a sequence is one target of texts; 'length' holds"),
    ):
        with pytest.raises(DataError, match=words_):
            gf.train(table, target, sets=sets, out=tmp_path / "run")
    with pytest.raises(SettingError, match=r"data\.source is for data\.task=sequence"):
        gf.train(table, "phones", sets=("data.source=word", "data.task=multiclass"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
