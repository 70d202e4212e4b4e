"""`goodfit doctor RUN`, and what `goodfit train` sees by itself."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import goodfit as gf
from goodfit.api.examining import open_run
from goodfit.api.folder import RunFolder
from goodfit.api.remedies import applied, settings_of
from goodfit.api.rerun import Ended, course, rerun
from goodfit.base.protocols import Silent
from goodfit.base.recipe import Recipe
from goodfit.cli.main import main
from goodfit.doctor.case import Proof, Suspicion
from goodfit.doctor.program import Clip, Update
from goodfit.doctor.short import Setup
from goodfit.doctor.signals import Signals, against, is_look, standing
from goodfit.doctor.supervised import supervised

SETTINGS = ["model.name=mlp", "model.width=16", "model.depth=1", "train.epochs=4", "train.batch_size=16", "optim.lr=0.01"]


def rows(folder: Path, count: int = 240) -> Path:
    """Two classes that a straight line parts, with a little noise."""
    random = np.random.default_rng(0)
    x = random.normal(size=(count, 4))
    y = np.where(x[:, 0] - x[:, 1] + 0.2 * random.normal(size=count) > 0, "yes", "no")
    path = folder / "rows.csv"
    pl.DataFrame({f"x{column}": x[:, column] for column in range(4)} | {"y": y}).write_csv(path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four short epochs, beside its rows."""
    folder = tmp_path_factory.mktemp("trained")
    return gf.train(rows(folder), "y", sets=SETTINGS, out=folder / "run").folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def refused(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one sentence."""
    assert main(["doctor", "--json", *map(str, arguments)]) == 2
    sentence: str = json.loads(capfd.readouterr().out)["error"]["message"]
    assert "\n" not in sentence
    return sentence


def test_a_run_is_recorded_as_it_was_trained(trained: Path) -> None:
    folder = RunFolder(trained)
    opened = open_run(folder, None, Silent())
    ended = opened.ended
    assert ended.updates == folder.lines("history.jsonl")[-1]["step"] == 4 * math.ceil(len(opened.parts.train) / 16)
    view = supervised(rerun(opened.recipe, opened.data, opened.target, opened.rows, ended, trained, seconds=60))
    assert (view.kind, view.carved, view.batch_size) == ("binary", False, 16)
    assert (len(view.trained), len(view.held)) == (len(opened.parts.train), len(opened.parts.valid))
    assert view.program.updates == len(view.program.rates) == ended.updates
    assert view.program.rates[0][1][0] == pytest.approx(course(opened.recipe, ended, 1)[0])
    assert [event.limit for event in view.pattern if isinstance(event, Clip)] == [opened.recipe.optim.clip]
    assert sum(isinstance(event, Update) for event in view.pattern) == 1
    assert ended.best is not None
    kept = view.program.finals[0].state_dict()
    assert all(torch.equal(kept[name], ended.best[name]) for name in kept)
    assert not all(torch.equal(weight, ended.best[name]) for name, weight in view.program.networks[0].state_dict().items())


def test_looking_changes_no_weight(trained: Path, tmp_path: Path) -> None:
    again = gf.train(trained.parent / "rows.csv", "y", sets=SETTINGS, out=tmp_path / "run", doctor=False)
    assert not (again.folder / "examination.json").exists()
    seen = json.loads((trained / "examination.json").read_text())
    assert seen["monitored"]["looks"] == 2  # updates 16 and 32 of some 40
    theirs, ours = (gf.load(folder).bundle.members[0].network.state_dict() for folder in (trained, again.folder))
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


@pytest.mark.parametrize(("rate", "said"), [(1e-9, "hardly move"), (1e-2, None)])
def test_signals_of_the_rate(rate: float, said: str | None) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    x = torch.randn(64, 4)
    signals, losses = Signals(), []
    for step in range(1, 65):
        optimizer.zero_grad()
        loss = (network(x)[:, 0] - x.sum(1)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        signals.updated(network, step, loss.detach())
    assert [look[0] for look in signals.looks] == [16, 32, 64]
    told = standing(Signals.from_json(json.loads(json.dumps(signals.to_json()))), losses, 64)
    assert any(said in sentence for sentence in told) if said else told == []
    assert standing(signals, losses, 49) == []  # too short to tell


def test_signals_of_weights_that_are_thrown_about_and_of_a_loss_that_stands() -> None:
    wild = Signals(1.0, [[16.0, 0.1, 0.0], [32.0, 0.5, 0.0], [64.0, 2.0, 0.0]])
    assert standing(wild, [0.9, 0.5], 64) == ["single updates move weights by 0.5 of their length"]
    assert standing(Signals(1.0, [[16.0, 0.01, 0.0]]), [1.2, 0.99], 64) == [
        "the training loss did not fall: 1 at the first update, 0.99 at best"
    ]


def test_units_that_are_silent_for_every_row_are_seen() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    nn.init.constant_(network[0].bias, -100.0)
    signals = Signals()
    for step in range(1, 65):
        network(torch.randn(16, 4))
        signals.updated(network, step, torch.tensor(1.0 / step))
    assert [look[2] for look in signals.looks] == [1.0, 1.0, 1.0]
    assert any("100%" in sentence for sentence in standing(signals, [1.0, 0.1], 64))
    assert not network[1]._forward_hooks


def test_looks_lie_ever_further_apart() -> None:
    assert [step for step in range(1, 200) if is_look(step)] == [16, 32, 64, 128]


def test_an_outcome_is_judged_beyond_the_chance_of_its_rows() -> None:
    right, half = torch.ones(100), torch.arange(100) % 2
    assert against(right, half.float(), right) == []
    assert "always the same answer" in against(half.float(), half.flip(0).float(), right)[0]
    good = torch.cat([torch.ones(80), torch.zeros(20)])
    assert "linear model" in against(good, torch.zeros(100), right)[0]
    assert against(torch.cat([torch.ones(98), torch.zeros(2)]), torch.zeros(100), right) == []


BASE = Recipe.build(
    None, ["model.name=mlp", "model.width=4", "model.depth=1", "model.dropout=0.9", "optim.name=sgd", "optim.momentum=0.5", "optim.lr=10", "train.epochs=3",
           "train.batch_size=2", "train.patience=4", "train.time_limit=60"],
)  # fmt: skip
DONE = Ended(100, 100, epochs=3)


@pytest.mark.parametrize(
    ("code", "setup", "ended", "settings"),
    [
        ("optim.rate-high", Setup(rate=0.001), DONE, {"optim.lr": 0.01}),
        (
            "optim.choice",
            Setup(optimizer=torch.optim.AdamW, options={"lr": 0.001}, rate=3.0),
            DONE,
            {"optim.name": "adamw", "optim.lr": 0.003},
        ),
        ("optim.batch", Setup(batch=16.0, stretch=1 / 16), DONE, {"train.batch_size": 32}),
        ("optim.budget", Setup(stretch=4.0), DONE, {"train.epochs": 12}),
        ("optim.budget", Setup(stretch=4.0), Ended(100, 100, waited=True, epochs=2), {"train.patience": 16}),
        ("optim.budget", Setup(stretch=4.0), Ended(100, 200, epochs=1), {"train.time_limit": 240}),
        ("gradient.exploding", Setup(clip=0.5), DONE, {"optim.clip": 0.5}),
        ("fit.over-regularised", Setup(name="without dropout", surgery=(lambda networks: None,)), DONE, {"model.dropout": 0.0}),
        ("fit.over-regularised", Setup(options={"weight_decay": 0.0}), DONE, {"optim.weight_decay": 0.0}),
        ("model.too-small", Setup(name="wider", surgery=(lambda networks: None,)), DONE, {"model.width": 64}),
        ("data.imbalance", Setup(name="classes evened out"), DONE, {"data.balance": "classes"}),
        ("data.label-noise", Setup(rows=torch.arange(3)), DONE, {}),
    ],
)
def test_remedies_are_said_in_settings(code: str, setup: Setup, ended: Ended, settings: dict[str, object]) -> None:
    found = settings_of(Suspicion(code, 1.0, {}), Proof(None, "", setup=setup), Setup(), BASE, ended)
    assert found == settings
    changed = applied(BASE, found)
    assert changed is not None
    assert all(changed.given(name) for name in settings)
    assert Recipe.from_json(changed.model_dump(mode="json", exclude_unset=True)) == changed


def test_what_a_change_leaves_without_effect_goes_and_what_cannot_be_is_no_edit() -> None:
    changed = applied(BASE, {"optim.name": "adamw"})
    assert changed is not None
    assert not changed.given("optim.momentum")
    assert applied(BASE, {"optim.lr": 1e9}) is None


@pytest.mark.parametrize("kind", ["generation", "detection", "language", "sequence"])
def test_what_cannot_be_examined_is_said_in_one_sentence_before_anything_is_read(
    kind: str, run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(run.parent)
    RunFolder(run).update(task=kind, source=str(run / "gone.csv"))
    assert main(["doctor", "run", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["verdict"], told["findings"], told["examined"]["runs"]) == ("healthy", [], 0)
    assert told["examined"]["not_seen"] == [
        f"Runs of the task {kind} cannot be examined yet: those for binary, multiclass, multilabel and regression are."
    ]
    assert told["out"] == "runs/doctor-run-1"


def test_networks_that_are_solved_for_have_nothing_to_examine(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (run / "recipe.yaml").write_text("model: {name: ridge, penalty: 1.0}\n")
    assert main(["doctor", str(run), "--json", "--out", str(run.parent / "out")]) == 0
    assert "solved for" in json.loads(capfd.readouterr().out)["examined"]["not_seen"][0]


def test_bad_runs_get_one_sentence(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert "or give the folder of a run" in refused(capfd, tmp_path / "empty")
    assert "a run takes no arguments; '--epochs 3'" in refused(capfd, run, "--epochs", "3")
    assert "--time-limit must be a time" in refused(capfd, run, "--time-limit", "soon")
    about = RunFolder(run).about
    RunFolder(run).update(source=str(tmp_path / "gone.csv"))
    assert "gone.csv" in refused(capfd, run)
    RunFolder(run).update(source=None)
    assert "was trained on a frame" in refused(capfd, run)
    RunFolder(run).update(source=about["source"], fingerprint="another")
    assert "the data have changed since" in refused(capfd, run)
    RunFolder(run).update(**about)
    (run / "recipe.yaml").write_text("optim: [lr\n")
    assert "recipe.yaml is not YAML" in refused(capfd, run)
    (run / "recipe.yaml").unlink()
    assert "was stopped before it began to train" in refused(capfd, run)
    (run / "run.json").write_text("{")
    assert "run.json" in refused(capfd, run)
    assert {path for path in before if path.name != "recipe.yaml"} == set(tmp_path.rglob("*"))


@pytest.mark.slow
def test_a_rate_that_is_too_low_is_found_and_mended_beside_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    low = [*SETTINGS[:3], "train.epochs=12", "train.batch_size=16", "optim.lr=1e-6"]
    trained = gf.train(rows(tmp_path, 600), "y", sets=low, out="run")
    by_itself = json.loads((trained.folder / "examination.json").read_text())
    assert by_itself["signals"]
    assert [finding["code"] for finding in trained.findings][:1] == ["optim.rate-low"]
    assert "optim.rate-low" in (trained.folder / "report.html").read_text()
    recipe, ledger = (trained.folder / "recipe.yaml").read_bytes(), (trained.folder / "test-ledger.jsonl").read_bytes()
    assert main(["doctor", "run", "--json", "--fix", "--out", "out"]) == 3
    told = json.loads(capfd.readouterr().out)
    first = told["findings"][0]
    assert first["code"] == "optim.rate-low"
    assert first["edit"]["before"] == {"optim.lr": 1e-6}
    assert first["edit"]["settings"]["optim.lr"] >= 1e-4
    fixed = told["fixed"]
    assert Path(fixed["script"]).name == "recipe.fixed.yaml"
    assert Recipe.build(trained.folder / "recipe.fixed.yaml").optim.lr == first["edit"]["settings"]["optim.lr"]
    assert fixed["after"]["score"] < 0.7 * fixed["before"]["score"]  # a log loss
    assert (trained.folder / "recipe.yaml").read_bytes() == recipe
    assert (trained.folder / "test-ledger.jsonl").read_bytes() == ledger
    assert "recipe.fixed.yaml" in Path(told["report"]).read_text()


@pytest.mark.slow
def test_a_sound_run_hears_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    trained = gf.train(
        rows(tmp_path, 600), "y", sets=[*SETTINGS[:3], "train.epochs=12", "train.batch_size=16", "optim.lr=0.01"], out=tmp_path / "run"
    )
    assert json.loads((trained.folder / "examination.json").read_text())["signals"] == []
    assert "Examined while it trained: nothing stood out." in (trained.folder / "report.html").read_text()
    assert main(["doctor", str(trained.folder), "--json", "--out", str(tmp_path / "out")]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["verdict"] == "healthy"
    assert [finding for finding in told["findings"] if finding["severity"] != "remark"] == []
