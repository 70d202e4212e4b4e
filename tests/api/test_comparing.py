"""`goodfit compare`: what runs have in common, and what the tests say of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats
from tests.api.test_spine import document, table

import goodfit as gf
from goodfit.api.kept import kept
from goodfit.base.errors import InputError
from goodfit.cli.main import main
from goodfit.evaluation.comparison import auc_difference, over_resamples, over_rows

SOLVED = {"model__name": "ridge"}  # solved for, so that a run takes a second
GOOD, POOR = 1e-3, 1e6  # penalties: the second leaves hardly a slope


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    table(500).drop("price").write_csv(folder / "train.csv")
    for seed in (0, 1, 2):
        for name, penalty in (("good", GOOD), ("poor", POOR)):
            _train(folder, f"{name}-{seed}", penalty, seed=seed)
    return folder


def _train(folder: Path, name: str, penalty: float, **settings: object) -> None:
    settings = SOLVED | {"model__penalty": penalty, "train__members": 1} | settings
    gf.train(folder / "train.csv", "label", out=folder / name, doctor=False, **settings)  # type: ignore[arg-type]


def test_a_real_difference_over_the_sealed_rows_is_told_and_the_opening_recorded(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = len((place / "good-0" / "test-ledger.jsonl").read_text().splitlines())
    assert main(["compare", str(place / "good-0"), str(place / "poor-0"), "--json"]) == 0
    found = document(capsys)
    (pair,) = found["pairs"]
    assert pair["verdict"] == "better"
    assert found["sides"][0]["settings"] == {"model.penalty": GOOD}
    ledger = (place / "good-0" / "test-ledger.jsonl").read_text().splitlines()
    assert len(ledger) == before + 1
    assert json.loads(ledger[-1])["purpose"] == "goodfit compare"
    for side, name in zip(found["sides"], ("good-0", "poor-0"), strict=True):
        metrics = gf.load(place / name).metrics
        assert side["metrics"]["log_loss"] == pytest.approx(metrics["log_loss"]["value"], rel=1e-5)
    by_metric = {test["metric"]: test for test in pair["tests"]}
    assert by_metric["roc_auc"]["test"] == "DeLong"
    assert by_metric["accuracy"]["test"] == "exact sign test (McNemar)"
    assert by_metric["log_loss"]["units"] == found["rows"]


def test_the_page_says_what_the_document_says(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(place / "good-0"), str(place / "poor-0")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "A is better than B: more than chance (log_loss)" in said
    assert "opened" in said


def test_the_validation_rows_need_neither_data_nor_an_opening(place: Path, tmp_path: Path) -> None:
    before = (place / "good-0" / "test-ledger.jsonl").read_bytes()
    found = gf.compare(place / "good-0", place / "poor-0", on="valid")
    assert (place / "good-0" / "test-ledger.jsonl").read_bytes() == before
    a, b = kept(place / "good-0"), kept(place / "poor-0")
    assert (a.rows == b.rows).all()
    wanted = auc_difference(a.prediction["probability"][:, 1], b.prediction["probability"][:, 1], a.truth == 1)
    test = next(test for test in found["pairs"][0]["tests"] if test["metric"] == "roc_auc")
    assert test["value"] == pytest.approx(wanted.value)
    assert test["p"] == pytest.approx(wanted.p)


def test_seeds_with_other_splits_are_compared_by_the_corrected_test(place: Path) -> None:
    found = gf.compare(*(place / f"{name}-{seed}" for seed in (0, 1, 2) for name in ("good", "poor")))
    assert [side["seeds"] for side in found["sides"]] == [[0, 1, 2], [0, 1, 2]]
    tests = {test["metric"]: test for test in found["pairs"][0]["tests"]}
    assert {test["over"] for test in tests.values()} == {"seeds"}
    scores = [[gf.load(place / f"{name}-{seed}").metrics["log_loss"]["value"] for seed in (0, 1, 2)] for name in ("good", "poor")]
    parts = json.loads((place / "good-0" / "data.json").read_text())["split"]
    wanted = over_resamples(*map(np.array, scores), parts["test"] / parts["train"])
    assert tests["log_loss"]["p"] == pytest.approx(wanted.p, rel=1e-3)
    areas = [np.mean([gf.load(place / f"{name}-{seed}").metrics["roc_auc"]["value"] for seed in (0, 1, 2)]) for name in ("good", "poor")]
    assert tests["roc_auc"]["value"] == pytest.approx(areas[0] - areas[1], abs=1e-6)
    assert found["sides"][0]["metrics"]["roc_auc"] == pytest.approx(areas[0])


def test_a_list_is_a_side(place: Path) -> None:
    found = gf.compare([place / "good-0", place / "good-1"], [place / "poor-0", place / "poor-1"])
    assert [len(side["runs"]) for side in found["sides"]] == [2, 2]


def test_rows_of_a_file_compare_runs_of_any_split(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(300, seed=5).drop("price").write_csv(place / "new.csv")
    assert main(["compare", str(place / "good-0"), str(place / "good-1"), "--data", str(place / "new.csv"), "--json"]) == 0
    found = document(capsys)
    assert found["rows"] == 300
    assert [len(side["runs"]) for side in found["sides"]] == [1, 1]  # of one recipe alone, each run stands for itself
    # Two networks of one recipe on other rows of the same data.
    assert found["pairs"][0]["verdict"] == "chance"


def test_folds_are_compared_out_of_fold(tmp_path: Path) -> None:
    table(300).drop("label").write_csv(tmp_path / "train.csv")
    for name, penalty in (("a", 1.0), ("b", 1e5)):
        settings = SOLVED | {"model__penalty": penalty, "train__members": 6}
        gf.train(tmp_path / "train.csv", "price", out=tmp_path / name, doctor=False, **settings)
    found = gf.compare(tmp_path / "a", tmp_path / "b", on="valid")
    a, b = kept(tmp_path / "a"), kept(tmp_path / "b")
    assert len(a.learned) == 6
    assert len(np.unique(a.rows)) == len(a.rows) == found["rows"]  # each row once, by a network that did not learn from it
    tests = {(test["over"], test["metric"]): test for test in found["pairs"][0]["tests"]}
    target = gf.load(tmp_path / "a").bundle.target
    truth = a.truth * target.std + target.mean
    errors = [(run.prediction["mean"] - truth) ** 2 for run in (a, b)]
    assert tests["rows", "mean_squared_error"]["p"] == pytest.approx(over_rows(*errors).p, rel=1e-3)
    means = [np.array([error[a.fold == fold].mean() for fold in range(6)]) for error in errors]
    assert tests["folds", "mean_squared_error"]["p"] == pytest.approx(over_resamples(*means, 1 / 5).p, rel=0.02)
    assert found["pairs"][0]["verdict"] == "better"
    over = gf.load(tmp_path / "a").cross_validated["root_mean_squared_error"]
    each = np.array([errors[0][a.fold == fold].mean() ** 0.5 for fold in range(6)])
    assert over["value"] == pytest.approx(each.mean(), rel=1e-3)
    half = stats.t.ppf(0.975, 5) * np.sqrt((1 / 6 + 1 / 5) * each.var(ddof=1))
    assert over["high"] - over["value"] == pytest.approx(half, rel=0.02)


def test_on_test_rows_that_seeds_share_rows_and_seeds_must_both_agree(tmp_path: Path) -> None:
    table(300).drop("price").write_csv(tmp_path / "train.csv")
    table(200, seed=4).drop("price").write_csv(tmp_path / "test.csv")
    for seed in (0, 1, 2):
        for name, penalty in (("good", GOOD), ("poor", POOR)):
            _train(tmp_path, f"{name}-{seed}", penalty, seed=seed, test=tmp_path / "test.csv")
    found = gf.compare(*(tmp_path / f"{name}-{seed}" for name in ("good", "poor") for seed in (0, 1, 2)))
    assert found["rows"] == 200
    tests = {(test["over"], test["metric"]): test for test in found["pairs"][0]["tests"]}
    scores = np.array(
        [[gf.load(tmp_path / f"{name}-{seed}").metrics["log_loss"]["value"] for seed in (0, 1, 2)] for name in ("good", "poor")]
    )
    assert tests["seeds", "log_loss"]["p"] == pytest.approx(stats.ttest_rel(*scores).pvalue, rel=1e-2)
    assert tests["rows", "log_loss"]["units"] == 200
    assert tests["rows", "log_loss"]["value"] == pytest.approx(scores[0].mean() - scores[1].mean(), rel=1e-4)
    assert found["pairs"][0]["verdict"] == "better"


def test_rows_of_a_group_count_together(tmp_path: Path) -> None:
    frame = table(300).drop("price").with_columns(patient=pl.int_range(300) // 5)
    frame.write_csv(tmp_path / "train.csv")
    for name, penalty in (("a", GOOD), ("b", POOR)):
        _train(tmp_path, name, penalty, data__group="patient")
    (pair,) = gf.compare(tmp_path / "a", tmp_path / "b")["pairs"]
    tests = {test["metric"]: test for test in pair["tests"]}
    rows = gf.load(tmp_path / "a").analysis["targets"][0]["scores"]["rows"]
    assert {test["units"] for test in tests.values()} == {rows // 5}
    assert tests["accuracy"]["test"] == "paired t over groups"
    assert "roc_auc" not in tests  # whose variance is that of independent rows


def test_what_cannot_be_compared_is_one_sentence(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.read_csv(place / "train.csv").head(450).write_csv(tmp_path / "train.csv")
    _train(tmp_path, "other-data", GOOD)
    _train(tmp_path, "other-target", GOOD)
    _train(place, "other-split", GOOD, data__test_fraction=0.3)
    _train(place, "no-test", GOOD, data__test_fraction=0)
    gf.train(place / "train.csv", "city", out=place / "city", doctor=False, **SOLVED)
    good = str(place / "good-0")
    for call, words in (
        ([good], ["at least two runs", "1 was given"]),
        ([good, good], ["named once", "given twice"]),
        ([good, str(tmp_path)], ["is not a run"]),
        ([good, str(tmp_path / "other-data")], ["same data", "--data"]),
        ([good, str(place / "city")], ["same target", "'label'", "'city'"]),
        ([good, str(place / "other-split")], ["same split", "other test rows"]),
        ([good, str(place / "no-test")], ["no sealed test rows"]),
        ([good, str(place / "poor-1")], ["same split", "seeds are 0 and 1"]),
        ([good, str(place / "poor-1"), "--on", "valid"], ["same split", "seeds are 0 and 1"]),
        ([good, str(place / "poor-0"), "--on", "train"], ["'test' or 'valid'", "'train'"]),
        ([good, str(place / "poor-0"), "--data", str(place / "train.csv")], ["learned from these rows"]),
    ):
        ledger = (place / "good-0" / "test-ledger.jsonl").read_bytes()
        assert main(["compare", *call, "--json"]) == 2, call
        message = document(capsys)["error"]["message"]
        assert all(word in message for word in words), message
        if "poor-1" not in str(call):
            assert (place / "good-0" / "test-ledger.jsonl").read_bytes() == ledger  # refused before it is opened
    with pytest.raises(InputError, match="at least 2 of them; 1 was given"):
        gf.load(place / "no-test").cross_validated  # noqa: B018
    (place / "no-test" / "validation.safetensors").unlink()
    with pytest.raises(InputError, match="kept no predictions"):
        gf.compare(place / "no-test", place / "other-split", on="valid")
