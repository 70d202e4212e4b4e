"""TransformerEncoder beside its parity: what it is with the text classifier's settings, how far a token sees, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from goodfit.base.errors import InputError, SettingError
from goodfit.models.transformer import Transformer
from goodfit.models.transformer_encoder import TransformerEncoder

SMALL = {"width": 8, "heads": 2, "depth": 2}


def test_by_default_it_is_the_text_classifier_without_its_words() -> None:
    torch.manual_seed(0)
    one = Transformer(20, 3, words=False, **SMALL).eval()
    torch.manual_seed(0)
    other = TransformerEncoder(20, 3, read="mean", **SMALL).eval()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), "the same weights from the same seed"
    text = torch.tensor([[4, 9, 2, 0], [6, 0, 0, 0]])
    assert torch.equal(one(text=text), other(text=text))


def test_results_for_each_token_for_their_mean_and_for_the_first() -> None:
    text = torch.tensor([[4, 9, 2, 0], [6, 0, 0, 0]])
    torch.manual_seed(0)
    each = TransformerEncoder(20, read="each", **SMALL).eval()
    vectors, mask = each.vectors(text)
    assert torch.equal(each(text=text), vectors)
    assert mask.tolist() == [[True, True, True, False], [True, False, False, False]]
    mean = TransformerEncoder(20, read="mean", **SMALL).eval()
    mean.load_state_dict(each.state_dict())
    torch.testing.assert_close(mean(text=text), torch.stack([vectors[0, :3].mean(0), vectors[1, 0]]))


def test_a_window_reaches_no_further() -> None:
    torch.manual_seed(0)
    network = TransformerEncoder(20, window=2, **SMALL | {"depth": 1}, zero_output=False).double().eval()
    text = torch.randint(1, 20, (1, 12))
    other = text.clone()
    other[0, 6] = other[0, 6] % 19 + 1
    changed = (network(text=text) - network(text=other)).abs().amax((0, 2)) > 1e-9
    assert changed.tolist() == [False] * 4 + [True] * 5 + [False] * 3


def test_token_types_are_told_apart() -> None:
    network = TransformerEncoder(20, token_types=2, **SMALL).eval()
    text, types = torch.tensor([[4, 9, 2]]), torch.tensor([[0, 0, 1]])
    assert torch.equal(network(text=text), network(text=text, types=torch.zeros_like(types)))
    assert not torch.allclose(network(text=text), network(text=text, types=types))
    with pytest.raises(InputError, match=r"the encoder's token types expects \[B, 3\] and got \[1, 2\]"):
        network(text=text, types=types[:, :2])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SettingError, match="read must be one of each, mean, first; 'frist' was given; did you mean 'first'"):
        TransformerEncoder(20, read="frist")
    with pytest.raises(InputError, match="learned positions reach to 5 tokens and got 6"):
        TransformerEncoder(20, positions="learned", length=5, **SMALL)(text=torch.ones(1, 6, dtype=torch.int64))
    with pytest.raises(InputError, match="it was built without kinds of tokens"):
        TransformerEncoder(20, **SMALL)(text=torch.ones(1, 6, dtype=torch.int64), types=torch.ones(1, 6, dtype=torch.int64))
