"""The recurrent language model: equal to torch's LSTM between a table and a linear map, and step by step to all at once."""

from __future__ import annotations

import torch
from torch import nn

from goodfit.models.lstm_language import LSTMLanguage


def made() -> LSTMLanguage:
    torch.manual_seed(0)
    return LSTMLanguage(20, width=7, depth=2, embedding_dim=5).double().eval()


def test_equals_torchs_own() -> None:
    network, text = made(), torch.randint(0, 20, (3, 11))
    own = nn.LSTM(5, 7, 2, batch_first=True).double()
    for layer in range(2):
        cell = network.layers.ahead[layer]
        for name, value in cell.named_parameters():
            getattr(own, name.replace("_l0", f"_l{layer}")).data.copy_(value)
    torch.testing.assert_close(network(text=text), network.head(own(network.tokens(text))[0]))


def test_step_by_step_equals_all_at_once() -> None:
    network, text = made(), torch.randint(0, 20, (3, 11))
    first, state = network.read(network.begin(3), text[:, :6])
    parts = [first]
    for token in text[:, 6:].unbind(1):
        logits, state = network.advance(state, token)
        parts.append(logits.unsqueeze(1))
    torch.testing.assert_close(torch.cat(parts, 1), network(text=text))
