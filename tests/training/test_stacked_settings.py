"""Each setting of each member of a stack against the same networks trained alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.training.stacks import CLASSES, Case, Rows, assert_equal, made, table

from goodfit.base.errors import StackError
from goodfit.base.parts import OptimPart
from goodfit.models.mlp import MLP
from goodfit.tasks.binary import Binary
from goodfit.tasks.multiclass import Multiclass
from goodfit.tasks.multilabel import Multilabel
from goodfit.tasks.regression import Regression
from goodfit.training.step import StepSettings

PLAIN = [OptimPart(lr=0.01 * (k + 1)) for k in range(3)]


def _case(**changes: object) -> Case:
    make = made(lambda: MLP(5, [], CLASSES, width=8, depth=2, dropout=0.2))
    return Case(**({"make": make, "rows": [table(k) for k in range(3)], "optim": PLAIN} | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        [StepSettings(clip=0.05), StepSettings(clip=1.0), StepSettings()],
        [StepSettings(l1=0.01), StepSettings(l2=0.1), StepSettings()],
        [StepSettings(max_norm=0.3), StepSettings(), StepSettings(max_norm=0.5)],
        [StepSettings(mixup=0.5), StepSettings(), StepSettings(mixup=2.0)],
        [StepSettings(accumulate=3), StepSettings(accumulate=3, mixup=0.3), StepSettings(accumulate=3, clip=0.1)],
    ],
    ids=["clip", "penalties", "max-norm", "mixup", "parts"],
)
def test_settings_of_the_step(settings: list[StepSettings]) -> None:
    case = _case(settings=settings, epochs=[8] * 3)
    assert_equal(case, case.train_stacked())


def test_averages_of_the_weights() -> None:
    case = _case(ema=[0.9, None, 0.5], epochs=[8] * 3)
    assert_equal(case, case.train_stacked())


@pytest.mark.parametrize("scored", [True, False])
def test_members_end_at_their_own_epochs(scored: bool) -> None:
    case = _case(epochs=[3, 9, 6], scored=scored)
    assert_equal(case, case.train_stacked())


@pytest.mark.parametrize("n", [(29, 30, 24), (8, 40, 17), (5, 3, 1)])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_folds_of_other_sizes(n: tuple[int, ...], norm: str) -> None:
    make = made(lambda: MLP(5, [], CLASSES, width=8, depth=1, dropout=0.2, norm=norm))
    optim = [replace_eps(own) for own in PLAIN]
    case = _case(make=make, rows=[table(k, size) for k, size in enumerate(n)], optim=optim, epochs=[6] * 3, scored=False)
    assert_equal(case, case.train_stacked())


def replace_eps(optim: OptimPart) -> OptimPart:
    return optim.model_copy(update={"eps": 1e-6})  # as in test_stacked: what batch norm leaves of a bias's gradient is rounding


def test_batches_of_other_sizes() -> None:
    case = _case(rows=[table(k, batch_size=size) for k, size in enumerate((8, 4, 29))], epochs=[6] * 3)
    assert_equal(case, case.train_stacked())


def test_weights_of_rows() -> None:
    weights = [torch.rand(29, generator=torch.Generator().manual_seed(k), dtype=torch.float64) for k in range(3)]
    case = _case(rows=[table(k, weight=weight) for k, weight in enumerate(weights)], epochs=[6] * 3)
    assert_equal(case, case.train_stacked())


def test_dropout_of_each_member() -> None:
    rates = [0.0, 0.3, 1.0]

    def make(k: int) -> torch.nn.Module:
        return made(lambda: _with_rate(rates[k]))(k)

    case = _case(make=make, epochs=[6] * 3)
    assert_equal(case, case.train_stacked())


def _with_rate(p: float) -> MLP:
    network = MLP(5, [], CLASSES, width=8, depth=2, dropout=0.5)
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = p
    return network


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "step", "wsd"])
@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_schedules_against_totals_of_their_own(schedule: str, name: str) -> None:
    optim = [OptimPart(name=name, lr=0.01, schedule=schedule, warmup=0.1 * k) for k in range(3)]  # type: ignore[arg-type]
    case = _case(optim=optim, epochs=[4, 7, 5], scored=False)
    assert_equal(case, case.train_stacked())


def test_settings_of_the_optimiser_that_differ() -> None:
    for name, settings in {
        "adamw": [{"beta1": 0.8}, {"beta2": 0.9}, {"eps": 1e-4}],
        "sgd": [{"momentum": 0.0}, {"nesterov": False}, {"momentum": 0.5}],
        "rmsprop": [{"momentum": 0.5}, {}, {"beta2": 0.9}],
        "muon": [{"momentum": 0.5}, {"nesterov": False}, {"muon_lr": 0.1, "layer_decay": 0.5}],
    }.items():
        case = _case(optim=[OptimPart(name=name, lr=0.01, **own) for own in settings], epochs=[5] * 3, scored=False)  # type: ignore[arg-type]
        assert_equal(case, case.train_stacked())


def test_early_stopping_of_each() -> None:
    case = _case(patience=2, epochs=[40] * 3, optim=[OptimPart(lr=lr) for lr in (0.3, 0.03, 0.1)])
    state = case.train_stacked()
    assert len({outcome.step for outcome in state.outcomes.values()}) > 1
    assert_equal(case, state)


def test_a_falling_rate_from_the_best_weights() -> None:
    optim = [OptimPart(lr=lr, schedule="wsd") for lr in (0.3, 0.03, 0.1)]
    case = _case(patience=2, epochs=[30] * 3, optim=optim, ema=[None, 0.9, 0.5], plan={"ending": 0.5})
    assert_equal(case, case.train_stacked())


@pytest.mark.parametrize("kind", ["smoothing", "binary", "number", "labels", "mixed"])
def test_tasks_of_each(kind: str) -> None:
    rows = [table(k) for k in range(3)]
    tasks: list = [Multiclass(CLASSES, label_smoothing=0.1 * k) for k in range(3)]
    if kind == "binary":
        tasks = [Binary(label_smoothing=0.2 * k) for k in range(3)]
        rows = [replace(own, target=own.target.clamp(max=1)) for own in rows]
    if kind == "number":
        tasks = [Regression(mean=k, std=k + 1) for k in range(3)]
        rows = [replace(own, target=own.inputs["numbers"][:, 0]) for own in rows]
    if kind == "labels":
        tasks = [Multilabel(CLASSES, label_smoothing=0.2 * k) for k in range(3)]
        rows = [replace(own, target=(own.inputs["numbers"][:, :3] > 0).double()) for own in rows]
    if kind == "mixed":
        tasks = [Multiclass(CLASSES), _Squares(), Multiclass(CLASSES)]
    make = made(lambda: MLP(5, [], tasks[0].outputs, width=8, depth=1, dropout=0.2))
    case = _case(make=make, rows=rows, tasks=tasks, epochs=[5] * 3)
    assert_equal(case, case.train_stacked())


class _Squares(Multiclass):
    """A loss of one's own: squared distance from the class."""

    def __init__(self) -> None:
        super().__init__(CLASSES)

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (output - torch.nn.functional.one_hot(target, CLASSES)).square().sum(1)


def test_what_members_must_share_is_said() -> None:
    with pytest.raises(StackError, match="same parts and precision"):
        _case(settings=[StepSettings(), StepSettings(accumulate=2), StepSettings()]).stacked()
    with pytest.raises(StackError, match="channels_last"):
        _case(settings=[StepSettings(channels_last=True)] * 3).stacked()
    with pytest.raises(StackError, match="share one optimiser; adam and sgd"):
        _case(optim=[OptimPart(name="sgd", lr=0.1), *PLAIN[1:]]).stacked()


def test_rows_of_other_widths_run_in_groups() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = [
        Rows({"numbers": torch.randn(20, 5, generator=generator).double()}, torch.randint(0, CLASSES, (20,)), k, 20 - 7 * k)
        for k in range(3)
    ]
    case = _case(rows=rows, epochs=[4] * 3)
    groups = case.batches().groups([0, 0, 0], [0, 0, 0])
    assert [group.indices for group in groups] == [[0], [1], [2]]
    assert_equal(case, case.train_stacked())
