"""Two networks on the same folds: how they are planned, weighed, kept and repeated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.api.test_spine import table

import goodfit as gf
from goodfit.api.blend import member_weights, partner_weight, useful
from goodfit.api.plan import partner_name
from goodfit.base.errors import SettingError
from goodfit.base.recipe import Recipe
from goodfit.tasks import catalogue as tasks

SETS = (
    "model.name=tabm", "model.width=16", "model.members=4", "train.epochs=15", "train.members=2", "optim.lr=0.01",
    "partner={model: {name: tabm, width: 16, members: 4}, optim: {lr: 0.01}, train: {epochs: 16}}",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> gf.api.Run:
    return gf.train(table().drop("label"), "price", sets=SETS, out=tmp_path_factory.mktemp("partner") / "run")


def test_both_networks_learn_on_every_fold(run: Any) -> None:
    members = {line["member"] for line in run.history}
    assert members == {0, 1, 2, 3}
    assert {path.name for path in (run.folder / "checkpoints").iterdir()} == {"0", "1", "partner-0", "partner-1"}
    epochs = [sum(line["member"] == member for line in run.history) for member in range(4)]
    assert epochs == [16, 15, 16, 15]  # the partner comes first


def test_the_bundle_averages_with_its_weights(run: Any) -> None:
    bundle = run.bundle
    assert sum(bundle.weights) == pytest.approx(1)
    assert min(bundle.weights) > 0
    new = table(30, seed=3).drop("label", "price")
    data = bundle.read(new)
    alone = [member.predict(data)["mean"] for member in bundle.members]
    together = run.predict(new)["prediction"].to_numpy()
    np.testing.assert_allclose(together, np.average(alone, axis=0, weights=bundle.weights), rtol=1e-6)


def test_the_recipe_of_a_run_repeats_it(run: Any, tmp_path: Path) -> None:
    recipe = Recipe.build(run.folder / "recipe.yaml")
    assert recipe == run.recipe
    assert recipe.partner is not None
    assert recipe.partner.optim.lr is not None
    assert recipe.partner.train.precision in ("float32", "bfloat16")
    again = gf.train(table().drop("label"), recipe=run.folder / "recipe.yaml", out=tmp_path / "again")
    new = table(30, seed=3).drop("label", "price")
    assert run.predict(new).equals(again.predict(new))


def test_a_table_has_a_partner_unless_somebody_decided() -> None:
    assert partner_name(Recipe.build(None, []), "tabm") == "mlp"
    assert partner_name(Recipe.build(None, ["train.members=3", "train.time_limit=9"]), "tabm") == "mlp"
    for decided in ("model.name=tabm", "model.width=32", "optim.lr=0.1", "train.epochs=3", "train.batch_size=64"):
        assert partner_name(Recipe.build(None, [decided]), "tabm") is None
    assert partner_name(Recipe.build(None, []), "resnet9") is None


def test_the_default_trains_both_within_the_limit(tmp_path: Path) -> None:
    run = gf.train(table(200).drop("label"), "price", out=tmp_path / "run", time_limit=15, preset="fast")
    assert run.recipe.partner is not None
    assert run.recipe.partner.model.name == "mlp"
    assert run.about["model"] in ("tabm", "mlp", "tabm + mlp", "mlp + tabm")
    assert run.about["seconds"] < 20


def test_a_partner_s_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="partner"):
        Recipe.build(None, ["partner={model: {name: mlp, widht: 16}}"])
    with pytest.raises(SettingError):
        Recipe.build(None, ["partner=mlp"])


@dataclass
class _Result:
    task: Any
    fold: int
    partner: bool
    rows: np.ndarray
    target: np.ndarray
    prediction: dict[str, np.ndarray]


def _result(fold: int, partner: bool, error: np.ndarray) -> Any:
    target = np.linspace(-1, 1, len(error))
    task = tasks.build({"kind": "regression", "names": ["y"], "classes": None, "mean": 0.0, "std": 1.0})
    return _Result(task, fold, partner, np.arange(len(error)), target, {"mean": target + error})


def test_weights_follow_the_errors() -> None:
    random = np.random.default_rng(0)
    small, large = 0.1 * random.normal(size=400), 0.1 * random.normal(size=400)
    even = [_result(0, True, small), _result(0, False, large)]
    assert partner_weight(even) == pytest.approx(0.5, abs=0.1)  # independent errors of one size: half each
    assert member_weights(even) == pytest.approx([partner_weight(even), 1 - partner_weight(even)])
    worse = [_result(0, True, small), _result(0, False, small + 0.5)]
    assert partner_weight(worse) == 1
    assert member_weights(worse) == [1, 0]
    assert not useful(worse, partner=False)
    assert useful(worse, partner=True)
    assert member_weights([*even, _result(1, True, small)])[::2] == pytest.approx([partner_weight(even) / 2] * 2)
    assert member_weights([_result(fold, False, small) for fold in range(4)]) == [0.25] * 4


def test_a_frame_of_few_groups_still_trains(tmp_path: Path) -> None:
    frame = table(60).drop("label").with_columns(pl.Series("who", ["a", "b", "c"] * 20))
    run = gf.train(frame, "price", data__group="who", time_limit=10, out=tmp_path / "run")
    assert run.recipe.train.members == 1
