"""Kinds of points that are known beforehand, and steps out of saddles."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from tests.curvature.landscapes import double, landscape
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.curvature.critical import CriticalPoint, critical_point
from goodfit.curvature.escape import escape
from goodfit.curvature.objective import Objective


def at(point: list[float], f: Callable[[Tensor], Tensor]) -> tuple[Tensor, Objective]:
    w = torch.tensor(point, dtype=torch.float64, requires_grad=True)
    return w, Objective(lambda _: f(w), [w], [None])


@pytest.mark.parametrize(
    ("kind", "level", "point", "f"),
    [
        ("saddle", False, [0.0, 0.0], lambda w: w[0] ** 2 - w[1] ** 2),
        ("saddle", False, [0.0, 0.0, 0.0], lambda w: 5 + 100 * w[0] ** 2 - 3 * w[1] * w[2]),
        ("minimum", False, [0.0, 0.0], lambda w: w[0] ** 2 + 3 * w[1] ** 2),
        ("minimum", True, [0.0, 0.0], lambda w: 1 + w[0] ** 2 + w[1] ** 4),
        ("maximum", False, [0.0, 0.0], lambda w: -(w[0] ** 2) - 2 * w[1] ** 2),
        ("flat", False, [0.0, 0.0], lambda w: w[0] ** 3 - 3 * w[0] * w[1] ** 2),  # the monkey saddle: order two is silent
        ("flat", False, [0.0, 0.0], lambda w: 1 + 1e-9 * w.sum() + 1e-6 * w[0] ** 2),
        ("not critical", False, [1.0, 0.0], lambda w: w[0] ** 2 - w[1] ** 2),
        ("not critical", False, [1.0, 0.0], lambda w: 1 + w.sum()),
    ],
)
def test_kinds_that_calculus_knows(kind: str, level: bool, point: list[float], f: Callable[[Tensor], Tensor]) -> None:
    w, objective = at(point, f)
    found = critical_point(objective)
    assert (found.kind, found.level) == (kind, level)
    assert found.confidence == 1.0
    assert w.tolist() == point
    assert (found.direction is not None) == (kind in ("saddle", "maximum"))


def two_layers(seed: int = 0) -> tuple[nn.Sequential, Objective, Tensor]:
    """A linear network of two layers at 0, where the gradient is 0 and the Hessian is known: its eigenvalues are +-s, s the singular values of the slope of the loss."""
    torch.manual_seed(seed)
    with double():
        network = nn.Sequential(nn.Linear(4, 5, bias=False), nn.Linear(5, 3, bias=False))
        x, y = torch.randn(32, 4), torch.randn(32, 3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    batches = list(zip(x.split(8), y.split(8), strict=True))
    objective = Objective(lambda batch: (network(batch[0]) - batch[1]).square().sum(1) / 2, network, batches)
    return network, objective, torch.linalg.svdvals(y.T @ x / 32)


def test_a_linear_network_of_two_layers_at_zero() -> None:
    network, objective, singular = two_layers()
    found = critical_point(objective, tolerance=1e-8)
    assert found.kind == "saddle"
    assert found.gradient == 0
    assert found.ends.low == pytest.approx(-float(singular[0]), rel=1e-8)
    assert found.ends.high == pytest.approx(float(singular[0]), rel=1e-8)
    left = escape(objective, found)
    assert left.gain > 0.01 * left.before
    assert objective.now() == left.after
    assert any(bool(parameter.any()) for parameter in network.parameters())


def test_a_dead_network_is_flat_or_level() -> None:
    """Units that no row switches on: nothing moves but the bias of the output, at its best."""
    torch.manual_seed(0)
    with double():
        network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
        x, y = torch.rand(20, 4), torch.randn(20, 1)
    with torch.no_grad():
        network[0].weight.fill_(-1.0)
        network[0].bias.fill_(-1.0)
        network[2].bias.copy_(y.mean(0))
    objective = Objective(lambda batch: (network(batch[0]) - batch[1]).square()[:, 0], network, [(x, y)])
    found = critical_point(objective)
    assert (found.kind, found.level) == ("minimum", True)
    assert found.ends.high == pytest.approx(2)
    with pytest.raises(InputError, match="bends down, and this point is a minimum"):
        escape(objective, found)
    network[2].bias.requires_grad_(False)
    assert critical_point(Objective(lambda batch: (network(batch[0]) - batch[1]).square()[:, 0], network, [(x, y)])).kind == "flat"


def test_a_gradient_within_its_noise_is_no_way_down() -> None:
    """Batches that pull to both sides: their mean pulls a little, and says nothing."""
    pulls = torch.tensor([1.0, -1.1, 0.9, -1.0, 1.1, -0.7]).double()
    w = torch.tensor([0.0], dtype=torch.float64, requires_grad=True)
    noisy = Objective(lambda pull: 1 + (w - pull / 2) ** 2, [w], [pull[None] for pull in pulls])
    found = critical_point(noisy)
    assert found.kind == "minimum"
    assert found.noise is not None
    assert found.gradient < 2 * found.noise
    assert found.promise > 1e-4 * found.loss
    together = critical_point(Objective(lambda pull: 1 + (w - pull / 2) ** 2, [w], [pulls]))
    assert together.kind == "not critical"
    agreed = critical_point(Objective(lambda pull: 1 + (w - pull / 2) ** 2, [w], [pull[None] for pull in pulls + 5]))
    assert agreed.kind == "not critical"
    assert 0.9 < agreed.confidence < 1


def test_confidence_of_a_saddle_is_how_far_batches_agree() -> None:
    w = torch.tensor([0.0, 0.0], dtype=torch.float64, requires_grad=True)

    def loss(bend: Tensor) -> Tensor:
        return 1 + 10 * w[0] ** 2 + bend * w[1] ** 2

    firm = critical_point(Objective(loss, [w], [torch.tensor([b]).double() for b in (-1.0, -1.1, -0.9, -1.0)]))
    torn = critical_point(Objective(loss, [w], [torch.tensor([b]).double() for b in (-5.0, 4.0, -4.0, 4.0)]))
    assert firm.kind == torn.kind == "saddle"
    assert firm.confidence > 0.999
    assert 0.5 < torn.confidence < 0.7


def test_a_minimum_is_called_one_only_when_it_is_unlikely_to_be_a_saddle() -> None:
    """A single direction out of 3000 bends down, by a twentieth of the spectrum; few steps hardly see it, and say so."""
    bends = torch.linspace(0, 1, 3000, dtype=torch.float64)
    bends[7] = -0.05
    w = torch.zeros(3000, dtype=torch.float64, requires_grad=True)
    objective = Objective(lambda _: 1 + (bends * w**2).sum() / 2, [w], [None])
    assert critical_point(objective).kind == "saddle"
    hasty = critical_point(objective, steps=6)
    assert hasty.kind == "minimum"
    assert hasty.confidence == 0.0
    sure = Objective(lambda _: 1 + (bends.abs() * w**2).sum() / 2, [w], [None])
    found = critical_point(sure)
    assert found.kind == "minimum"
    assert found.confidence >= 0.99


def test_a_network_after_training_is_no_saddle() -> None:
    given = landscape("mlp, squared")
    optimizer = torch.optim.LBFGS(given.network.parameters(), max_iter=2000, line_search_fn="strong_wolfe", tolerance_grad=1e-12)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = given.loss(given.network(given.x), given.target).mean() + 0.01 * sum(p.square().sum() for p in given.network.parameters())
        loss.backward()
        return loss

    optimizer.step(closure)
    objective = Objective(
        lambda batch: given.loss(given.network(batch[0]), batch[1]) + 0.01 * sum(p.square().sum() for p in given.network.parameters()),
        given.network,
        given.batches(5, 5),
    )
    assert critical_point(objective).kind == "minimum"


def test_nothing_gained_leaves_every_bit() -> None:
    given = landscape("conv, softmax")
    before = [p.detach().clone() for p in given.network.parameters()]
    objective = Objective(
        lambda _: sum((p - q).square().sum() for p, q in zip(given.network.parameters(), before, strict=True)), given.network, [None]
    )
    left = escape(objective, torch.randn(objective.size, dtype=torch.float64))
    assert (left.step, left.gain) == (0.0, 0.0)
    assert len(left.tried) == 12
    assert all(torch.equal(p, q) for p, q in zip(given.network.parameters(), before, strict=True))


def test_a_loss_that_fails_leaves_every_bit() -> None:
    w, objective = at([0.3, 0.7], lambda w: 1 - w.square().sum())
    objective._loss = lambda _: torch.linalg.cholesky(-torch.eye(2).double()).sum() + w.sum()
    with pytest.raises(RuntimeError):
        escape(objective, torch.ones(2).double())
    assert w.tolist() == [0.3, 0.7]


def test_both_sides_are_tried_and_infinities_passed_over() -> None:
    w, objective = at([0.0, 0.0], lambda w: 1 + w[0] ** 2 + torch.where(w[1] < -0.05, -w[1].abs(), w[1].exp().exp().exp().exp() / 1e7))
    left = escape(objective, torch.tensor([0.0, 1.0]).double(), lengths=[0.1, 1.0, 4.0])
    assert left.step == -64  # 4, doubled four times
    assert w.tolist() == [0.0, -64.0]
    assert left.after == objective.now()
    assert {step for step, _ in left.tried} >= {0.1, -0.1, 4.0, -4.0, -8.0, -64.0}


def test_the_direction_leads_down_where_there_is_a_slope_left() -> None:
    _, objective = at([0.0, 1e-3], lambda w: 1 + w[0] ** 2 - w[1] ** 2)
    found = critical_point(objective)
    assert found.kind == "saddle"
    assert found.direction is not None
    assert float(found.direction[1]) > 0


@pytest.mark.parametrize("direction", [torch.zeros(2).double(), torch.tensor([float("nan"), 1.0]).double()])
def test_directions_that_are_none(direction: Tensor) -> None:
    _, objective = at([0.0, 0.0], lambda w: -(w**2).sum())
    with pytest.raises(InputError, match="finite and not 0"):
        escape(objective, direction)
    with pytest.raises(InputError, match="lengths above 0"):
        escape(objective, torch.ones(2).double(), lengths=[])


def stalled() -> tuple[nn.Sequential, Objective, Callable[[int], None]]:
    """Hidden units that all begin alike stay alike: descent ends at the best that one unit can do, a saddle."""
    torch.manual_seed(3)
    with double():
        teacher = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        x = torch.randn(60, 3) * 2
        y = teacher(x).detach() * 3
        network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.1)
    objective = Objective(
        lambda batch: (network(batch[0]) - batch[1]).square()[:, 0], network, list(zip(x.split(20), y.split(20), strict=True))
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)

    def train(updates: int) -> None:
        for _ in range(updates):
            optimizer.zero_grad()
            F.mse_loss(network(x), y).backward()
            optimizer.step()

    return network, objective, train


def test_a_training_run_that_stalls_at_a_saddle_gets_out_by_a_step() -> None:
    _, waiting, wait = stalled()
    wait(1500)
    before = waiting.now()
    wait(1500)
    assert waiting.now() > 0.9 * before, "the run stands still, or the test shows nothing"

    _, objective, train = stalled()
    train(1500)
    found: CriticalPoint = critical_point(objective)
    assert found.kind == "saddle"
    assert found.confidence > 0.9
    left = escape(objective, found)
    assert left.gain > 0
    train(1500)
    assert objective.now() < 0.5 * waiting.now()
