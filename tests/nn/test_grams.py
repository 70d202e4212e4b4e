"""Vectors of runs: they see the run alone, equal runs have equal vectors, and step by step is all at once."""

from __future__ import annotations

import torch

from goodfit.nn.grams import Grams


def made(longest: int = 3) -> Grams:
    torch.manual_seed(0)
    return Grams(longest, 6, buckets=997, dimensions=4).double()


def test_equal_runs_have_equal_vectors_wherever_they_stand() -> None:
    out = made()(torch.tensor([[5, 1, 2, 3, 9, 1, 2, 3]]))
    assert torch.equal(out[0, 3], out[0, 7])
    assert not torch.allclose(out[0, 2], out[0, 6])  # 5 1 2 and 9 1 2


def test_a_token_sees_its_run_and_nothing_else() -> None:
    grams, text = made(), torch.randint(0, 50, (2, 9), generator=torch.Generator().manual_seed(0))
    out, other = grams(text), text.clone()
    other[:, 4] += 1
    changed = (grams(other) - out).abs().sum((0, 2)) > 0
    assert changed.tolist() == [False] * 4 + [True] * 3 + [False] * 2


def test_in_parts_equals_at_once() -> None:
    grams, text = made(4), torch.randint(0, 50, (2, 9), generator=torch.Generator().manual_seed(0))
    before, parts = torch.zeros(2, 3, dtype=torch.int64), []
    for part in text.split((1, 5, 2, 1), 1):
        parts.append(grams(part, before))
        before = grams.after(part, before)
    torch.testing.assert_close(torch.cat(parts, 1), grams(text))
