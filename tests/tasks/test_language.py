"""Language modelling: what is taught, what it costs, and that every character is scored once with a long past."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import SettingError
from goodfit.base.protocols import Taught, run
from goodfit.data.encode_stream import FIRST, UNKNOWN, StreamEncoder, fit
from goodfit.tasks import catalogue
from goodfit.tasks.language import UNICODE, spent

import polars as pl  # isort: skip

SPEC: Mapping[str, Any] = {"kind": "language", "names": ["text"], "classes": list("abcdefg"), "longest": 8}
V = 10


class Remembers(nn.Module):
    """Says the next token with a logit that tells how many tokens it sees before it."""

    def forward(self, *, text: Tensor) -> Tensor:
        seen = torch.arange(1.0, text.shape[1] + 1)
        logits = torch.zeros(*text.shape, V)
        logits[..., FIRST] = seen  # so that the nats of the token FIRST fall with what is seen
        return logits


def nats(seen: float) -> float:
    return -math.log(math.exp(seen) / (math.exp(seen) + V - 1))


def passages(lengths: list[int], past: list[int]) -> dict[str, Tensor]:
    width = max(a + b for a, b in zip(lengths, past, strict=True))
    text = torch.zeros(len(lengths), width, dtype=torch.int32)
    for row, (own, before) in enumerate(zip(lengths, past, strict=True)):
        text[row, : own + before] = FIRST
    return {"text": text, "past": torch.tensor(past), "own": torch.tensor(lengths)}


@pytest.mark.parametrize("length", [2, 7, 8])
def test_each_character_is_scored_once_with_half_a_window_before_it(length: int) -> None:
    task = catalogue.build(dict(SPEC) | {"longest": length})
    inputs = passages([30, 5, 1, 0], [4, 1, 1, 1])
    found = task.decode(run(task, Remembers(), inputs, None))["bits"].numpy()
    bits, characters = spent(found)
    assert characters.tolist() == [30, 5, 1, 0]
    for row, (own, before) in enumerate(((30, 4), (5, 1))):
        for place in range(own):
            there = before + place  # ids before the character
            seen = [n for n in range(1, length + 1) if found[row, place] == pytest.approx(nats(n) / math.log(2), rel=1e-4)]
            assert seen, (row, place)
            assert seen[0] >= min(there, length // 2)
    assert task.metrics({"bits": found}, np.array([30, 5, 1, 0]))["bits_per_character"] == pytest.approx(bits.sum() / 36)


def test_taught_is_the_mean_of_all_next_tokens() -> None:
    task = catalogue.build(dict(SPEC))
    assert isinstance(task, Taught)
    text = torch.full((2, 9), FIRST, dtype=torch.int32)
    losses = task.loss(run(task, Remembers(), {"text": text}, torch.tensor([8, 8])), torch.tensor([8, 8]))
    assert losses.tolist() == pytest.approx([sum(nats(n) for n in range(1, 9)) / 8] * 2, rel=1e-5)


def test_an_unknown_character_costs_its_name_too() -> None:
    task = catalogue.build(dict(SPEC))
    inputs = passages([2], [1])
    known = task.decode(run(task, Remembers(), inputs, None))["bits"]
    inputs["text"][0, 2] = UNKNOWN
    unknown = task.decode(run(task, Remembers(), inputs, None))["bits"]
    likelier = math.log2(math.exp(2))  # that FIRST would have come
    assert float(unknown[0, 1] - known[0, 1]) == pytest.approx(likelier + math.log2(UNICODE - 7), rel=1e-5)


def test_label_smoothing_is_refused() -> None:
    with pytest.raises(SettingError, match="label_smoothing has no effect on language;"):
        catalogue.build(dict(SPEC) | {"label_smoothing": 0.1})


def test_characters_and_back() -> None:
    encoder: StreamEncoder = fit(pl.Series("t", ["abba", "cab\u00e9"]), 30_000, 8)
    assert encoder.characters == "ab"  # what occurs once teaches what an unknown one looks like
    assert encoder.text(encoder.ids("abxba")) == "abba"
    assert fit(pl.Series("t", ["aaabbc c"]), 1, 8).characters == "a"
    assert StreamEncoder.from_json(encoder.to_json()) == encoder
