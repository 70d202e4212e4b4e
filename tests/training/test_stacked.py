"""Members of a stack against the same networks trained alone."""

from __future__ import annotations

import pytest
from tests.training.stacks import CLASSES, Case, assert_equal, made, table

from goodfit.base.parts import OptimPart
from goodfit.models.mlp import MLP

OPTIMISERS = ["sgd", "adagrad", "rmsprop", "adam", "adamw", "muon"]


def _mlp(**settings: object):
    return made(lambda: MLP(5, [], CLASSES, **({"width": 8, "depth": 2, "dropout": 0.2} | settings)))  # type: ignore[arg-type]


def test_members_equal_themselves_alone() -> None:
    case = Case(_mlp(), [table(k) for k in range(3)], [OptimPart(lr=0.01 * (k + 1)) for k in range(3)], epochs=[25] * 3)
    assert_equal(case, case.train_stacked())


@pytest.mark.parametrize("name", OPTIMISERS)
def test_each_optimiser_with_settings_of_each_member(name: str) -> None:
    optim = [OptimPart(name=name, lr=0.01 * (k + 1), weight_decay=0.1 * k) for k in range(3)]  # type: ignore[arg-type]
    case = Case(_mlp(), [table(k) for k in range(3)], optim, epochs=[25] * 3)
    assert_equal(case, case.train_stacked())
