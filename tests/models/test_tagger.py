"""Taggers against torch.nn on each sentence alone, the two ways to give letters, and what they learn in seconds."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.models.tagger import Letters, LSTMTagger, TransformerTagger
from goodfit.tasks import chain

LENGTHS = [5, 1, 3]
KINDS = [LSTMTagger, TransformerTagger]


def sentences() -> tuple[Tensor, Tensor]:
    """Tokens [3, 6] and letters [3, 6, 7]; each word has a length of its own."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, 30, (3, 6), generator=generator) * (torch.arange(6) < torch.tensor(LENGTHS)[:, None])
    letters = torch.randint(1, 20, (30, 7), generator=generator) * (torch.arange(7) < torch.randint(1, 8, (30, 1), generator=generator))
    letters[0] = 0
    return tokens, letters[tokens]


def spelt(layer: Letters, word: Tensor) -> Tensor:
    """One word's features, window by window."""
    real = layer.table.weight[word[word != 0]]  # n E
    reach = layer.conv.kernel_size[0] // 2
    padded = F.pad(real, (0, 0, reach, reach))
    windows = [torch.einsum("fek,ke->f", layer.conv.weight, padded[at : at + 2 * reach + 1]) + layer.conv.bias for at in range(len(real))]
    return torch.stack(windows).amax(0).relu()


def test_letters_are_windows_over_real_letters_alone() -> None:
    torch.manual_seed(0)
    layer = Letters(20, 6).double()
    _, letters = sentences()
    words = letters[0, :5]
    for word, found in zip(words, layer(words), strict=True):
        torch.testing.assert_close(found, spelt(layer, word))
    assert layer(torch.zeros(2, 7, dtype=torch.int64)).count_nonzero() == 0


def test_lstm_tagger_is_torchs_lstm_on_each_sentence_alone() -> None:
    torch.manual_seed(0)
    network = LSTMTagger(30, 20, 4, embedding_dim=6, letter_features=5, width=8).double().eval()
    tokens, letters = sentences()
    reference = nn.LSTM(11, 8, batch_first=True, bidirectional=True).double()
    with torch.no_grad():
        for suffix, own in (("", network.layers.ahead[0]), ("_reverse", network.layers.back[0])):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                reference.get_parameter(f"{name}_l0{suffix}").copy_(own.get_parameter(f"{name}_l0"))
    out = network(tokens=tokens, letters=letters)
    for row, n in enumerate(LENGTHS):
        known = network.words.table.weight[tokens[row, :n]]
        x = torch.cat([known, torch.stack([spelt(network.words.letters, word) for word in letters[row, :n]])], 1)
        torch.testing.assert_close(out[row, :n], network.head(reference(x[None])[0][0]))


def test_transformer_tagger_is_its_parts_on_each_sentence_alone() -> None:
    torch.manual_seed(0)
    network = TransformerTagger(30, 20, 4, embedding_dim=6, letter_features=5, width=8, heads=2).double().eval()
    for parameter in network.blocks.parameters():
        nn.init.normal_(parameter, 0.3, 0.3)
    tokens, letters = sentences()
    out = network(tokens=tokens, letters=letters)
    for row, n in enumerate(LENGTHS):
        known = network.words.table.weight[tokens[row, :n]]
        x = torch.cat([known, torch.stack([spelt(network.words.letters, word) for word in letters[row, :n]])], 1)
        x = network.enter(x)[None]
        for block in network.blocks:
            x = block(x, torch.ones(1, n, dtype=torch.bool))
        torch.testing.assert_close(out[row, :n], network.head(network.norm(x))[0])
    moved = network(tokens=tokens[:, [1, 0, 2, 3, 4, 5]], letters=letters[:, [1, 0, 2, 3, 4, 5]])
    assert not torch.allclose(moved[0, 2], out[0, 2])  # order is seen


@pytest.mark.parametrize("kind", KINDS)
def test_distinct_words_once_are_the_same_network(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    network = kind(30, 20, 4, embedding_dim=6, letter_features=5, width=8).double().eval()
    tokens, letters = sentences()
    words, place = torch.unique(letters.flatten(0, 1), dim=0, return_inverse=True)
    assert len(words) < tokens.numel()
    place = place.view(tokens.shape)
    outs = [network(tokens=tokens, letters=letters), network(tokens=tokens, words=words, place=place.int())]
    torch.testing.assert_close(*outs)
    gradients = [torch.autograd.grad(out.square().sum(), list(network.parameters())) for out in outs]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_potentials_are_emissions_with_learned_transitions(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    plain, chained = (kind(30, 20, 4, embedding_dim=6, letter_features=5, width=8, crf=way).eval() for way in (False, True))
    chained.load_state_dict(plain.state_dict(), strict=False)
    tokens, letters = sentences()
    tags, mask = torch.randint(0, 4, tokens.shape), tokens != 0
    emissions, potentials = (network(tokens=tokens, letters=letters) for network in (plain, chained))
    alone = F.cross_entropy(emissions.transpose(1, 2), tags, reduction="none") * mask
    torch.testing.assert_close(chain.nll(potentials, tags, mask), alone.sum(1))
    nn.init.normal_(chained.crf.transitions)
    assert not torch.allclose(chain.nll(chained(tokens=tokens, letters=letters), tags, mask)[0], alone.sum(1)[0])


def test_words_are_dropped_in_training_and_padding_is_not() -> None:
    torch.manual_seed(0)
    words = LSTMTagger(30, 20, 4, dropout=0.0, word_dropout=0.5).words
    tokens = torch.full((40, 50), 7)
    tokens[:, 40:] = 0
    letters = torch.zeros(40, 50, 3, dtype=torch.int64)
    known, unknown = words.table.weight[7], words.table.weight[1]
    x = words(tokens, letters, None, None)[:, :, :100]
    dropped = (x[:, :40] == unknown).all(2)
    assert (dropped | (x[:, :40] == known).all(2)).all()
    assert dropped.float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert x[:, 40:].count_nonzero() == 0
    assert (words.eval()(tokens, letters, None, None)[:, :40, :100] == known).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chained", [False, True])
def test_tags_that_endings_and_neighbours_tell_are_learned(kind: type[nn.Module], chained: bool) -> None:
    """A word's tag is whether it ends in letter 5, plus 2 where the word before does; words themselves are unknown."""
    torch.manual_seed(0)
    mask = torch.arange(8) < torch.randint(2, 9, (48, 1))
    letters = torch.randint(1, 10, (48, 8, 4)) * mask[:, :, None]
    ends = ((letters[:, :, 3] == 5) | ((torch.rand(48, 8) < 0.4) & mask)).long()
    letters[:, :, 3] = torch.where(ends == 1, 5, torch.where(letters[:, :, 3] == 5, 6, letters[:, :, 3]))
    tags = ends + 2 * F.pad(ends, (1, 0))[:, :-1]
    network = kind(5, 12, 4, embedding_dim=4, letter_features=16, width=32, dropout=0.0, crf=chained)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        out = network(tokens=mask.long(), letters=letters)
        loss = chain.nll(out, tags, mask).sum() if chained else F.cross_entropy(out[mask], tags[mask], reduction="sum")
        optimizer.zero_grad()
        (loss / mask.sum()).backward()
        optimizer.step()
    out = network.eval()(tokens=mask.long(), letters=letters)
    found = chain.decode(out, mask) if chained else out.argmax(2)
    assert (found == tags)[mask].float().mean() > 0.97


def test_inputs_that_cannot_be() -> None:
    network = LSTMTagger(30, 20, 4)
    tokens, letters = sentences()
    for extra in ({"words": letters[0]}, {"place": tokens}, {"words": letters[0], "place": tokens, "letters": letters}):
        with pytest.raises(InputError, match="pass one of the two"):
            network(tokens=tokens, **extra)
    with pytest.raises(InputError, match=r"tagger's letters expects \[B, 6, L\] and got \[3, 5, 7\]"):
        network(tokens=tokens, letters=letters[:, :5])
    with pytest.raises(InputError, match=r"tagger's place expects \[B, 6\] and got \[3, 5\]"):
        network(tokens=tokens, words=letters[0], place=tokens[:, :5])
    with pytest.raises(InputError, match=r"tagger expects \[B, T\] and got \[3, 6, 7\]"):
        network(tokens=letters, letters=letters)
    with pytest.raises(InputError, match=r"letters expects \[N, L\] and got \[3, 6, 7\]"):
        network(tokens=tokens, words=letters, place=tokens)
    with pytest.raises(SettingError, match=r"at least 0 and below 1; 1\.0 was given"):
        LSTMTagger(30, 20, 4, word_dropout=1.0)
    with pytest.raises(InputError, match="heads times an even number; got width=9 and heads=2"):
        TransformerTagger(30, 20, 4, width=9, heads=2)
