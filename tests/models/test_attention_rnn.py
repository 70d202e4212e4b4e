"""Sequence to sequence against a transcription of the paper step by step, searched and learned."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.models.attention_rnn import AttentionRNN
from goodfit.nn.guided import guided_penalty
from goodfit.tasks.search import beam, greedy

SOURCE = torch.tensor([[4, 9, 2, 2, 7, 0], [6, 0, 0, 0, 0, 0], [11, 3, 8, 0, 0, 0]])
TARGET = torch.tensor([[1, 5, 3, 9], [1, 8, 2, 0], [1, 4, 4, 6]])
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def small(cell: str = "gru", **settings: object) -> AttentionRNN:
    torch.manual_seed(0)
    return AttentionRNN(12, 12, embedding_dim=4, width=6, cell=cell, **settings).double().eval()  # type: ignore[arg-type]


def transcription(network: AttentionRNN, cell: str, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """One row without padding, one layer, step by step: logits [T, V] and weights [T, S]."""
    reader = (nn.GRU if cell == "gru" else nn.LSTM)(4, 3, batch_first=True, bidirectional=True).double()
    with torch.no_grad():
        for suffix, own in (("", network.encoder.ahead[0]), ("_reverse", network.encoder.back[0])):
            for name in NAMES:
                reader.get_parameter(f"{name}_l0{suffix}").copy_(own.get_parameter(f"{name}_l0"))
    states, end = reader(network.source_tokens.table.weight[source][None])
    states, end = states[0], end if cell == "gru" else end[0]
    first = torch.tanh(network.first(torch.cat([end[0, 0], end[1, 0]])))
    hidden, memory = first[:6], first[6:]
    logits, looked = [], []
    for token in target:
        embedded = network.target_tokens.table.weight[token]
        scores = torch.stack(
            [
                network.attention.score.weight[0]
                @ torch.tanh(network.attention.query.weight @ hidden + network.attention.key.weight @ h + network.attention.key.bias)
                for h in states
            ]
        )
        weights = scores.softmax(0)
        context = sum(w * h for w, h in zip(weights, states, strict=True))
        x = torch.cat([embedded, context])
        if cell == "gru":
            hidden = network.cells[0](x, hidden)
        else:
            hidden, memory = network.cells[0](x, (hidden, memory))
        every = torch.cat([hidden, context, embedded])
        said = network.head(torch.tanh(network.readout(every)))
        if network.share is not None:
            share = torch.sigmoid(network.share(every))
            mixture = share * said.softmax(0)
            for w, word in zip(weights, source, strict=True):
                mixture = mixture + (1 - share) * w * F.one_hot(word, 12)
            said = mixture.log()
        logits.append(said)
        looked.append(weights)
    return torch.stack(logits), torch.stack(looked)


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_equals_its_transcription_row_by_row(cell: str, copy: bool) -> None:
    network = small(cell, copy=copy)
    logits, weights = network.with_weights(source=SOURCE, target=TARGET)
    torch.testing.assert_close(network(source=SOURCE, target=TARGET), logits)
    for row in range(3):
        source = SOURCE[row][SOURCE[row] != 0]
        wanted, looked = transcription(network, cell, source, TARGET[row])
        torch.testing.assert_close(logits[row], wanted)
        torch.testing.assert_close(weights[row, :, : len(source)], looked)
        assert weights[row, :, len(source) :].count_nonzero() == 0


@pytest.mark.parametrize("settings", [{}, {"cell": "lstm"}, {"copy": True}, {"depth": 2}, {"depth": 3, "cell": "lstm"}])
def test_step_by_step_equals_teacher_forcing(settings: dict[str, object]) -> None:
    network = small(**settings)  # type: ignore[arg-type]
    wanted = network(source=SOURCE, target=TARGET)
    state = network.encode(SOURCE)
    assert all(part.shape[0] == 3 for part in state.values())
    for t in range(4):
        logits, state = network.advance(state, TARGET[:, t])
        torch.testing.assert_close(logits, wanted[:, t])


def test_copying_mixes_probabilities_that_sum_to_one() -> None:
    network = small(copy=True)
    with torch.no_grad():
        network.share.bias.fill_(-20.0)  # copies nearly always
    probability = network(source=SOURCE, target=TARGET).exp()
    torch.testing.assert_close(probability.sum(2), torch.ones(3, 4, dtype=torch.float64))
    for row in range(3):
        own = SOURCE[row][SOURCE[row] != 0].unique()
        assert (probability[row][:, own].sum(1) > 0.999).all()
    assert network(source=SOURCE, target=TARGET).isfinite().all()


def test_a_wide_beam_finds_the_best_of_all_answers() -> None:
    torch.manual_seed(1)
    network = AttentionRNN(12, 4, embedding_dim=4, width=6).double().eval()
    nn.init.normal_(network.head.weight, 0, 3)
    found = beam(network, network.encode(SOURCE), start=1, end=2, limit=4, width=27, length_penalty=0.6)
    for row in range(3):
        best: tuple[float, tuple[int, ...], float] = (-float("inf"), (), 0.0)
        for n in range(4):
            for path in itertools.product([0, 1, 3], repeat=n):
                target = torch.tensor([[1, *path]])
                logp = network(source=SOURCE[row : row + 1], target=target)[0].log_softmax(1)
                total = logp.gather(1, torch.tensor([[*path, 2]]).T).sum().item()
                best = max(best, (total / ((6 + n) / 6) ** 0.6, (*path, 2), total))
        assert found.tokens[row, 0, : len(best[1])].tolist() == list(best[1])
        assert found.scores[row, 0].item() == pytest.approx(best[2], abs=1e-9)


def test_a_sequence_is_learned_turned_round_and_its_attention_can_be_guided() -> None:
    torch.manual_seed(0)
    lengths = torch.randint(1, 5, (32, 1))
    source = torch.randint(3, 9, (32, 4)) * (torch.arange(4) < lengths)
    answer = torch.zeros(32, 5, dtype=torch.int64)  # 1 starts, 2 ends
    for row, n in enumerate(lengths[:, 0].tolist()):
        answer[row, :n], answer[row, n] = source[row, :n].flip(0), 2
    target = torch.cat([torch.ones(32, 1, dtype=torch.int64), answer[:, :-1]], 1)
    network = AttentionRNN(9, 9, embedding_dim=16, width=32, dropout=0.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(100):
        logits = network(source=source, target=target)
        loss = F.cross_entropy(logits.transpose(1, 2), answer, ignore_index=0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    for search in (greedy, beam):
        tokens = search(network, network.encode(source), start=1, end=2, limit=5).tokens[:, 0]
        tokens = F.pad(tokens, (0, 5 - tokens.shape[1]), value=2)
        assert torch.equal(tokens, torch.where(answer == 0, 2, answer))
    _, weights = network.with_weights(source=source, target=target)
    pull = torch.autograd.grad(guided_penalty(weights, source != 0, answer != 0).sum(), network.attention.score.weight)[0]
    assert pull.count_nonzero() > 0


def test_settings_and_shapes_that_cannot_be() -> None:
    with pytest.raises(SettingError, match="cell must be one of gru, lstm; 'rnn' was given"):
        AttentionRNN(5, 5, cell="rnn")
    with pytest.raises(SettingError, match="must be even; 7 was given"):
        AttentionRNN(5, 5, width=7)
    with pytest.raises(SettingError, match="one vocabulary for both sides; got 5 and 6"):
        AttentionRNN(5, 6, copy=True)
    network = AttentionRNN(5, 5, width=4)
    with pytest.raises(InputError, match="got no tokens; put the start token first"):
        network(source=torch.ones(2, 3).long(), target=torch.ones(2, 0).long())
    with pytest.raises(InputError, match=r"attention rnn's target expects \[B, T\] and got \[2\]"):
        network(source=torch.ones(2, 3).long(), target=torch.ones(2).long())
    with pytest.raises(InputError, match=r"attention rnn's tokens expects \[B\] and got \[2, 1\]"):
        network.advance(network.encode(torch.ones(2, 3).long()), torch.ones(2, 1).long())
    with pytest.raises(InputError, match=r"token embedding expects \[B, T\] and got \[2\]"):
        network.encode(torch.ones(2).long())
