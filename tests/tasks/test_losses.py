"""Losses and decoding of every task: against torch's own and naive formulas, for members, in half precision, by gradcheck."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.base.errors import SettingError
from goodfit.base.protocols import Task
from goodfit.tasks.catalogue import SCORES, build

B, K = 12, 4
BINARY = {"kind": "binary", "names": ["y"], "classes": ["no", "yes"], "mean": 0.0, "std": 1.0, "parts": []}
MULTICLASS = {"kind": "multiclass", "names": ["c"], "classes": [1, 2, 3, 4, 5], "mean": 0.0, "std": 1.0, "parts": []}
MULTILABEL = {"kind": "multilabel", "names": ["l"], "classes": ["a", "b", "c"], "mean": 0.0, "std": 1.0, "parts": []}
REGRESSION = {"kind": "regression", "names": ["r"], "classes": None, "mean": 30.0, "std": 4.0, "parts": []}
SEVERAL = {"kind": "several", "names": ["r", "c", "y"], "classes": None, "mean": 0.0, "std": 1.0, "parts": [REGRESSION, MULTICLASS, BINARY]}
SPECS: dict[str, dict[str, Any]] = {
    "binary": BINARY,
    "binary-smoothed": BINARY | {"label_smoothing": 0.2},
    "multiclass": MULTICLASS,
    "multiclass-smoothed": MULTICLASS | {"label_smoothing": 0.2},
    "multilabel": MULTILABEL,
    "multilabel-smoothed": MULTILABEL | {"label_smoothing": 0.2},
    "multilabel-columns": MULTILABEL | {"names": ["a", "b", "c", "d"], "classes": None},
    "regression": REGRESSION,
    "several": SEVERAL,
    "several-smoothed": SEVERAL | {"label_smoothing": 0.2},
}
every = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def targets(spec: dict[str, Any], rows: int = B, seed: int = 0) -> Tensor:
    """As `TargetSpec.encode` has them."""
    random = np.random.default_rng(seed)
    if spec["kind"] == "several":
        columns = [targets(part, rows, seed + index).float() for index, part in enumerate(spec["parts"])]
        return torch.stack(columns, 1)
    if spec["kind"] == "regression":
        return torch.from_numpy(random.standard_normal(rows).astype(np.float32))
    if spec["kind"] == "multilabel":
        return torch.from_numpy(random.integers(0, 2, (rows, len(spec["classes"] or spec["names"]))).astype(np.float32))
    return torch.from_numpy(random.integers(0, len(spec["classes"]), rows))


def outputs(task: Task, *members: int, dtype: torch.dtype = torch.float64, scale: float = 2.0, seed: int = 0) -> Tensor:
    return (scale * torch.randn(B, *members, task.outputs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).to(dtype)


def naive(spec: dict[str, Any], output: Tensor, target: Tensor, smoothing: float | None = None) -> Tensor:
    """The loss of one network as a textbook has it: [B, O], [B, ...] -> [B]."""
    smooth = spec.get("label_smoothing", 0.0) if smoothing is None else smoothing
    if spec["kind"] == "several":
        losses, start = [], 0
        for index, part in enumerate(spec["parts"]):
            width = len(part["classes"]) if part["kind"] == "multiclass" else 1
            losses.append(naive(part, output[:, start : start + width], target[:, index], 0.0 if part["kind"] == "regression" else smooth))
            start += width
        return torch.stack(losses).mean(0)
    if spec["kind"] == "regression":
        return (output[:, 0] - target) ** 2
    if spec["kind"] == "multiclass":
        classes = output.shape[1]
        wanted = F.one_hot(target.long(), classes) * (1 - smooth) + smooth / classes
        return -(wanted * torch.log(torch.exp(output) / torch.exp(output).sum(1, keepdim=True))).sum(1)
    probability = 1 / (1 + torch.exp(-output))
    wanted = (target[:, None] if target.ndim == 1 else target) * (1 - smooth) + smooth / 2
    return -(wanted * probability.log() + (1 - wanted) * (1 - probability).log()).mean(1)


@every
def test_the_loss_is_the_textbook_s(spec: dict[str, Any]) -> None:
    task = build(spec)
    assert isinstance(task, Task)
    output, target = outputs(task), targets(spec)
    torch.testing.assert_close(task.loss(output, target), naive(spec, output, target))
    assert task.loss(output, target).shape == (B,)


@every
def test_the_loss_of_members_is_the_mean_of_theirs(spec: dict[str, Any]) -> None:
    task = build(spec)
    output, target = outputs(task, K), targets(spec)
    alone = torch.stack([task.loss(output[:, k], target) for k in range(K)])
    torch.testing.assert_close(task.loss(output, target), alone.mean(0))


@every
@pytest.mark.parametrize("members", [(), (K,)])
def test_gradients(spec: dict[str, Any], members: tuple[int, ...]) -> None:
    task, target = build(spec), targets(spec)
    output = outputs(task, *members).requires_grad_()
    assert torch.autograd.gradcheck(lambda o: task.loss(o, target), (output,))
    gradient = torch.autograd.grad(task.loss(output, target).sum(), output)[0]
    assert (gradient.flatten(0, -2).abs().sum(0) > 0).all()


@every
def test_decoding_averages_members_after_the_nonlinearity(spec: dict[str, Any]) -> None:
    task = build(spec)
    output = outputs(task, K)
    decoded = task.decode(output)
    alone = [task.decode(output[:, k]) for k in range(K)]
    for name, value in decoded.items():
        torch.testing.assert_close(value, torch.stack([one[name] for one in alone]).mean(0))
        assert value.shape[0] == B
        if name.endswith("probability"):
            assert ((value >= 0) & (value <= 1)).all()
            if spec["kind"] != "multilabel":
                torch.testing.assert_close(value.sum(1), torch.ones(B, dtype=value.dtype))


def test_what_is_decoded() -> None:
    output = torch.tensor([[0.0], [math.log(3)]], dtype=torch.float64)
    assert build(BINARY).decode(output)["probability"].tolist() == [[0.5, 0.5], [pytest.approx(0.25), pytest.approx(0.75)]]
    assert build(REGRESSION).decode(output)["mean"].tolist() == [30.0, pytest.approx(30 + 4 * math.log(3))]
    output = torch.tensor([[0.0, math.log(2), 0.0, 0.0, 0.0]])
    assert build(MULTICLASS).decode(output)["probability"][0].tolist() == pytest.approx([1 / 6, 2 / 6, 1 / 6, 1 / 6, 1 / 6])
    assert build(MULTILABEL).decode(output[:, :3])["probability"][0].tolist() == pytest.approx([1 / 2, 2 / 3, 1 / 2])
    several = build(SEVERAL)
    assert several.outputs == 7
    assert {name: tuple(value.shape) for name, value in several.decode(outputs(several)).items()} == {
        "r/mean": (B,),
        "c/probability": (B, 5),
        "y/probability": (B, 2),
    }


@every
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened(spec: dict[str, Any], dtype: torch.dtype) -> None:
    task, target = build(spec), targets(spec)
    output = outputs(task, K, dtype=dtype)
    loss = task.loss(output, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, task.loss(output.float(), target))
    for name, value in task.decode(output).items():
        assert value.dtype in (torch.float32, torch.float64)
        torch.testing.assert_close(value, task.decode(output.float())[name])


@every
@pytest.mark.parametrize("scale", [1e4, 1e30])
def test_extreme_outputs_stay_finite(spec: dict[str, Any], scale: float) -> None:
    task, target = build(spec), targets(spec)
    if "regression" in (spec["kind"], *(part["kind"] for part in spec["parts"])) and scale > 1e10:
        pytest.skip("the square of 1e30 is no float32, and says that training went wrong")
    output = outputs(task, K, dtype=torch.float32, scale=scale).requires_grad_()
    loss = task.loss(output, target)
    loss.sum().backward()
    assert output.grad is not None
    assert torch.isfinite(loss).all()
    assert torch.isfinite(output.grad).all()
    assert all(torch.isfinite(value).all() for value in task.decode(output.detach()).values())


def test_both_sides_of_a_binary_probability_keep_their_digits() -> None:
    probability = build(BINARY).decode(torch.tensor([[30.0], [-30.0]]))["probability"].double()
    expected = 1 / (1 + math.exp(30))
    assert probability[0, 0].item() == pytest.approx(expected, rel=1e-6, abs=0)
    assert probability[1, 1].item() == pytest.approx(expected, rel=1e-6, abs=0)


def test_a_number_with_a_large_mean_keeps_its_digits() -> None:
    task = build(REGRESSION | {"mean": 1.7e9, "std": 2.0})
    decoded = task.decode(torch.tensor([[0.25], [0.5]]))["mean"]
    assert decoded.tolist() == [1.7e9 + 0.5, 1.7e9 + 1.0]


@every
def test_mixing_losses_is_mixing_targets(spec: dict[str, Any]) -> None:
    """Mixup needs no soft targets: the mix of both losses has the gradient of the loss of the mixed target."""
    task = build(spec)
    output, one, other, share = outputs(task).requires_grad_(), targets(spec), targets(spec, seed=9), 0.3
    mixed = (share * task.loss(output, one) + (1 - share) * task.loss(output, other)).sum()
    gradient = torch.autograd.grad(mixed, output)[0]
    if spec["kind"] in ("regression", "multilabel"):
        whole = task.loss(output, share * one + (1 - share) * other).sum()
    elif spec["kind"] == "binary":
        whole = naive(spec, output, share * one.double() + (1 - share) * other.double()).sum()
    elif spec["kind"] == "multiclass":
        smooth = spec.get("label_smoothing", 0.0)
        wanted = share * F.one_hot(one, 5) + (1 - share) * F.one_hot(other, 5)
        whole = F.cross_entropy(output, wanted.double(), reduction="sum", label_smoothing=smooth)
    else:
        return
    torch.testing.assert_close(gradient, torch.autograd.grad(whole, output)[0])


@every
def test_targets_of_any_number_type(spec: dict[str, Any]) -> None:
    task = build(spec)
    output, target = outputs(task, dtype=torch.float32), targets(spec)
    for dtype in (torch.float64, torch.int32) if spec["kind"] in ("binary", "multiclass") else (torch.float64,):
        torch.testing.assert_close(task.loss(output, target.to(dtype)), task.loss(output, target))


def test_scores_and_which_way_is_better() -> None:
    assert [(build(spec).score, build(spec).maximise) for spec in (BINARY, MULTICLASS, MULTILABEL, REGRESSION, SEVERAL)] == [
        ("log_loss", False),
        ("log_loss", False),
        ("log_loss", False),
        ("root_mean_squared_error", False),
        ("mean_score", True),
    ]
    for spec in (BINARY, MULTICLASS, MULTILABEL, REGRESSION):
        for score, maximise in SCORES[spec["kind"]].items():  # type: ignore[index]
            task = build(spec | {"score": score})
            assert (task.score, task.maximise) == (score, maximise)
    for score, maximise in {"r/root_mean_squared_error": False, "c/accuracy": True, "y/log_loss": False}.items():
        task = build(SEVERAL | {"score": score})
        assert (task.score, task.maximise) == (score, maximise)


def test_wrong_specifications() -> None:
    with pytest.raises(SettingError, match=r"the score of binary is one of log_loss, .*; 'log_los' was given; did you mean 'log_loss'"):
        build(BINARY | {"score": "log_los"})
    with pytest.raises(SettingError, match="the score of several is one of mean_score, r/"):
        build(SEVERAL | {"score": "accuracy"})
    with pytest.raises(SettingError, match=r"label_smoothing has no effect on regression"):
        build(REGRESSION | {"label_smoothing": 0.1})
    with pytest.raises(SettingError, match=r"label_smoothing has no effect on several"):
        build(SEVERAL | {"parts": [REGRESSION], "label_smoothing": 0.1})
    with pytest.raises(SettingError, match="a target is one of"):
        build(BINARY | {"kind": "ordinal"})
    with pytest.raises(AssertionError, match="sample weights"):
        build(BINARY | {"class_weights": [1.0, 2.0]})
    with pytest.raises(SettingError, match="roc_auc_ovr"):
        build(MULTICLASS | {"classes": list(range(200)), "score": "roc_auc_ovr"})
