"""The transformer that points: step by step as at once, its search, and what it must not see."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.models.pointer_transformer import PointerTransformer
from goodfit.tasks.search import beam, greedy

LENGTHS = torch.tensor([5, 2, 4])
TARGET = torch.tensor([[5, 3, 0, 1], [5, 1, 0, 5], [5, 2, 2, 3]])


def small(**settings: object) -> PointerTransformer:
    torch.manual_seed(0)
    network = PointerTransformer(2, width=8, heads=2, depth=2, **settings).double().eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def points() -> Tensor:
    return torch.randn(3, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("visits", ["free", "once", "all"])
def test_step_by_step_equals_teacher_forcing(visits: str) -> None:
    network = small(visits=visits)
    wanted = network(points=points(), lengths=LENGTHS, target=TARGET)
    state = network.encode(points(), LENGTHS)
    assert all(part.shape[0] == 3 for part in state.values())
    for t in range(4):
        logits, state = network.advance(state, TARGET[:, t])
        torch.testing.assert_close(logits, wanted[:, t])


def test_a_row_is_answered_as_it_is_alone_without_padding() -> None:
    network = small(visits="once")
    out = network(points=points(), lengths=LENGTHS, target=TARGET)
    for row, n in enumerate(LENGTHS.tolist()):
        target = torch.where(TARGET[row : row + 1] == 5, n, TARGET[row : row + 1])
        alone = network(points=points()[row : row + 1, :n], target=target)
        torch.testing.assert_close(out[row][:, [*range(n), 5]], alone[0])
        assert (out[row, :, n:5] == -1e4).all()


def test_padding_may_hold_anything() -> None:
    network = small()
    filled = points()
    filled[1, 2:] = torch.nan
    torch.testing.assert_close(
        network(points=filled, lengths=LENGTHS, target=TARGET), network(points=points(), lengths=LENGTHS, target=TARGET)
    )


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


def test_the_order_of_the_points_tells() -> None:
    """The answer may begin with the point that stands first, so a turned list is another question."""
    network = small()
    turned = network(points=points().flip(1), target=torch.tensor([[5]] * 3))[:, 0, :5].flip(1)
    assert not torch.allclose(turned, network(points=points(), target=torch.tensor([[5]] * 3))[:, 0, :5])


def test_settings_and_shapes_that_cannot_be() -> None:
    with pytest.raises(SettingError, match="visits must be one of free, once, all; 'twice' was given"):
        PointerTransformer(2, visits="twice")
    with pytest.raises(InputError, match=r"pointer transformer expects \[B, N, 2\] and got \[3, 5, 3\]"):
        small()(points=torch.zeros(3, 5, 3), target=TARGET)
    with pytest.raises(InputError, match=r"pointer transformer's target expects \[B, T\] and got \[3\]"):
        small()(points=points(), target=TARGET[:, 0])
    assert isinstance(small().start, nn.Parameter)
