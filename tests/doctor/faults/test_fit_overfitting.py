"""`fit.overfitting`: rows learned by heart to the harm of others, against a gap that does no harm and against no signal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from tests.doctor.faults.made import examined, made, net
from torch import nn

from goodfit.doctor.faults.fit_overfitting import looks, suspect
from goodfit.doctor.program import Evaluation, Part, Place, Tape


def rows(count: int, seed: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 12, generator=generator)
    y = x[:, :1] + x[:, 1:2] + noise * torch.randn(count, 1, generator=generator)
    return x, y


def test_rows_learned_by_heart_are_found(tmp_path) -> None:  # type: ignore[no-untyped-def]
    program = made(
        net(12, 1, 128),
        *rows(120, 1, 1.2),
        loss=nn.functional.mse_loss,
        epochs=80,
        judged=rows(400, 2, 1.2),
        every=10,
        options={"lr": 2e-3},
    )
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert suspicion.always
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.04
    assert proof.setup is not None


def test_a_gap_without_harm_is_acquitted() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(700, 12, generator=generator)
    y = (x[:, 0] * x[:, 1] + x[:, 2] > 0).long()
    suspicion, proof = examined(suspect, made(net(12, 2, 48), x[:400], y[:400], epochs=15, judged=(x[400:], y[400:])))
    assert suspicion is None or proof is None


def test_nothing_to_learn_is_not_overfitting() -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(500, 12, generator=generator), torch.randn(500, 1, generator=generator)
    _, proof = examined(suspect, made(net(12, 1, 128), x[:120], y[:120], loss=nn.functional.mse_loss, epochs=60, judged=(x[120:], y[120:])))
    assert proof is None


def test_weight_decay_can_be_written_into_the_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from tests.doctor.faults.made import case_of

    from goodfit.doctor.faults.fit_overfitting import _decaying

    file = tmp_path / "train.py"
    file.write_text("import torch\nopt = torch.optim.Adam(model.parameters(), lr=1e-3)\n")
    program = made(net(12, 1), *rows(60, 1, 1.0), loss=nn.functional.mse_loss, epochs=2)
    use = program.optimizers[0]
    program.optimizers[0] = type(use)(use.kind, use.groups, use.options, Place(str(file), 2))
    edit = _decaying(case_of(program), 0.01)
    assert edit is not None
    assert edit().after == "opt = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=0.01)"


def test_looks_grow_at_first_and_end_with_the_last_update() -> None:
    found = looks(1000)
    assert found == sorted(set(found))
    assert found[-1] == 1000
    assert found[0] <= 2
    assert looks(1) == [1]


def test_a_program_that_keeps_its_best_network_is_acquitted() -> None:
    """The same copies get worse; what the program ends with does not."""
    taught, judged = rows(120, 1, 1.2), rows(400, 2, 1.2)
    words: dict[str, Any] = {"loss": nn.functional.mse_loss, "judged": judged, "options": {"lr": 2e-3}}
    best = made(net(12, 1, 128), *taught, epochs=4, **words)
    program = made(net(12, 1, 128), *taught, epochs=80, **words)
    program.finals[0].load_state_dict(best.finals[0].state_dict())
    suspicion, proof = examined(suspect, program)
    assert suspicion is None or proof is None


def test_a_program_that_judges_by_a_better_copy_is_acquitted() -> None:
    taught, judged = rows(120, 1, 1.2), rows(400, 2, 1.2)
    words: dict[str, Any] = {"loss": nn.functional.mse_loss, "judged": judged, "options": {"lr": 2e-3}}
    best = made(net(12, 1, 128), *taught, epochs=4, **words)
    program = made(net(12, 1, 128), *taught, epochs=80, **words)
    program.networks.append(best.networks[0])
    program.finals.append(best.finals[0])
    last = program.evaluations[-1]
    called = last.tapes[0].nodes[0]
    other = Tape((replace(called, call=Part(1)), *last.tapes[0].nodes[1:]), last.tapes[0].data)
    program.evaluations[-1] = Evaluation((*last.tapes, other), last.after)
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert proof is None
