"""Seq2SeqTransformer step by step, what it looks at, and copying."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.models.generate import decode
from goodfit.models.seq2seq_transformer import Seq2SeqTransformer

COPIES = [0, *range(1, 12), *[0] * 5]
FORMS: list[dict[str, Any]] = [
    {},
    {"positions": "learned", "length": 30, "norm": "layer", "norm_first": False, "qk_norm": False, "bias": True, "tied": True},
    {"positions": "rotary", "decoder_depth": 1, "copies": COPIES},
]


def made(form: dict[str, Any]) -> Seq2SeqTransformer:
    torch.manual_seed(0)
    network = Seq2SeqTransformer(17, 12, width=8, heads=2, depth=2, **form).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def pairs() -> tuple[Tensor, Tensor]:
    source = torch.randint(1, 17, (4, 6)) * (torch.arange(6) < torch.tensor([6, 1, 0, 4])[:, None])  # one without tokens
    return source, torch.cat([torch.full((4, 1), 2), torch.randint(1, 12, (4, 7))], 1)


@pytest.mark.parametrize("form", FORMS)
def test_step_by_step_equals_teacher_forcing(form: dict[str, Any]) -> None:
    network = made(form)
    source, target = pairs()
    wanted = network(source=source, target=target)
    state = network.encode(source)
    for t in range(target.shape[1]):
        assert all(tensor.shape[0] == 4 for tensor in state.values())
        before = {name: tensor.clone() for name, tensor in state.items()}
        logits, after = network.advance(state, target[:, t])
        torch.testing.assert_close(logits, wanted[:, t], rtol=0, atol=1e-10)
        assert all(torch.equal(tensor, before[name]) for name, tensor in state.items()), "the state that was given stays"
        assert after.keys() == state.keys()
        state = after


def test_rows_of_a_state_can_be_picked_and_repeated() -> None:
    network = made(FORMS[2])
    source, target = pairs()
    state = network.encode(source)
    for t in range(3):
        _, state = network.advance(state, target[:, t])
    rows = torch.tensor([3, 0, 3, 3, 1])
    logits, _ = network.advance({name: tensor.index_select(0, rows) for name, tensor in state.items()}, target[rows, 3])
    torch.testing.assert_close(logits, network(source=source, target=target)[rows, 3], rtol=0, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_with_weights_gives_the_same_and_what_is_looked_at(form: dict[str, Any]) -> None:
    network = made(form)
    source, target = pairs()
    out, weights = network.with_weights(source=source, target=target)
    torch.testing.assert_close(out, network(source=source, target=target))
    assert weights.shape == (4, len(network.decoder), 2, 8, 6)
    torch.testing.assert_close(weights.sum(4), torch.ones(weights.shape[:4], dtype=torch.float64))
    assert weights[3, ..., 4:].count_nonzero() == 0
    assert weights.requires_grad


@pytest.mark.parametrize("form", FORMS)
def test_a_target_token_sees_the_whole_source_and_what_comes_before_it(form: dict[str, Any]) -> None:
    network = made(form)
    source, target = pairs()
    out = network(source=source, target=target)
    later = network(source=source, target=torch.cat([target[:, :5], (target[:, 5:] + 1) % 12], 1))
    torch.testing.assert_close(later[:, :5], out[:, :5])
    assert not torch.allclose(later[:, 5:], out[:, 5:])
    changed = source.clone()
    changed[0, 5] = changed[0, 5] % 16 + 1
    other = network(source=changed, target=target)
    assert ((other - out)[0].abs().amax(1) > 1e-6).all()
    torch.testing.assert_close(other[1:], out[1:])


def test_a_network_that_copies_gives_probabilities_and_lifts_what_stands_in_the_source() -> None:
    network = made(FORMS[2])
    source, target = pairs()
    out = network(source=source, target=target)
    torch.testing.assert_close(out.exp().sum(2), torch.ones(4, 8, dtype=torch.float64))
    assert network.copying is not None
    with torch.no_grad():
        network.copying.gate.weight.zero_()
        network.copying.gate.bias.fill_(-30)  # always copy
    copied = network(source=source, target=target).exp()
    for row in (0, 1, 3):
        there = {COPIES[token] for token in source[row].tolist()} - {0}
        assert there, "the test must have something to copy"
        torch.testing.assert_close(copied[row, :, sorted(there)].sum(1), torch.ones(8, dtype=torch.float64))


def test_it_learns_pairs_by_heart_and_writes_them() -> None:
    torch.manual_seed(0)
    source = torch.randint(1, 17, (4, 5))
    target = torch.cat([torch.full((4, 1), 2), torch.randint(3, 12, (4, 5)), torch.full((4, 1), 1)], 1)  # 2 starts, 1 ends
    network = Seq2SeqTransformer(17, 12, width=16, heads=2, depth=1, dropout=0.0)
    assert network(source=source, target=target).count_nonzero() == 0, "all tokens start equally likely"
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    for _ in range(80):
        logits = network(source=source, target=target[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), target[:, 1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.1
    network.eval()
    written = decode(network.advance, network.encode(source), target[:, 0], 20, torch.Generator(), temperature=0, stop=1)
    assert torch.equal(written, target[:, 1:])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="a target token, or 0, for each of 17 source tokens; got 3"):
        Seq2SeqTransformer(17, 12, copies=[0, 1, 2])
    with pytest.raises(InputError, match="tokens of the target's vocabulary, 0 to 11, or 0 for none; got 12"):
        Seq2SeqTransformer(3, 12, copies=[0, 12, 2])
    network = made(FORMS[1])
    with pytest.raises(InputError, match="learned positions reach to 30 tokens and got 31"):
        network(source=torch.ones(1, 31, dtype=torch.int64), target=torch.ones(1, 2, dtype=torch.int64))
    with pytest.raises(InputError, match=r"the decoder's next tokens expects \[B\] and got \[1, 1\]"):
        network.advance(network.encode(torch.ones(1, 3, dtype=torch.int64)), torch.ones(1, 1, dtype=torch.int64))
