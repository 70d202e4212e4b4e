"""`data.targets-unscaled`: raised by the targets, proven by R2 with standardised ones."""

from __future__ import annotations

import torch
from tests.doctor.faults.made import examined, made, net
from torch import nn

from goodfit.doctor.faults.data_targets_unscaled import suspect
from goodfit.doctor.program import Place


def rows(scale: float, middle: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(400, 5, generator=generator)
    return x, (torch.sin(x[:, :1]) + x[:, 1:2]) * scale + middle


def test_large_targets_are_found_and_scaling_them_is_proven() -> None:
    suspicion, proof = examined(suspect, made(net(5, 1), *rows(300.0, 2000.0), loss=nn.functional.mse_loss, options={"lr": 1e-3}))
    assert suspicion is not None
    assert suspicion.always
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.5


def test_tiny_targets_are_found() -> None:
    suspicion, proof = examined(suspect, made(net(5, 1), *rows(1e-3, 0.0), loss=nn.functional.mse_loss, options={"lr": 1e-3}, epochs=5))
    assert suspicion is not None
    assert proof is not None


def test_targets_near_one_raise_nothing() -> None:
    suspicion, _ = examined(suspect, made(net(5, 1), *rows(2.0, 1.0), loss=nn.functional.mse_loss, epochs=4))
    assert suspicion is None


class Scaled(nn.Module):
    """Answers in the targets' units by itself."""

    def __init__(self, middle: float, spread: float) -> None:
        super().__init__()
        self.inner, self.middle, self.spread = net(5, 1), middle, spread

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * self.spread + self.middle


def test_a_network_that_scales_its_answers_is_acquitted() -> None:
    program = made(Scaled(50.0, 20.0), *rows(20.0, 50.0), loss=nn.functional.mse_loss, options={"lr": 1e-2}, epochs=20)
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert proof is None


def test_the_edit_scales_both_sides_of_the_loss(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "train.py"
    file.write_text("from torch import nn\nmodel = nn.Linear(5, 1)\ncriterion = nn.MSELoss()\nloss = criterion(model(x), y)\n")
    places = {"model": Place(str(file), 2), "loss": Place(str(file), 4)}
    suspicion, _ = examined(suspect, made(net(5, 1), *rows(300.0, 2000.0), loss=nn.functional.mse_loss, epochs=2, places=places))
    assert suspicion is not None
    edit = suspicion.remedies[0].source()  # type: ignore[misc]
    assert "model.register_forward_hook(" in edit.after
    changed = file.read_text()
    for change in sorted(edit.changes, key=lambda one: -one.start):
        changed = changed[: change.start] + change.text + changed[change.end :]
    x, y = rows(300.0, 2000.0)
    scope: dict[str, object] = {"x": x, "y": y}
    exec(changed, scope)
    assert float(scope["loss"].detach()) < 5  # type: ignore[attr-defined]
    assert float(scope["model"](x).detach().mean()) > 1000  # type: ignore[operator]
