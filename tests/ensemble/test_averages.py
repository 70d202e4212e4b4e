"""Means of predictions and of weights, greedy selection, soups and snapshots."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.ensemble.learners import Net, Table, accuracy, learn, log_loss, probabilities, table
from torch.optim.swa_utils import AveragedModel, update_bn

from goodfit.base.errors import InputError
from goodfit.base.records import Batch
from goodfit.base.streams import torch_stream
from goodfit.ensemble.averaging import Members, average
from goodfit.ensemble.selection import select
from goodfit.ensemble.snapshots import cyclic, networks_of, train_snapshots
from goodfit.ensemble.soup import greedy_soup
from goodfit.ensemble.weight_average import WeightAverage, mean_weights, renew_statistics
from goodfit.tasks.multiclass import Multiclass
from goodfit.training.loop import Plan
from goodfit.training.state import State, Stopper


def cross_entropy(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output, y, reduction="none")


@pytest.fixture(scope="module")
def digits() -> Table:
    return table("digits", 500)


@pytest.fixture(scope="module")
def networks(digits: Table) -> list[Net]:
    return [learn(Net(64, 10, seed=seed), digits.x, digits.y, cross_entropy, steps=40) for seed in range(6)]


def test_the_average_of_networks_beats_their_mean_and_here_the_best(digits: Table, networks: list[Net]) -> None:
    said = np.stack([probabilities(network, digits.test_x) for network in networks])
    alone = [log_loss(own, digits.test_y) for own in said]
    assert log_loss(average(said), digits.test_y) < min(alone)
    assert log_loss(average(said, mean="geometric"), digits.test_y) < np.mean(alone)
    assert average(said, [0, 0, 2, 0, 0, 0]) == pytest.approx(said[2])
    logits = np.stack([network(digits.test_x).detach().double().numpy() for network in networks]).mean(0)
    np.testing.assert_allclose(average(said, mean="geometric"), torch.from_numpy(logits).softmax(-1).numpy(), atol=1e-6)


def test_members_are_one_network_that_tasks_average(digits: Table, networks: list[Net]) -> None:
    output = Members(networks)(x=digits.test_x)
    assert output.shape == (len(digits.test_x), 6, 10)
    decoded = Multiclass(10).decode(output)["probability"].detach().numpy()
    np.testing.assert_allclose(decoded, average(np.stack([probabilities(n, digits.test_x) for n in networks])), atol=1e-6)


def _naive(given: np.ndarray, cost, rounds: int) -> list[int]:
    """The paper's loop, with lists: the best prefix of a forward selection with replacement."""
    bag = [int(np.argmin([cost(own) for own in given]))]
    best, kept = cost(given[bag].mean(0)), list(bag)
    while len(bag) < rounds:
        bag.append(int(np.argmin([cost(given[[*bag, index]].mean(0)) for index in range(len(given))])))
        if cost(given[bag].mean(0)) < best:
            best, kept = cost(given[bag].mean(0)), list(bag)
    return kept


def test_selection_is_the_papers_loop_and_near_the_best_of_all_bags(digits: Table, networks: list[Net]) -> None:
    said = np.stack([probabilities(network, digits.test_x) for network in networks[:4]])
    cost = lambda p: log_loss(p, digits.test_y)  # noqa: E731
    found = select(said, cost, rounds=8)
    bag = _naive(said, cost, 8)
    np.testing.assert_allclose(found.weights, np.bincount(bag, minlength=4) / len(bag))
    every = min(cost(said[list(bag)].mean(0)) for size in range(1, 9) for bag in combinations_with_replacement(range(4), size))
    assert every <= found.score + 1e-12
    assert found.score <= every * 1.005


def test_selection_by_a_score_to_be_large_by_bags_and_without_what_diverged(digits: Table, networks: list[Net]) -> None:
    said = np.stack([probabilities(network, digits.test_x) for network in networks])
    said[2] = np.nan
    half = len(digits.test_y) // 2
    found = select(said[:, :half], lambda p: accuracy(p, digits.test_y[:half]), maximise=True, bags=10, first=2, seed=1)
    assert found.weights[2] == 0
    assert found.weights.sum() == pytest.approx(1)
    chosen = found.weights > 0
    assert chosen.sum() > 2
    on_others = accuracy(average(said[chosen][:, half:], found.weights[chosen]), digits.test_y[half:])
    assert on_others > np.nanmean([accuracy(own[half:], digits.test_y[half:]) for own in np.delete(said, 2, 0)])


def test_averaged_weights_and_statistics_are_torch_s(digits: Table) -> None:
    network = Net(64, 10, norm=True)
    theirs, ours = AveragedModel(network), WeightAverage()
    for _ in range(3):
        learn(network, digits.x, digits.y, cross_entropy, steps=5)
        theirs.update_parameters(network)
        ours.update(network)
    batches = list(digits.x.split(100))
    update_bn(batches, theirs)
    mean = Net(64, 10, norm=True)
    ours.give(mean)
    mean.eval()
    before = mean(digits.test_x).detach()
    assert renew_statistics(mean, ({"x": batch} for batch in batches)) == 1
    assert not mean.training
    for (name, own), other in zip(mean.state_dict().items(), theirs.module.state_dict().values(), strict=True):
        if "num_batches" not in name:
            torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(before, mean(digits.test_x))  # the statistics of the mean network are others
    assert renew_statistics(Net(64, 10), []) == 0


def test_weight_averaging_at_a_high_rate_beats_its_last_network(digits: Table) -> None:
    network, mean = learn(Net(64, 10, norm=True), digits.x, digits.y, cross_entropy, steps=40), WeightAverage()
    stream = torch_stream(0, "order")
    last = []
    for _ in range(15):
        order = torch.randperm(len(digits.x), generator=stream)
        for rows in order.split(64):
            learn(network, digits.x[rows], digits.y[rows], cross_entropy, steps=1, lr=0.05)
        mean.update(network)
        last.append(log_loss(probabilities(network, digits.test_x), digits.test_y))
    together = Net(64, 10, norm=True)
    mean.give(together)
    renew_statistics(together, [{"x": digits.x}])
    assert log_loss(probabilities(together.eval(), digits.test_x), digits.test_y) < np.mean(last)


def test_a_soup_takes_what_goes_well_and_leaves_what_does_not(digits: Table) -> None:
    start = learn(Net(64, 10), digits.x, digits.y, cross_entropy, steps=40).state_dict()
    states = []
    for seed in range(4):
        network = Net(64, 10)
        network.load_state_dict(start)
        rows = torch.randint(0, len(digits.x), (len(digits.x),), generator=torch_stream(seed, "order"))
        states.append(learn(network, digits.x[rows], digits.y[rows], cross_entropy, steps=20).state_dict())
    spoiled = {name: tensor + 3 * torch.randn(tensor.shape, generator=torch_stream(9, "noise")) for name, tensor in start.items()}

    def score(state: dict) -> float:
        network = Net(64, 10)
        network.load_state_dict(state)
        return log_loss(probabilities(network, digits.test_x), digits.test_y)

    found = greedy_soup([spoiled, *states], score)
    assert 0 not in found.chosen
    assert len(found.chosen) > 1
    assert found.score < min(score(state) for state in states)
    assert found.score == pytest.approx(score(found.weights))
    mean = mean_weights([states[index - 1] for index in found.chosen])
    assert all(torch.equal(found.weights[name], mean[name]) for name in mean)
    assert greedy_soup(states, lambda state: -score(state), maximise=True).score <= 0


class _Batches:
    """A fixed order of batches of 100 rows."""

    batch_size = 100

    def __init__(self, data: Table) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data.x) // 100

    def batch(self, epoch: int, position: int) -> Batch:
        order = torch.randperm(len(self._data.x), generator=torch_stream(0, "order", epoch))
        rows = order[100 * position : 100 * (position + 1)]
        return Batch({"x": self._data.x[rows]}, self._data.y[rows], None, rows)


def _state(network: Net, patience: int | None = None) -> State:
    return State(network, torch.optim.SGD(network.parameters(), lr=0.3, momentum=0.9), Stopper(False, patience))


def test_snapshots_of_one_training_are_an_ensemble(digits: Table) -> None:
    batches = _Batches(digits)
    states = train_snapshots(_state(Net(64, 10)), batches, Multiclass(10), Plan(epochs=24, lr=0.3, score="log_loss"), cycles=4)
    assert len(states) == 4
    said = np.stack([probabilities(network, digits.test_x) for network in networks_of(states, lambda: Net(64, 10))])
    alone = [log_loss(own, digits.test_y) for own in said]
    assert len({round(value, 9) for value in alone}) == 4
    assert log_loss(average(said), digits.test_y) < np.mean(alone)


def test_the_rate_of_a_cycle_is_the_papers() -> None:
    total, cycles = 25, 3
    for step in range(total):
        length = -(-total // cycles)
        assert cyclic(step, total, cycles) == pytest.approx(0.5 * (np.cos(np.pi * (step % length) / length) + 1))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: average(np.zeros((2, 3)), [1, -1]), "at least 0, and not all 0"),
        (lambda: average(np.zeros((2, 3)), [1]), "one weight for each of the 2 networks"),
        (lambda: average(np.zeros((2, 3)), mean="harmonic"), "arithmetic, geometric; 'harmonic'"),
        (lambda: average(np.zeros((2, 3)), mean="geometric"), r"probabilities \[K, n, C\]"),
        (lambda: average(np.zeros(3)), r"must be \[K, n, ...\]"),
        (lambda: Members([]), "at least one network"),
        (lambda: Members([Net(64, 10), Net(64, 9)])(x=torch.zeros(1, 64)), "outputs of one shape"),
        (lambda: select(np.zeros((2, 3)), lambda p: 0.0, first=3, rounds=2), "first from 1 to rounds; 2, 1 and 3"),
        (lambda: select(np.zeros((2, 3)), lambda p: 0.0, bags=2, share=0), "above 0 and at 1 at most; 0"),
        (lambda: mean_weights([]), "at least one state"),
        (lambda: mean_weights([Net(64, 10).state_dict(), Net(64, 9).state_dict()]), "differs from the first in 'second.bias'"),
        (lambda: WeightAverage().give(Net(64, 10)), "no weights to give yet"),
        (lambda: renew_statistics(Net(64, 10, norm=True), []), "at least one batch"),
        (lambda: greedy_soup([], lambda state: 0.0), "at least one network"),
        (lambda: greedy_soup([{}], lambda state: float("nan")), "finite score"),
        (
            lambda: train_snapshots(_state(Net(64, 10)), _Batches(table("digits", 500)), Multiclass(10), Plan(1, 0.1, "log_loss"), 9),
            "number of updates, 5; 9",
        ),
        (
            lambda: train_snapshots(_state(Net(64, 10), 2), _Batches(table("digits", 500)), Multiclass(10), Plan(1, 0.1, "log_loss"), 2),
            "leave out the patience",
        ),
    ],
)
def test_what_makes_no_ensemble_is_refused_in_one_sentence(call, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()
