"""`data.imbalance`: a rare class given up, and one that is learned although it is rare."""

from __future__ import annotations

import torch
from tests.doctor.faults.made import examined, made, net
from torch import nn

from goodfit.doctor.faults.data_imbalance import suspect
from goodfit.doctor.program import Place


def rows(apart: float, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = (torch.rand(count, generator=generator) < 0.05).float()
    x = torch.randn(count, 8, generator=generator)
    x[:, 0] += apart * y
    return x, y.unsqueeze(1)


def test_a_class_given_up_is_found_and_weights_are_proven(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "train.py"
    file.write_text("import torch\nfrom torch import nn\ncriterion = nn.BCEWithLogitsLoss()\nloss = criterion(out, y)\n")
    program = made(
        net(8, 1, 8), *rows(1.5, 1200, 1), loss=nn.functional.binary_cross_entropy_with_logits, epochs=8, batch=64, judged=rows(1.5, 1500, 2),
        places={"loss": Place(str(file), 4)},
    )  # fmt: skip
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert suspicion.evidence["rarest_share"] < 0.07
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.2
    assert proof.severity == "warning"
    assert proof.remedy is not None
    assert proof.remedy.source is not None
    assert "pos_weight" in proof.remedy.source().after


def test_a_rare_class_that_is_told_apart_raises_nothing() -> None:
    program = made(
        net(8, 1, 16),
        *rows(8.0, 1200, 1),
        loss=nn.functional.binary_cross_entropy_with_logits,
        epochs=12,
        batch=64,
        judged=rows(8.0, 1500, 2),
    )
    suspicion, _ = examined(suspect, program)
    assert suspicion is None


def test_weights_that_are_there_already_leave_nothing_to_gain() -> None:
    words = {"pos_weight": torch.tensor(19.0)}
    program = made(
        net(8, 1, 8), *rows(0.7, 1200, 1), loss=nn.functional.binary_cross_entropy_with_logits, words=words, epochs=8, batch=64,
        judged=rows(0.7, 1500, 2),
    )  # fmt: skip
    _, proof = examined(suspect, program)
    assert proof is None
