"""Captions: F1 of words and BLEU against what can be counted by hand, and the answer that agrees with most."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.base.protocols import Taught, run
from goodfit.tasks import catalogue
from goodfit.tasks.bleu import bleu_of, ngram_counts
from goodfit.tasks.caption import Caption, agreements, word_f1
from goodfit.tasks.sequence import END, FIRST

SPEC = {"kind": "caption", "names": ["t"], "classes": ["a", "b", "c", "d"], "longest": 3}
NONE = -1


class Says(nn.Module):
    """One word and the end: word w with the probability p[w]."""

    def __init__(self, p: list[float]) -> None:
        super().__init__()
        self.p = torch.tensor([*[1e-9] * FIRST, *p])

    def encode(self, image: Tensor) -> dict[str, Tensor]:
        return {"step": torch.zeros(len(image), dtype=torch.int64)}

    def advance(self, state: dict[str, Tensor], tokens: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        end = torch.full_like(self.p, 1e-9)
        end[END] = 1.0
        return torch.where(state["step"].unsqueeze(1) == 0, self.p, end).log(), {"step": state["step"] + 1}

    def forward(self, *, image: Tensor, target: Tensor) -> Tensor:
        return torch.zeros(*target.shape, 7)


def test_taught_as_sequences_are() -> None:
    task, sequence = catalogue.build(SPEC), catalogue.build(SPEC | {"kind": "sequence"})
    assert isinstance(task, Taught)
    target = torch.tensor([[0, 1, NONE], [3, NONE, NONE]])
    output = run(task, Says([1, 1, 1, 1]), {"image": torch.zeros(2, 1)}, target)
    assert torch.equal(task.loss(output, target), sequence.loss(output, target))


def test_the_answer_agrees_with_most() -> None:
    """ "a" alone is the likeliest answer; "b", "c" and "d" together would agree with more, but only one word is said here."""
    task = Caption(4, 3)
    found = task.decode(run(task, Says([0.6, 0.2, 0.1, 0.1]), {"image": torch.zeros(5, 1)}, None))["unit"]
    assert [row[row >= 0].tolist() for row in found] == [[0]] * 5
    plain = Caption(4, 3, drawn=0)
    assert plain.decode(run(plain, Says([0.1, 0.2, 0.6, 0.1]), {"image": torch.zeros(1, 1)}, None))["unit"][0, 0] == 2
    again = task.decode(run(task, Says([0.3, 0.3, 0.2, 0.2]), {"image": torch.zeros(5, 1)}, None))["unit"]
    assert torch.equal(again, task.decode(run(task, Says([0.3, 0.3, 0.2, 0.2]), {"image": torch.zeros(5, 1)}, None))["unit"])
    assert task.run(Says([1, 1, 1, 1]), {"image": torch.zeros(0, 1)}, None).shape[0] == 0


def test_agreement_is_the_f1_of_words() -> None:
    generator = np.random.default_rng(0)
    rows = generator.integers(-1, 6, (2, 9, 5))
    rows = np.where(np.cumsum(rows < 0, axis=2) > 0, NONE, rows)  # nothing behind the first end
    tokens = torch.from_numpy(np.where(rows == NONE, END, rows + FIRST))
    found = agreements(tokens[:, :4], tokens[:, 4:], 6 + FIRST)
    for picture in range(2):
        for i in range(4):
            own = np.broadcast_to(rows[picture, i], (5, 5))
            assert found[picture, i].tolist() == pytest.approx(word_f1(own, rows[picture, 4:]).tolist())


def test_words_are_a_set() -> None:
    said = np.array([[0, 1, 1, NONE], [2, NONE, NONE, NONE], [NONE] * 4, [0, 1, 2, 3]])
    right = np.array([[1, 3, NONE], [2, NONE, NONE], [1, NONE, NONE], [0, 1, 2]])
    assert word_f1(said, right).tolist() == pytest.approx([0.5, 1.0, 0.0, 6 / 7])
    metrics = catalogue.build(SPEC).metrics({"unit": said}, right, np.array([1, 0, 0, 1.0]))
    assert metrics["word_f1"] == pytest.approx((0.5 + 6 / 7) / 2)


def test_bleu_by_hand() -> None:
    """the cat the cat on the mat / the cat is on the mat: matches 5 of 7, 3 of 6, 1 of 5, 0 of 4, and nothing for being longer."""
    said, right = np.array([[0, 1, 0, 1, 2, 0, 3]]), np.array([[0, 1, 4, 2, 0, 3]])
    counts = ngram_counts(said, right)
    assert counts.tolist() == [[5, 3, 1, 0, 7, 6, 5, 4, 6, 5, 4, 3, 7, 6]]
    expected = (5 / 7 * 3 / 6 * 1 / 5 * 0.5 / 4) ** 0.25
    assert bleu_of(counts)[0] == pytest.approx(expected)
    short = ngram_counts(np.array([[0, 1, 4, 2]]), right)
    assert bleu_of(short)[0] == pytest.approx(math.exp(1 - 6 / 4))
    assert bleu_of(ngram_counts(np.array([[0, 1, 4]]), right))[0] == 0  # it says no run of four
    assert bleu_of(ngram_counts(np.array([[7, 8, 9, 7, 7]]), right))[0] == pytest.approx(
        math.exp(1 - 6 / 5) * (0.5 / 5 * 0.25 / 4 * 0.125 / 3 * 0.0625 / 2) ** 0.25
    )
    assert bleu_of(ngram_counts(right, right))[0] == 1
    assert bleu_of(ngram_counts(right[:, :2], right[:, :2]))[0] == 1  # no right row has runs of three
    assert bleu_of(ngram_counts(np.array([[NONE]]), right)).tolist() == [0]
    both = ngram_counts(np.vstack([said, said]), np.vstack([np.append(right, NONE)] * 2))
    smoothed = (10 / 14 * 6 / 12 * 2 / 10 * 0.5 / 8) ** 0.25  # counted over all rows together
    assert bleu_of(both.sum(0, keepdims=True))[0] == pytest.approx(smoothed)
