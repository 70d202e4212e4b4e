"""`goodfit tune` on real tables: its run, its record, what it prints, how it is gone on with, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import goodfit as gf
from goodfit.api.attempt import attempt, keep
from goodfit.api.trials import Apart, Bench
from goodfit.base.errors import InputError, SettingError, TrainingError
from goodfit.base.recipe import Recipe
from goodfit.cli.main import main
from goodfit.data.read import read
from goodfit.data.splits import split
from goodfit.data.target import detect
from goodfit.tuning.cohort import Trial

SETS = ("model.name=mlp", "train.epochs=3", "train.workers=1", "train.threads=1")
SPACE = {"optim.lr": [1e-3, 1e-1], "model.width": [4, 16]}


def table(rows: int = 240) -> pl.DataFrame:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, rows))
    return pl.DataFrame({"a": a, "b": b, "y": 2 * a - b + 0.3 * random.normal(size=rows)})


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tune")
    table().write_csv(folder / "data.csv")
    return gf.tune(folder / "data.csv", "y", trials=8, sets=SETS, space=SPACE, out=folder / "study")


def test_the_best_settings_become_a_run(tuned: Any) -> None:
    scores = [trial["score"] for trial in tuned.trials]
    assert len(scores) == 8
    assert tuned.best["score"] == min(scores)
    assert tuned.run.recipe.optim.lr == tuned.best["settings"]["optim.lr"]
    assert tuned.run.recipe.model.width == tuned.best["settings"]["model.width"]
    # The trial trained what the run trains: the same rows, the same seed, the same network.
    assert min(record["score"] for record in tuned.run.history) == pytest.approx(tuned.best["score"], rel=1e-6)
    assert set(tuned.border) <= set(SPACE)
    assert {path.name for path in tuned.folder.iterdir()} == {".turn", "call.json", "report.html", "run-1", "study.db", "study.json"}
    assert tuned.predict(table(5))["prediction"].len() == 5


def test_the_sealed_test_rows_are_opened_once(tuned: Any) -> None:
    lines = (tuned.run.folder / "test-ledger.jsonl").read_text().splitlines()
    assert len(lines) == 1


def test_the_same_call_goes_on_and_more_trials_extend_it(tuned: Any) -> None:
    data = tuned.folder.parent / "data.csv"
    again = gf.tune(data, "y", trials=8, sets=SETS, space=SPACE, out=tuned.folder)
    assert again.trials == tuned.trials
    assert again.run.folder == tuned.run.folder
    longer = gf.tune(resume=tuned.folder, trials=10)
    assert longer.trials[:8] == tuned.trials
    assert len(longer.trials) == 10
    with pytest.raises(InputError, match="another target"):
        gf.tune(data, "a", trials=8, sets=SETS, space=SPACE, out=tuned.folder)
    with pytest.raises(InputError, match="another space"):
        gf.tune(data, "y", trials=8, sets=SETS, space={"optim.lr": [1e-3, 1e-2]}, out=tuned.folder)
    with pytest.raises(InputError, match="leave them out beside --resume"):
        gf.tune(resume=tuned.folder, sets=["optim.clip=1"])
    table(250).write_csv(data)
    with pytest.raises(InputError, match="other data"):
        gf.tune(resume=tuned.folder, trials=12)


def test_the_command_prints_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table().write_csv(tmp_path / "data.csv")
    ranges = ["--set", "space.optim.lr=[1e-3,1e-1]", "--set", "space.optim.name=[adamw,sgd]", "--set", "space.optim.momentum=[0.5,0.9]"]
    fixed = [part for text in SETS for part in ("--set", text)]
    call = ["tune", str(tmp_path / "data.csv"), "--target", "y", "--trials", "4", "--strategy", "random", *ranges, *fixed]
    assert main([*call, "--out", str(tmp_path / "study"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {"study", "run", "best", "trials", "seconds", "border"} <= said.keys()
    assert said["study"] == str(tmp_path / "study")
    assert Path(said["run"], "model").is_dir()
    assert said["best"].keys() == {"settings", "score"}
    assert said["trials"] == 4
    assert Path(said["report"]).read_text().startswith("<!doctype html>")
    assert main(["tune", "--resume", str(tmp_path / "study")]) == 0
    printed = capsys.readouterr().out
    assert "4 trials at random" in printed
    assert "on the sealed test rows" in printed


REFUSED = [
    (["--set", "space.optim.lr=[1e-1,1e-3]"], "low end"),
    (["--set", "space.optim.lr"], r"a range is written space\.KEY"),
    (["--set", "space.optim.lrr=[1,2]"], "did you mean 'optim.lr'"),
    (["--set", "space.model.heads=[1,2]", "--set", "model.name=mlp"], "does not take model.heads"),
    (["--set", "space.optim.momentum=[0.1,0.2]", "--set", "optim.name=adamw"], "optim.momentum has no effect with optim.name=adamw"),
    (["--trials", "0"], "trials must be a whole number from 1"),
    (["--time-limit", "soon"], "--time-limit must be a time"),
    (["--strategy", "bayes"], "--strategy must be one of random"),
    (["--study", "nowhere"], "--study must be the URL of a database"),
    (["--study", "foo://host/name", "--set", "model.name=mlp"], "no database is known|must be the URL"),
    (["--set", "train.time_limit=5"], "--time-limit, for all of it"),
    (["--set", "partner={model: {name: mlp}}"], "leave the partner out"),
    (["--set", "model.name=own"], "model.name=own is brought by the call"),
    (["--task", "generation"], "."),
    (["--strategy", "halving", "--set", "space.train.epochs=[2,9]"], "leave space.train.epochs out"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_a_wrong_call_is_one_sentence_and_leaves_nothing(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(60).write_csv(tmp_path / "data.csv")
    assert main(["tune", str(tmp_path / "data.csv"), "--target", "y", "--out", str(tmp_path / "new" / "study"), *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(said, error)
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


def test_what_is_not_there_cannot_be_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--resume", str(tmp_path)]) == 2
    assert "there is no search in" in capsys.readouterr().err
    assert main(["tune"]) == 2
    assert "needs data" in capsys.readouterr().err


def test_trials_that_diverge_end_with_their_reason(tmp_path: Path) -> None:
    sets = (*SETS, "optim.name=sgd", "optim.clip=null", "train.epochs=20")
    space = {"optim.lr": {"choices": [1e-3, 100.0]}}
    found = gf.tune(table(), "y", trials=4, strategy="grid", sets=sets, space=space, out=tmp_path / "study")
    states = {trial["settings"]["optim.lr"]: (trial["state"], trial["reason"]) for trial in found.trials}
    assert states[1e-3] == ("complete", None)
    assert states[100.0][0] == "failed"
    assert "not finite" in states[100.0][1]
    assert found.to_json()["failed"] == 1
    with pytest.raises(TrainingError, match=r"none of the 2 trials came to a score; the first: .*not finite"):
        gf.tune(table(), "y", trials=2, sets=sets, space={"optim.lr": [99.0, 100.0]}, out=tmp_path / "none")


def bench(folder: Path) -> Bench:
    request = Recipe.build(None, [*SETS, "data.target=y", "train.epochs=6"])
    data = read(table(), settings=request.data)
    target = detect(data, request.data)
    return Bench(request, data, target, split(data, target, request.data, 0), torch.device("cpu"), folder)


def test_a_trial_that_pauses_ends_as_one_that_does_not(tmp_path: Path) -> None:
    own = bench(tmp_path)
    recipe = own.recipe({"optim.lr": 1e-2})
    outcomes = {}
    for name, stops in (("straight", [None]), ("paused", [1, 3, None])):
        keep(tmp_path / name, recipe)
        for stop in stops:
            outcomes[name, stop] = attempt(tmp_path / name, own.fold(recipe), 0, stop, None, device=own.device)
    assert [outcomes["paused", stop].epochs for stop in (1, 3, None)] == [1, 3, 6]
    assert not outcomes["paused", 3].done
    assert outcomes["paused", None].done
    assert outcomes["paused", None].score == outcomes["straight", None].score


def test_each_way_of_encoding_is_made_once(tmp_path: Path) -> None:
    own = bench(tmp_path)
    request = own.request.model_copy(update={"model": own.request.model.model_copy(update={"name": "realmlp"})})
    assert own.fold(own.recipe({"optim.lr": 1e-2})) is own.fold(own.recipe({"model.width": 8}))
    assert own.fold(request) is not own.fold(own.request)


def test_memory_that_is_not_enough_ends_a_trial_and_not_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = bench(tmp_path)
    keep(tmp_path / "one", own.recipe({}))
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")):

        def fails(*_: Any, error: Exception = error, **__: Any) -> None:
            raise error

        monkeypatch.setattr("goodfit.api.attempt.fit_member", fails)
        outcome = attempt(tmp_path / "one", own.fold(own.request), 3, None, None, device=own.device)
        assert (outcome.number, outcome.score, outcome.reason) == (3, None, "the memory was not enough")
    with pytest.raises(SettingError, match=r"GiB|memory"):
        own.recipe({"model.width": 16_384, "model.depth": 60})


@pytest.mark.slow
def test_trials_side_by_side_equal_those_one_after_the_other(tmp_path: Path) -> None:
    trials = [Trial(number, {"optim.lr": 1e-3 * (number + 1)}) for number in range(3)]
    own = bench(tmp_path)
    alone = {}
    for trial in trials:
        folder, fold, _ = own.prepare(trial)
        alone[trial.number] = attempt(folder, fold, trial.number, None, None, device=own.device).score
        own.forget([trial.number])
    assert not own.folder(0).exists()
    with Apart(own, 2, 1) as team:
        together = {outcome.number: outcome.score for outcome in team.run(trials)}
        assert together == alone
        own.forget(alone)
        # One that dies takes its trial with it, and nothing else.
        events = team.run([*trials, Trial(9, {"train.batch_size": 1, "train.epochs": 100_000})])
        outcomes = []
        for outcome in events:
            outcomes.append(outcome)
            if len(outcomes) == 3:
                (process,) = team._busy
                process._popen.kill()
    assert [outcome.score for outcome in sorted(outcomes[:3], key=lambda own: own.number)] == list(alone.values())
    assert outcomes[3].reason is not None
    assert "signal 9" in outcomes[3].reason
