"""The doctor's callback in transformers' own Trainer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.doctor.made import mlp, rings
from torch import Tensor, nn

import goodfit as gf
from goodfit.base.errors import InputError
from goodfit.doctor import instruments
from goodfit.doctor.callback_keras import KerasCallback
from goodfit.doctor.callback_lightning import LightningCallback
from goodfit.doctor.callback_transformers import TrainerCallback
from goodfit.doctor.faults import catalogue

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytestmark = pytest.mark.filterwarnings("ignore")


class Rings(nn.Module):
    """Three rings by cross-entropy, or numbers by squares, with the loss inside, as transformers' models have it."""

    def __init__(self, *, softmax: bool = False, numbers: bool = False) -> None:
        super().__init__()
        self.net = mlp(2, 1 if numbers else 3)
        if softmax:
            self.net.append(nn.Softmax(-1))
        self.numbers = numbers

    def forward(self, x: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        logits = self.net(x)
        if labels is None:
            return {"logits": logits}
        loss = nn.functional.mse_loss(logits.squeeze(1), labels) if self.numbers else nn.functional.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


class Fails(transformers.TrainerCallback):  # type: ignore[misc,name-defined]
    """Raises before a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            raise RuntimeError("the user's own")


def train(folder: Path, model: Any, callbacks: list[Any], rate: float = 1e-2, epochs: int = 10, **options: Any) -> Any:
    (x, y), (v, w) = rings(), rings(300, seed=1)
    if model.numbers:
        y, w = (one[:, 0] * 3000 + one[:, 1].square() * 1500 + 20000 for one in (x, v))
    rows, held = ([{"x": a, "labels": b} for a, b in zip(*part, strict=True)] for part in ((x, y), (v, w)))
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), num_train_epochs=epochs, per_device_train_batch_size=32, learning_rate=rate, eval_strategy="epoch", save_strategy="no",
        report_to=[], disable_tqdm=True, use_cpu=True, logging_strategy="no", seed=1, **options,
    )  # fmt: skip
    trainer = transformers.Trainer(model, arguments, train_dataset=rows, eval_dataset=held, callbacks=callbacks)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return model


@pytest.mark.parametrize("options", [{}, {"gradient_accumulation_steps": 2}, {"bf16": True}], ids=str)
def test_a_healthy_training_is_as_without_and_hears_nothing(
    options: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = train(tmp_path, Rings(), [], **options)
    before = capsys.readouterr().out
    callback = gf.doctor.TrainerCallback(seconds=15)
    watched = train(tmp_path, Rings(), [callback], **options)
    assert all(torch.equal(one, other) for one, other in zip(plain.parameters(), watched.parameters(), strict=True))
    assert capsys.readouterr().out == before
    assert callback.examination.verdict == "healthy"
    assert callback.examination.examined["looked_at"][0].startswith("classes answers; 800 rows to train on and 300 of its own evaluations")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "options", "code"),
    [
        ({}, {"rate": 3.0}, "optim.rate-high"),
        ({}, {"rate": 1e-6}, "optim.rate-low"),
        ({"numbers": True}, {}, "data.targets-unscaled"),
        ({"softmax": True}, {"rate": 2e-3}, "head.activation"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_planted_fault_is_found(
    model: dict[str, Any], options: dict[str, Any], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = gf.doctor.TrainerCallback(seconds=25)
    train(tmp_path, Rings(**model), [callback], **options)
    assert callback.examination.verdict == "faulty"
    found = callback.examination.findings[0]
    assert found.code == code
    assert f"1. {code}" in capsys.readouterr().out
    if code.startswith("optim.rate"):
        assert found.edit is None, "the rate stands in no line that makes an optimiser"
        assert "TrainingArguments(learning_rate=...)" in found.remedy
    elif found.edit is not None:
        assert found.edit["file"] == __file__


def test_a_training_that_raises_can_be_examined_and_leaves_torch_as_it_was(tmp_path: Path) -> None:
    called = nn.Module.__call__
    callback = gf.doctor.TrainerCallback(seconds=5)
    with pytest.raises(RuntimeError, match="the user's own"):
        train(tmp_path, Rings(), [callback, Fails(40)])
    nn.Linear(2, 2)(torch.ones(1, 2))  # no hook tells the callback of the error: the next call of a network does
    assert nn.Module.__call__ is called
    assert not instruments.at_work()
    assert callback.examination is None
    assert callback.examine().examined["looked_at"]


def test_an_error_in_a_training_does_not_stand_in_the_way_of_the_next(tmp_path: Path) -> None:
    callback = gf.doctor.TrainerCallback(examine=False)
    with pytest.raises(RuntimeError, match="the user's own"):
        train(tmp_path, Rings(), [callback, Fails(5)])
    network = mlp(2, 3)
    with gf.doctor.watch(network, torch.optim.SGD(network.parameters(), lr=0.1)):
        network(torch.ones(1, 2))
    train(tmp_path, Rings(), [callback], epochs=2)
    assert callback.examine().examined["looked_at"][0].endswith("copies repeat the whole of it.")


@pytest.mark.parametrize("kind", [LightningCallback, TrainerCallback, KerasCallback])
def test_words_are_kept_for_faults_that_exist(kind: Any) -> None:
    codes = {fault.__globals__["CODE"] for fault in catalogue.FAULTS}
    assert set(kind.words) <= codes


def test_nothing_imports_a_framework_until_it_is_used() -> None:
    code = (
        "import sys, goodfit as gf; print('torch' in sys.modules); gf.doctor.LightningCallback; gf.doctor.TrainerCallback; gf.doctor.KerasCallback;"
        "print({name.split('.')[0] for name in sys.modules} & {'lightning', 'pytorch_lightning', 'transformers', 'accelerate', 'keras'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split("\n")[:2] == ["False", "set()"], done.stderr


def test_where_the_library_is_missing_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="pip install transformers accelerate"):
        gf.doctor.TrainerCallback()
