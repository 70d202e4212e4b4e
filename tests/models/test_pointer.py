"""The pointer network against a transcription row by row, searched, and learning to sort."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.models.pointer import PointerNetwork
from goodfit.nn.additive import AdditiveAttention
from goodfit.tasks.search import beam, greedy

LENGTHS = torch.tensor([5, 2, 4])
TARGET = torch.tensor([[5, 3, 0, 1], [5, 1, 0, 5], [5, 2, 2, 3]])


def small(**settings: object) -> PointerNetwork:
    torch.manual_seed(0)
    return PointerNetwork(2, width=6, **settings).double().eval()  # type: ignore[arg-type]


def points() -> Tensor:
    return torch.randn(3, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def copied(layer: nn.Module, inputs: int, units: int, bidirectional: bool) -> nn.LSTM:
    reference = nn.LSTM(inputs, units, batch_first=True, bidirectional=bidirectional).double()
    with torch.no_grad():
        for suffix, stack in (("", layer.ahead), ("_reverse", layer.back)):
            for own in stack:
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    reference.get_parameter(f"{name}_l0{suffix}").copy_(own.get_parameter(f"{name}_l0"))
    return reference


def transcription(network: PointerNetwork, points: Tensor, target: list[int]) -> Tensor:
    """One row [n, 2] without padding -> [T, n + 1]; in `target` n is the start."""
    n = len(points)
    x = network.enter(points)
    states, (hidden, memory) = copied(network.reading, 6, 3, True)(x[None])
    values = [*states[0], network.end]
    walk, state = copied(network.walk, 6, 6, False), (hidden.view(1, 1, 6), memory.view(1, 1, 6))

    def scores(layer: AdditiveAttention, query: Tensor, allowed: list[bool]) -> Tensor:
        hidden = [torch.tanh(layer.query.weight @ query + layer.key.weight @ value + layer.key.bias) for value in values]
        return torch.stack([layer.score.weight[0] @ h if may else h.new_tensor(-1e4) for h, may in zip(hidden, allowed, strict=True)])

    logits, visited = [], set()
    for token in target:
        out, state = walk((network.start if token == n else x[token])[None, None], state)
        query = out[0, 0]
        visited |= {token} - {n}
        free = [network.visits == "free" or place not in visited for place in range(n)]
        allowed = [*free, network.visits != "all" or not any(free)]
        if network.look is not None:
            weights = scores(network.look, query, allowed).softmax(0)
            query = query + sum(w * value for w, value in zip(weights, values, strict=True))
        logits.append(scores(network.point, query, allowed))
    return torch.stack(logits)


@pytest.mark.parametrize("glimpse", [False, True])
@pytest.mark.parametrize("visits", ["free", "once", "all"])
def test_equals_its_transcription_row_by_row(visits: str, glimpse: bool) -> None:
    network = small(visits=visits, glimpse=glimpse)
    out = network(points=points(), lengths=LENGTHS, target=TARGET)
    for row, n in enumerate(LENGTHS.tolist()):
        target = [n if token == 5 else token for token in TARGET[row].tolist()]
        wanted = transcription(network, points()[row, :n], target)
        torch.testing.assert_close(out[row][:, [*range(n), 5]], wanted)
        assert (out[row, :, n:5] == -1e4).all()


@pytest.mark.parametrize("visits", ["free", "once", "all"])
def test_step_by_step_equals_teacher_forcing(visits: str) -> None:
    network = small(visits=visits)
    wanted = network(points=points(), lengths=LENGTHS, target=TARGET)
    state = network.encode(points(), LENGTHS)
    assert all(part.shape[0] == 3 for part in state.values())
    for t in range(4):
        logits, state = network.advance(state, TARGET[:, t])
        torch.testing.assert_close(logits, wanted[:, t])


def test_any_value_beyond_the_points_is_the_start() -> None:
    network = small()
    for other in (-1, 6, 900):
        target = torch.where(TARGET == 5, other, TARGET)
        wanted = network(points=points(), lengths=LENGTHS, target=TARGET)
        torch.testing.assert_close(network(points=points(), lengths=LENGTHS, target=target), wanted)


def test_lengths_may_be_left_out() -> None:
    network = small()
    full = torch.tensor([5, 5, 5])
    torch.testing.assert_close(network(points=points(), target=TARGET), network(points=points(), lengths=full, target=TARGET))


@pytest.mark.parametrize("visits", ["once", "all"])
def test_a_search_says_each_point_at_most_once(visits: str) -> None:
    network = small(visits=visits)
    for search in (greedy, beam):
        found = search(network, network.encode(points(), LENGTHS), start=5, end=5, limit=6)
        for row, n in enumerate(LENGTHS.tolist()):
            path = [token for token in found.tokens[row, 0].tolist() if token != 5]
            assert len(set(path)) == len(path)
            assert all(token < n for token in path)
            assert visits == "once" or len(path) == n


def test_a_wide_beam_finds_the_best_of_all_orders() -> None:
    network = small(visits="all")
    nn.init.normal_(network.point.score.weight, 0, 5)
    found = beam(network, network.encode(points()[:, :4]), start=4, end=4, limit=5, width=24, length_penalty=0.0)
    for row in range(3):
        scores = {}
        for order in itertools.permutations(range(4)):
            logits = network(points=points()[row : row + 1, :4], target=torch.tensor([[4, *order]]))[0]
            scores[order] = logits.log_softmax(1).gather(1, torch.tensor([[*order, 4]]).T).sum().item()
        best = max(scores, key=lambda order: scores[order])
        assert tuple(found.tokens[row, 0, :4].tolist()) == best
        assert found.scores[row, 0].item() == pytest.approx(scores[best], abs=1e-9)


def test_sorting_is_learned_and_goes_on_to_longer_inputs() -> None:
    torch.manual_seed(0)
    network = PointerNetwork(1, width=32, visits="all")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(150):
        numbers = torch.rand(32, 4)
        order = numbers.argsort(1)
        end = torch.full((32, 1), 4)
        logits = network(points=numbers.unsqueeze(2), target=torch.cat([end, order], 1))
        loss = F.cross_entropy(logits.transpose(1, 2), torch.cat([order, end], 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def right(count: int) -> float:
        numbers = torch.rand(200, count)
        state = network.encode(numbers.unsqueeze(2))
        tokens = greedy(network, state, start=count, end=count, limit=count + 1).tokens[:, 0, :count]
        return (tokens == numbers.argsort(1)).all(1).float().mean().item()

    network.eval()
    assert right(4) > 0.8  # one of 24 orders by chance
    assert right(5) > 0.4  # one of 120


def test_settings_and_shapes_that_cannot_be() -> None:
    with pytest.raises(SettingError, match="visits must be one of free, once, all; 'twice' was given"):
        PointerNetwork(2, visits="twice")
    with pytest.raises(SettingError, match="must be even; 7 was given"):
        PointerNetwork(2, width=7)
    network = small()
    with pytest.raises(InputError, match=r"pointer network expects \[B, N, 2\] and got \[3, 5, 3\]"):
        network(points=torch.zeros(3, 5, 3), target=TARGET)
    with pytest.raises(InputError, match=r"pointer network's lengths expects \[B\] and got \[3, 1\]"):
        network(points=points(), lengths=LENGTHS[:, None], target=TARGET)
    with pytest.raises(InputError, match=r"pointer network's target expects \[B, T\] and got \[3\]"):
        network(points=points(), target=TARGET[:, 0])
    with pytest.raises(InputError, match=r"pointer network's tokens expects \[B\] and got \[3, 4\]"):
        network.advance(network.encode(points()), TARGET)
