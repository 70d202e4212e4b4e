"""Tags of tokens: losses, decoding, metrics."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score

from goodfit.base.errors import SettingError
from goodfit.tasks import catalogue, chain

TASK = catalogue.build({"kind": "tagging", "names": ["t"], "classes": ["a", "b", "c"]})
TARGET = torch.tensor([[0, 1, 2, -1], [2, -1, -1, -1]])


def test_the_loss_is_the_mean_over_tokens() -> None:
    output = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0))
    losses = TASK.loss(output, TARGET)
    assert losses.shape == (2,)
    log = output.log_softmax(-1)
    four = [log[0, 0, 0], log[0, 1, 1], log[0, 2, 2], log[1, 0, 2]]
    assert float(losses.mean()) == pytest.approx(-float(sum(four)) / 4, rel=1e-5)
    assert torch.equal(TASK.loss(output[:, :4], TARGET), losses)  # what stands behind the end is not read
    assert torch.equal(TASK.loss(output[:, :3], TARGET), losses)


def test_a_chain_is_what_brute_force_says() -> None:
    generator = torch.Generator().manual_seed(1)
    potentials = torch.randn(2, 4, 3, 3, generator=generator, dtype=torch.float64)
    mask = TARGET != -1
    potentials = potentials * mask[:, :, None, None]

    def score(row: int, tags: tuple[int, ...]) -> float:
        return sum(float(potentials[row, t, tags[t - 1] if t else 0, tag]) for t, tag in enumerate(tags))

    expected = []
    best = []
    for row, length in enumerate((3, 1)):
        paths = list(itertools.product(range(3), repeat=length))
        total = math.log(sum(math.exp(score(row, path)) for path in paths))
        expected.append(total - score(row, tuple(TARGET[row, :length].tolist())))
        best.append(max(paths, key=lambda path, row=row: score(row, path)))
    torch.testing.assert_close(chain.nll(potentials, TARGET, mask), torch.tensor(expected, dtype=torch.float64))
    losses = TASK.loss(potentials.float(), TARGET)
    assert float(losses.mean()) == pytest.approx(sum(expected) / 4, rel=1e-5)
    tags = TASK.decode(potentials)["tag"]
    assert [tuple(tags[row, : len(path)].tolist()) for row, path in enumerate(best)] == best


def test_metrics_are_those_of_the_tokens() -> None:
    tags = np.array([[0, 1, 1, 0, 0], [2, 2, 2, 2, 2]])
    found = TASK.metrics({"tag": tags}, TARGET.numpy())
    assert found["accuracy"] == accuracy_score([0, 1, 2, 2], [0, 1, 1, 2])
    assert found["sentence_accuracy"] == 0.5
    weighted = TASK.metrics({"tag": tags}, TARGET.numpy(), np.array([0.0, 2.0]))
    assert weighted == {"accuracy": 1.0, "sentence_accuracy": 1.0}


def test_smoothing() -> None:
    spec = {"kind": "tagging", "names": ["t"], "classes": ["a", "b", "c"], "label_smoothing": 0.1}
    smooth = catalogue.build(spec)
    output = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    assert float(smooth.loss(output, TARGET).sum()) != float(TASK.loss(output, TARGET).sum())
    with pytest.raises(SettingError, match="no effect on a chain"):
        smooth.loss(torch.zeros(2, 4, 3, 3), TARGET)
