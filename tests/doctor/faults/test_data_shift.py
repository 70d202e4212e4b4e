"""`data.shift`: classes never taught, judged rows on another scale, and samples that are alike."""

from __future__ import annotations

import torch
from tests.doctor.faults.made import examined, made, net

from goodfit.doctor.faults.data_shift import suspect
from goodfit.doctor.program import Evaluation, Tape


def rows(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 4, (count,), generator=generator)
    centres = torch.tensor([[2.0, 0, 0], [-2, 0, 0], [0, 2, 0], [0, -2, 0]])
    return centres[y] + 0.7 * torch.randn(count, 3, generator=generator), y


def test_sorted_rows_cut_in_two_are_found() -> None:
    x, y = rows(600, 1)
    order = y.argsort()
    program = made(net(3, 4), x[order[:400]], y[order[:400]], epochs=6, judged=(x[order[400:]], y[order[400:]]))
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert suspicion.evidence["share_of_judged_rows_never_taught"] > 0.5
    assert proof is not None
    assert proof.severity == "error"
    assert proof.gain is not None
    assert proof.gain.value > 0.3


def test_judged_rows_on_another_scale_are_found() -> None:
    x, y = rows(500, 1)
    given, wanted = rows(300, 2)
    program = made(net(3, 4), x, y, epochs=6, judged=(given * 30 + 100, wanted))
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert proof is not None
    assert proof.severity == "error"
    assert proof.gain is not None
    assert proof.gain.value > 0.3


def test_alike_samples_raise_nothing() -> None:
    suspicion, _ = examined(suspect, made(net(3, 4), *rows(500, 1), epochs=5, judged=rows(300, 2)))
    assert suspicion is None


def test_a_shift_that_costs_much_is_a_warning() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(900, 6, generator=generator)
    y = (x[:, 0] * torch.sign(x[:, 5]) > 0).long()  # what x0 means turns with x5
    x[:, 5] = x[:, 5].abs() * torch.where(torch.arange(900) < 600, 1.0, -1.0)
    y = torch.where(torch.arange(900) < 600, (x[:, 0] > 0).long(), (x[:, 0] < 0).long())
    suspicion, proof = examined(suspect, made(net(6, 2), x[:600], y[:600], epochs=6, judged=(x[600:], y[600:])))
    assert suspicion is not None
    assert proof is not None
    assert proof.severity == "warning"
    assert proof.gain is not None
    assert proof.gain.value > 0.2


def told(count: int, seed: int, known: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """A column that tells the target, where it is known already."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 5, generator=generator)
    y = (x[:, 0] + 0.7 * torch.randn(count, generator=generator) > 0).long()
    x[:, 4] = torch.where(torch.rand(count, generator=generator) < 0.95, y.float(), 0.0) if known else 0.0
    return x, y


def test_a_column_that_is_not_known_yet_when_judging_is_found() -> None:
    suspicion, proof = examined(suspect, made(net(5, 2), *told(500, 1, True), epochs=10, judged=told(400, 2, False)))
    assert suspicion is not None
    assert suspicion.evidence["columns"] == [4]
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.1
    assert proof.setup is not None


def test_pictures_prepared_otherwise_are_found() -> None:
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(0, 4, (700,), generator=generator)
    x = 0.3 * torch.rand(700, 1, 6, 6, generator=generator)
    for row, place in enumerate(y.tolist()):
        x[row, 0, place, 0:3] += 0.7
    network = torch.nn.Sequential(torch.nn.Flatten(), net(36, 4))
    alike = made(network, x[:400], y[:400], epochs=8, judged=(x[400:], y[400:]))
    assert examined(suspect, alike)[0] is None
    network = torch.nn.Sequential(torch.nn.Flatten(), net(36, 4))
    suspicion, proof = examined(suspect, made(network, x[:400], y[:400], epochs=8, judged=(x[400:].transpose(-1, -2), y[400:])))
    assert suspicion is not None
    assert "pixels exchanged" in suspicion.message or "turn" in suspicion.message
    assert proof is not None
    assert proof.severity == "error"
    assert proof.gain is not None
    assert proof.gain.value > 0.5


def test_columns_in_another_order_are_found() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(700, 5, generator=generator) * torch.tensor([0.6, 0.8, 1.0, 1.3, 1.7]) + torch.tensor([0.0, 1.0, -1.0, 0.5, -0.5])
    y = (x[:, 0] + 0.5 * x[:, 4] > 0).long()
    suspicion, proof = examined(suspect, made(net(5, 2), x[:400], y[:400], epochs=12, judged=(x[400:][:, [4, 2, 3, 0, 1]], y[400:])))
    assert suspicion is not None
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.3


def test_a_column_that_only_the_last_judged_rows_lack_is_found() -> None:
    program = made(net(5, 2), *told(500, 1, True), epochs=10, judged=told(300, 3, True), every=4)
    now = told(300, 2, False)
    last = program.evaluations[-1]
    nodes = last.tapes[0].nodes
    program.evaluations[-1] = Evaluation((*last.tapes, Tape(nodes, now)), last.after)
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert suspicion.evidence["columns"] == [4]
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.1
