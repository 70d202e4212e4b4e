"""The conditional random field against sums and maxima over every row of tags, one by one."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.nn.crf import CRF
from goodfit.nn.crf import potentials as potentials_of
from goodfit.tasks import chain

LENGTHS = [4, 1, 3, 2, 0]
MASK = torch.arange(4) < torch.tensor(LENGTHS)[:, None]
O = 3  # noqa: E741


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def given() -> Tensor:
    return torch.randn(len(LENGTHS), 4, O, O, dtype=torch.float64, requires_grad=True)


def along(row: Tensor, path: tuple[int, ...]) -> Tensor:
    """Sum of one row's potentials [T, O, O] along the tags."""
    total, before = row.new_zeros(()), 0
    for t, tag in enumerate(path):
        total, before = total + row[t, before, tag], tag
    return total


def every(length: int) -> list[tuple[int, ...]]:
    return list(itertools.product(range(O), repeat=length))


def brute_partition(potentials: Tensor) -> Tensor:
    return torch.stack(
        [torch.stack([along(row, path) for path in every(n)]).logsumexp(0) for row, n in zip(potentials, LENGTHS, strict=True)]
    )


def test_partition_and_its_gradient_are_those_of_all_rows_of_tags() -> None:
    potentials = given()
    ours, brute = chain.log_partition(potentials, MASK), brute_partition(potentials)
    torch.testing.assert_close(ours, brute, rtol=0, atol=1e-10)
    weight = torch.arange(1.0, 6.0, dtype=torch.float64)
    one, other = (torch.autograd.grad((total * weight).sum(), potentials)[0] for total in (ours, brute))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    assert ours[4] == 0


def test_nll_and_its_gradient_are_those_of_all_rows_of_tags() -> None:
    potentials, tags = given(), torch.randint(0, O, (5, 4))
    tags[~MASK] = -1  # is not read
    ours = chain.nll(potentials, tags, MASK)
    paths = [tuple(row[:n].tolist()) for row, n in zip(tags, LENGTHS, strict=True)]
    brute = brute_partition(potentials) - torch.stack([along(row, path) for row, path in zip(potentials, paths, strict=True)])
    torch.testing.assert_close(ours, brute, rtol=0, atol=1e-10)
    one, other = (torch.autograd.grad(total.square().sum(), potentials)[0] for total in (ours, brute))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    assert (ours[:4] > 0).all()
    assert ours[4] == 0


def test_probabilities_of_all_rows_of_tags_sum_to_one() -> None:
    potentials = given()[:1]
    mask = torch.ones(1, 4, dtype=torch.bool)
    total = sum((-chain.nll(potentials, torch.tensor([path]), mask)).exp() for path in every(4))
    torch.testing.assert_close(total, torch.ones(1, dtype=torch.float64))


def test_decoding_is_the_best_of_all_rows_of_tags() -> None:
    potentials = given()
    tags = chain.decode(potentials, MASK)
    for row, n, found in zip(potentials, LENGTHS, tags, strict=True):
        best = max(every(n), key=lambda path, row=row: along(row, path).item())
        assert found.tolist() == [*best, *[0] * (4 - n)]


def test_marginals_are_sums_over_all_rows_of_tags() -> None:
    potentials = given()
    wanted = torch.zeros(5, 4, O, dtype=torch.float64)
    for b, (row, n) in enumerate(zip(potentials.detach(), LENGTHS, strict=True)):
        for path in every(n):
            probability = (along(row, path) - brute_partition(potentials.detach())[b]).exp()
            for t, tag in enumerate(path):
                wanted[b, t, tag] += probability
    torch.testing.assert_close(chain.marginals(potentials, MASK), wanted, rtol=0, atol=1e-10)


def test_marginals_are_the_gradient_of_the_partition() -> None:
    layer = CRF(O).double()
    torch.nn.init.normal_(layer.transitions)
    emissions = torch.randn(5, 4, O, dtype=torch.float64, requires_grad=True)
    made = layer(emissions, MASK)
    gradient = torch.autograd.grad(chain.log_partition(made, MASK).sum(), emissions)[0]
    torch.testing.assert_close(chain.marginals(made, MASK), gradient)


def test_potentials_hold_emissions_transitions_starts_and_ends() -> None:
    layer = CRF(O).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    emissions, tags = torch.randn(5, 4, O, dtype=torch.float64), torch.randint(0, O, (5, 4))
    found = chain.score(layer(emissions, MASK), tags, MASK)
    for b, n in enumerate(LENGTHS):
        path = tags[b, :n].tolist()
        wanted = emissions.new_zeros(())
        for t, tag in enumerate(path):
            wanted = wanted + emissions[b, t, tag] + (layer.start[tag] if t == 0 else layer.transitions[path[t - 1], tag])
        torch.testing.assert_close(found[b], wanted + layer.end[path[-1]] if path else wanted)


def test_a_fresh_field_is_a_softmax_for_each_token() -> None:
    emissions, tags = torch.randn(5, 4, O), torch.randint(0, O, (5, 4))
    made = CRF(O)(emissions, MASK)
    alone = F.cross_entropy(emissions.transpose(1, 2), tags, reduction="none") * MASK
    torch.testing.assert_close(chain.nll(made, tags, MASK), alone.sum(1))
    assert torch.equal(chain.decode(made, MASK), emissions.argmax(2) * MASK)
    torch.testing.assert_close(chain.marginals(made, MASK), emissions.softmax(2) * MASK[:, :, None])


def test_gradients_reach_every_parameter_and_are_right() -> None:
    layer = CRF(O).double()
    emissions, tags = torch.randn(3, 4, O, dtype=torch.float64, requires_grad=True), torch.randint(0, O, (3, 4))

    def loss(emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor) -> Tensor:
        return chain.nll(potentials_of(emissions, MASK[:3], transitions, start, end), tags, MASK[:3])

    assert torch.autograd.gradcheck(loss, (emissions, layer.transitions, layer.start, layer.end))


def test_padding_changes_nothing() -> None:
    potentials, tags = given().detach(), torch.randint(0, O, (5, 4))
    wide, more = torch.full((5, 7, O, O), 1e4, dtype=torch.float64), torch.zeros(5, 7, dtype=torch.bool)
    wide[:, :4][MASK], more[:, :4] = potentials[MASK], MASK
    longer = F.pad(tags, (0, 3))
    torch.testing.assert_close(chain.nll(wide, longer, more), chain.nll(potentials, tags, MASK))
    assert torch.equal(chain.decode(wide, more)[:, :4], chain.decode(potentials, MASK))
    torch.testing.assert_close(chain.marginals(wide, more)[:, :4], chain.marginals(potentials, MASK))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_long_rows_and_large_scores_stay_right_in_low_precision(dtype: torch.dtype) -> None:
    potentials = (30 * torch.randn(2, 400, O, O)).to(dtype).requires_grad_()
    mask = torch.arange(400) < torch.tensor([[400], [150]])
    tags = chain.decode(potentials, mask)
    tags[0, 7] = (tags[0, 7] + 1) % O
    loss, exact = chain.nll(potentials, tags, mask), chain.nll(potentials.double(), tags, mask)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact.float(), rtol=1e-4, atol=2e-2)  # sums near 20,000 hold 2e-3 in float32
    loss.sum().backward()
    assert potentials.grad is not None
    assert potentials.grad.isfinite().all()
    torch.testing.assert_close(chain.marginals(potentials, mask).sum(2), mask.float())


def test_no_tokens_and_no_rows() -> None:
    nothing, mask = torch.zeros(2, 0, O, O), torch.zeros(2, 0, dtype=torch.bool)
    assert CRF(O)(torch.zeros(2, 0, O), mask).shape == (2, 0, O, O)
    assert chain.nll(nothing, mask.long(), mask).tolist() == [0, 0]
    assert chain.decode(nothing, mask).shape == (2, 0)
    assert chain.marginals(nothing, mask).shape == (2, 0, O)
    assert chain.nll(torch.zeros(0, 4, O, O), torch.zeros(0, 4).long(), torch.zeros(0, 4).bool()).shape == (0,)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(InputError, match=r"crf expects \[B, T, 3\] and got \[2, 4, 5\]"):
        CRF(3)(torch.zeros(2, 4, 5), torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(InputError, match=r"potentials of a chain are \[B, T, O, O\]; \[2, 4, 3\]"):
        chain.decode(torch.zeros(2, 4, 3), torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(InputError, match=r"mask of a chain is \[B, T\] = \[2, 4\]; \[2, 3\]"):
        chain.decode(torch.zeros(2, 4, 3, 3), torch.ones(2, 3, dtype=torch.bool))
