"""`data.leak`: judged rows that were trained on, a column that is the target, a network that sees what it foretells; and rows that repeat by nature."""

from __future__ import annotations

import torch
from tests.doctor.faults.made import examined, made, net
from torch import nn

from goodfit.doctor.faults.data_leak import suspect


def rows(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 10, generator=generator)
    return x, (x[:, 0] + torch.randn(count, generator=generator) > 0).long()


def test_judged_rows_that_were_trained_on_are_found() -> None:
    x, y = rows(400, 1)
    suspicion, proof = examined(suspect, made(net(10, 2, 64), x, y, epochs=40, judged=(x[:150], y[:150])))
    assert suspicion is not None
    assert suspicion.evidence["judged_rows_trained_on"] > 100
    assert proof is not None
    assert proof.facts["score_too_high_by"] > 0.2


def test_some_judged_rows_that_were_trained_on_are_found() -> None:
    x, y = rows(500, 1)
    suspicion, proof = examined(suspect, made(net(10, 2, 64), x[:400], y[:400], epochs=40, judged=(x[300:], y[300:])))
    assert suspicion is not None
    assert abs(suspicion.evidence["share"] - 0.5) < 0.01
    assert proof is not None


def test_rows_apart_raise_nothing() -> None:
    suspicion, _ = examined(suspect, made(net(10, 2), *rows(300, 1), epochs=4, judged=rows(300, 2)))
    assert suspicion is None


def test_the_score_on_all_training_rows_is_no_leak() -> None:
    x, y = rows(300, 1)
    suspicion, _ = examined(suspect, made(net(10, 2), x, y, epochs=4, judged=(x, y)))
    assert suspicion is None


def test_rows_that_repeat_by_nature_are_acquitted() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 6, (1500, 4), generator=generator).float()
    y = (x.sum(1) > 10).long()
    suspicion, proof = examined(suspect, made(net(4, 2), x[:900], y[:900], epochs=10, judged=(x[900:], y[900:])))
    assert suspicion is not None
    assert proof is None


def test_a_column_that_is_the_target_is_found() -> None:
    x, y = rows(500, 1)
    generator = torch.Generator().manual_seed(3)
    told = (y.float() * 2 - 1 + 0.02 * torch.randn(500, generator=generator)).unsqueeze(1)
    suspicion, proof = examined(suspect, made(net(11, 2), torch.cat([x, told], 1), y, epochs=8))
    assert suspicion is not None
    assert suspicion.evidence["columns"] == [10]
    assert proof is not None
    assert proof.severity == "error"


def test_a_column_that_is_the_target_but_for_some_slips_is_found() -> None:
    x, y = rows(600, 1)
    told = torch.where(torch.rand(600, generator=torch.Generator().manual_seed(3)) < 0.02, 1 - y, y).float().unsqueeze(1)
    suspicion, proof = examined(suspect, made(net(11, 2), torch.cat([x, told], 1), y, epochs=8))
    assert suspicion is not None
    assert suspicion.evidence["columns"] == [10]
    assert not suspicion.certain
    assert proof is not None


def test_classes_far_apart_in_every_column_are_no_leak() -> None:
    generator = torch.Generator().manual_seed(1)
    y = torch.randint(0, 3, (500,), generator=generator)
    x = y.unsqueeze(1) * torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0]) + 0.1 * torch.randn(500, 5, generator=generator)
    _, proof = examined(suspect, made(net(5, 3), x, y, epochs=8))
    assert proof is None


def test_a_simple_rule_of_one_column_is_no_leak() -> None:
    x, _ = rows(500, 1)
    suspicion, _ = examined(suspect, made(net(10, 2), x, (x[:, 3] > 0).long(), epochs=8))
    assert suspicion is None


class Tagger(nn.Module):
    """A recurrent network over tokens, of one direction or both."""

    def __init__(self, both: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(6, 16)
        self.inner = nn.GRU(16, 24, batch_first=True, bidirectional=both)
        self.head = nn.Linear(48 if both else 24, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.inner(self.embedding(x))[0])


def tokens() -> tuple[torch.Tensor, torch.Tensor]:
    text = torch.randint(0, 6, (300, 13), generator=torch.Generator().manual_seed(0))
    return text[:, :-1], text[:, 1:].contiguous()


def test_a_network_that_sees_what_it_foretells_is_found() -> None:
    suspicion, proof = examined(suspect, made(Tagger(True), *tokens(), epochs=15, flat=True, options={"lr": 1e-2}))
    assert suspicion is not None
    assert suspicion.evidence["skill"] > 0.8
    assert suspicion.evidence["skill_without_what_follows"] < 0.2
    assert proof is not None


def test_a_network_of_one_direction_raises_nothing() -> None:
    suspicion, _ = examined(suspect, made(Tagger(False), *tokens(), epochs=3, flat=True))
    assert suspicion is None


def visits(parted: bool) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Eight rows of each of 100 origins, parted by origin or not."""
    generator = torch.Generator().manual_seed(4)
    base = torch.randn(100, 8, generator=generator)
    y = (base[:, 0] + 1.5 * torch.randn(100, generator=generator) > 0).long()
    x = (base.unsqueeze(1) + 0.1 * torch.randn(100, 8, 8, generator=generator)).flatten(0, 1)
    order = torch.arange(800) if parted else torch.randperm(800, generator=generator)
    y = y.repeat_interleave(8)
    return (x[order[:600]], y[order[:600]]), (x[order[600:]], y[order[600:]])


def test_rows_of_one_origin_on_both_sides_are_found() -> None:
    taught, judged = visits(parted=False)
    suspicion, proof = examined(suspect, made(net(8, 2, 48), *taught, epochs=25, judged=judged))
    assert suspicion is not None
    assert abs(suspicion.evidence["groups"] - 100) <= 5
    assert proof is not None
    assert proof.facts["score_too_high_by"] > 0.2


def test_origins_that_are_parted_raise_nothing() -> None:
    taught, judged = visits(parted=True)
    suspicion, _ = examined(suspect, made(net(8, 2, 48), *taught, epochs=5, judged=judged))
    assert suspicion is None


def test_a_column_made_of_the_training_targets_is_found() -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1200, 6, generator=generator)
    y = (x[:, 0] + 1.5 * torch.randn(1200, generator=generator) > 0).long()
    shop = torch.randint(0, 500, (1200,), generator=generator)
    taught = torch.arange(1200) < 800
    total, count = torch.zeros(500), torch.zeros(500)
    total.index_add_(0, shop[taught], y[taught].float())
    count.index_add_(0, shop[taught], torch.ones(800))
    mean = torch.where(count > 0, total / count.clamp_min(1), torch.tensor(0.5))
    with_mean = torch.cat([x, 4 * mean[shop].unsqueeze(1) - 2], 1)
    judged = ~taught
    suspicion, proof = examined(suspect, made(net(7, 2), with_mean[taught], y[taught], epochs=20, judged=(with_mean[judged], y[judged])))
    assert suspicion is not None
    assert suspicion.evidence["columns"] == [6]
    assert proof is not None
    suspicion, _ = examined(suspect, made(net(6, 2), x[taught], y[taught], epochs=20, judged=(x[judged], y[judged])))
    assert suspicion is None
