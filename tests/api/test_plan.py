"""What is decided from the data's shape alone."""

from __future__ import annotations

from pathlib import Path

import pytest

import goodfit as gf
from goodfit.api.plan import HABITS, average_decay, batch_by_rows, member_count, resolve, usual_rate
from goodfit.base.errors import SettingError
from goodfit.base.recipe import Recipe
from goodfit.data.target import TargetSpec
from goodfit.models import catalogue

NUMBER, CLASSES = TargetSpec("regression", ("y",)), TargetSpec("multiclass", ("y",), tuple("abc"))
INPUTS = {"numbers": {"names": ["a", "b"]}, "categories": {"sizes": [4]}}


def test_numbers_and_classes_are_learned_differently() -> None:
    several = TargetSpec("several", ("y", "z"), parts=(NUMBER, CLASSES))
    numbers = TargetSpec("several", ("y", "z"), parts=(NUMBER, NUMBER))
    dropout = [
        resolve(Recipe(), INPUTS, name="tabm", rows=5_000, outputs=2, members=1, target=target).model.dropout
        for target in (NUMBER, CLASSES, several, numbers)
    ]
    assert dropout == [0, 0.1, 0.1, 0]
    given = Recipe.build(None, ["model.dropout=0.3"])
    assert resolve(given, INPUTS, name="tabm", rows=5_000, outputs=1, members=1, target=NUMBER).model.dropout == 0.3


@pytest.mark.parametrize("kind", ["tagging", "pointing"])
def test_nothing_is_averaged_where_there_are_no_probabilities(kind: str) -> None:
    target = TargetSpec(kind, ("y",), tuple("abc"))
    assert member_count(Recipe(preset="best"), "lstm_tagger", 5_000, target) == 1
    with pytest.raises(SettingError, match=rf"train\.members=3 averages probabilities, and {kind} has none"):
        member_count(Recipe.build(None, ["train.members=3"]), "lstm_tagger", 5_000, target)


def test_answers_in_steps_are_averaged_where_they_are_few_or_where_it_is_asked_for() -> None:
    for kind in ("sequence", "caption"):
        target = TargetSpec(kind, ("y",), tuple("abc"))
        assert [member_count(Recipe(preset=preset), "captioner", 900, target) for preset in ("fast", "good", "best")] == [1, 4, 8]
        assert [member_count(Recipe(preset=preset), "attention_rnn", 90_000, target) for preset in ("good", "best")] == [1, 8]
        assert member_count(Recipe.build(None, ["train.members=3"]), "attention_rnn", 90_000, target) == 3
        assert member_count(Recipe.build(None, ["train.epochs=3"]), "captioner", 900, target) == 1


def test_few_series_get_several_networks() -> None:
    assert [member_count(Recipe(preset=preset), "series_lstm", 300, CLASSES) for preset in ("fast", "good", "best")] == [1, 4, 8]
    assert member_count(Recipe(), "series_lstm", 50_000, CLASSES) == 1


def test_every_network_has_a_habit() -> None:
    assert HABITS.keys() == {*catalogue.names(), *catalogue.BROUGHT, "probe"}


@pytest.mark.parametrize("updates", [None, 5, 20, 60, 1000, 10**6])
@pytest.mark.parametrize("rows", [100, 10_000])
def test_the_average_never_looks_back_further_than_half_of_a_training(rows: int, updates: int | None) -> None:
    decay = average_decay(0.998, rows, updates)
    if updates is not None and updates < 20:
        assert decay is None
        return
    assert decay is not None
    assert 0 < decay <= (0.998 if rows >= 3000 else 0.99)
    if updates is not None:
        assert (1 - decay) * updates >= 10 - 1e-9


@pytest.mark.parametrize("preset", ["fast", "good", "best"])
def test_a_table_s_recipe_is_whole(preset: str) -> None:
    request = Recipe.build(None, [f"preset={preset}"])
    members = member_count(request, "tabm", 5_000, NUMBER)
    recipe = resolve(request, INPUTS, name="tabm", rows=5_000, outputs=1, members=members, target=NUMBER)
    assert recipe.partner is not None
    for own in (recipe, recipe.second):
        assert own is not None
        assert None not in (own.optim.name, own.optim.schedule, own.optim.ema, own.train.epochs, own.train.patience, own.train.batch_size)
        assert own.train.time_limit == recipe.train.time_limit
        assert own.train.members == members
        catalogue.build(own.model.name or "", INPUTS | {"numbers": {"names": ["a", "b"], "bins": _bins()}}, 1, catalogue.taken(own.model))
    assert resolve(request, INPUTS, name="tabm", rows=5_000, outputs=1, members=members, target=NUMBER) == recipe


def _bins() -> list:
    import torch

    return [torch.linspace(-1, 1, 9) for _ in range(2)]


def test_folds_follow_preset_and_rows() -> None:
    request = Recipe.build()
    assert [member_count(request.with_(preset=preset), "tabm", 5_000, NUMBER) for preset in ("fast", "good", "best")] == [1, 4, 8]
    assert member_count(request, "tabm", 2_000_000, NUMBER) == 1
    assert member_count(request, "resnet9", 5_000, NUMBER) == 1
    assert member_count(request.with_(train__epochs=3), "tabm", 5_000, NUMBER) == 1
    assert member_count(request.with_(train__members=3), "resnet9", 5_000, NUMBER) == 3


def test_an_mlp_s_rate_follows_the_root_of_its_batch_up_to_256() -> None:
    rates = [
        usual_rate(Recipe.build(None, ["model.name=mlp", "optim.name=adamw", f"train.batch_size={size}"]), "binary")
        for size in (64, 256, 1024)
    ]
    assert rates[1] == pytest.approx(2 * rates[0])
    assert rates[2] == rates[1]


def test_batches_grow_with_the_rows() -> None:
    sizes = [batch_by_rows(rows) for rows in (10, 2_800, 5_000, 10_000, 50_000, 10**7)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 32
    assert sizes[-1] == 1024


def test_resnet9_keeps_its_momentum_under_one_cycle() -> None:
    """Cycled, three seeds of mnist_5k have the same accuracy and a larger log-loss."""
    image = {"image": {"channels": 1, "height": 28, "width": 28}}
    assert resolve(Recipe(), image, name="resnet9", rows=4_000, outputs=10, members=1, target=CLASSES).optim.momentum == 0.9
    given = Recipe.build(None, ["optim.momentum=0.8"])
    assert resolve(given, image, name="resnet9", rows=4_000, outputs=10, members=1, target=CLASSES).optim.momentum == 0.8
    other = Recipe.build(None, ["optim.name=adamw"])
    assert resolve(other, image, name="resnet9", rows=4_000, outputs=10, members=1, target=CLASSES).optim.momentum is None


def test_what_learns_at_rates_of_its_own_is_not_moved_along_by_the_range_test(tmp_path: Path) -> None:
    words = ["red green", "blue green", "red blue red", "cold warm", "warm hot", "hot cold hot"]
    rows = {"text": [f"{words[row % 6]} {words[(row * 5) % 6]}" for row in range(120)], "y": ["ab"[row % 2] for row in range(120)]}
    run = gf.train(
        rows, "y", sets=["model.name=transformer", "model.width=16", "model.heads=2", "train.epochs=1", "train.members=1", "data.kinds.text=text"],
        out=tmp_path / "run",
    )  # fmt: skip
    assert run.recipe.optim.lr == HABITS["transformer"].lr
