"""The doctor's callback in Lightning's own Trainer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.doctor.made import mlp, rings
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import goodfit as gf
from goodfit.base.errors import InputError
from goodfit.doctor import instruments

pl = pytest.importorskip("lightning.pytorch")
pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own, on workers and loggers


def rings_of(package: Any) -> Any:
    class Rings(package.LightningModule):  # type: ignore[misc,name-defined]
        """Three rings by cross-entropy, or numbers by squares."""

        def __init__(
            self, rate: float = 5e-3, *, softmax: bool = False, numbers: bool = False, manual: bool = False, fail: int = -1
        ) -> None:
            super().__init__()
            self.net = mlp(2, 1 if numbers else 3)
            if softmax:
                self.net.append(nn.Softmax(-1))
            self.rate, self.numbers, self.fail = rate, numbers, fail
            self.automatic_optimization = not manual

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x)

        def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            x, y = batch
            return nn.functional.mse_loss(self(x).squeeze(1), y) if self.numbers else nn.functional.cross_entropy(self(x), y)

        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor | None:
            if number == self.fail and self.current_epoch:
                raise RuntimeError("the user's own")
            loss = self.loss(batch)
            self.log("loss", loss)
            if self.automatic_optimization:
                return loss
            self.manual_backward(loss)
            self.optimizers().step()
            return None

        def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
            self.log("validation", self.loss(batch))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            if not self.automatic_optimization:
                return torch.optim.SGD(self.parameters(), lr=self.rate)
            return torch.optim.Adam(self.parameters(), lr=self.rate)  # the rate

    return Rings


Rings = rings_of(pl)
RATE_LINE = next(number for number, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.endswith("# the rate"))


def fit(module: Any, callbacks: list[Any], epochs: int = 10, package: Any = pl, **options: Any) -> Any:
    torch.manual_seed(1)
    (x, y), (v, w) = rings(), rings(300, seed=1)
    if module.numbers:
        y, w = (one[:, 0] * 3000 + one[:, 1].square() * 1500 + 20000 for one in (x, v))
    trainer = package.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=callbacks, **options,
    )  # fmt: skip
    trainer.fit(module, DataLoader(TensorDataset(x, y), 32, shuffle=True), DataLoader(TensorDataset(v, w), 64))
    return module


@pytest.mark.parametrize("options", [{}, {"accumulate_grad_batches": 2, "gradient_clip_val": 1.0}, {"precision": "bf16-mixed"}], ids=str)
def test_a_healthy_training_is_as_without_and_hears_nothing(options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    plain = fit(Rings(), [], **options)
    before = capsys.readouterr().out
    callback = gf.doctor.LightningCallback(seconds=15)
    watched = fit(Rings(), [callback], **options)
    drawn = torch.rand(1)
    assert all(torch.equal(one, other) for one, other in zip(plain.parameters(), watched.parameters(), strict=True))
    assert capsys.readouterr().out == before
    assert callback.examination.verdict == "healthy"
    assert "its own evaluations" in callback.examination.examined["looked_at"][0]
    fit(Rings(), [], **options)
    assert torch.equal(drawn, torch.rand(1)), "an examination draws no numbers of the user's"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"rate": 3.0}, "optim.rate-high"),
        ({"rate": 1e-6}, "optim.rate-low"),
        ({"manual": True, "rate": 0.1}, "loop.zero-grad"),
        ({"numbers": True}, "data.targets-unscaled"),
        ({"softmax": True, "rate": 5e-4}, "head.activation"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_planted_fault_is_found(options: dict[str, Any], code: str, capsys: pytest.CaptureFixture[str]) -> None:
    callback = gf.doctor.LightningCallback(seconds=25)
    fit(Rings(**options), [callback])
    assert callback.examination.verdict == "faulty"
    found = callback.examination.findings[0]
    assert found.code == code
    said = capsys.readouterr().out
    assert f"1. {code}" in said
    assert found.message in said
    if found.edit is not None:
        assert found.edit["file"] == __file__
    if code == "optim.rate-high":
        assert found.edit is not None
        assert found.edit["line"] == RATE_LINE
    if code == "loop.zero-grad":
        assert found.edit is not None or "opt.zero_grad()" in found.remedy


def test_the_other_package_is_served_too() -> None:
    other = pytest.importorskip("pytorch_lightning")
    callback = gf.doctor.LightningCallback(examine=False)
    assert isinstance(callback, (other.Callback, pl.Callback))

    fit(rings_of(other)(), [callback], epochs=2, package=other)
    assert callback.examination is None
    assert callback.examine().verdict in {"healthy", "faulty"}


def test_a_training_that_raises_can_be_examined_and_leaves_torch_as_it_was() -> None:
    called = nn.Module.__call__
    callback = gf.doctor.LightningCallback(seconds=5)
    with pytest.raises(RuntimeError, match="the user's own"):
        fit(Rings(fail=3), [callback])
    assert nn.Module.__call__ is called
    assert not instruments.at_work()
    assert callback.examination is None
    assert callback.examine().examined["looked_at"]


def test_what_trained_nothing_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    callback = gf.doctor.LightningCallback()
    with pytest.raises(InputError, match="has seen no training"):
        callback.examine()
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "lightning.pytorch")
    monkeypatch.delitem(sys.modules, "pytorch_lightning")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(InputError, match="pip install lightning"):
        gf.doctor.LightningCallback()
