"""Losses with a margin: scikit-learn's values, and networks that learn by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import hinge_loss

import goodfit as gf
from goodfit.base.errors import SettingError
from goodfit.tasks.catalogue import build
from goodfit.tasks.margin import hinge, insensitive

BINARY = {"kind": "binary", "names": ["y"], "classes": [0, 1]}
THREE = {"kind": "multiclass", "names": ["y"], "classes": [0, 1, 2]}
NUMBER = {"kind": "regression", "names": ["y"], "classes": None, "mean": 3.0, "std": 2.0}


def test_hinge_is_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    output, target = torch.randn(50, 1, generator=generator), torch.randint(2, (50,), generator=generator)
    assert hinge(output, target).mean().item() == pytest.approx(hinge_loss(target.numpy(), output[:, 0].numpy()), rel=1e-6)
    torch.testing.assert_close(hinge(output, target, squared=True), hinge(output, target).square())


def test_of_several_classes_each_against_the_rest() -> None:
    output = torch.tensor([[2.0, 0.5, -3.0]])
    assert hinge(output, torch.tensor([0])).item() == pytest.approx(0 + 1.5 + 0)
    members = torch.stack([output, -output], 1)  # B K C
    assert hinge(members, torch.tensor([0])).item() == pytest.approx((1.5 + (3 + 0.5 + 4)) / 2)


def test_insensitive_within_its_tube() -> None:
    output, target = torch.tensor([[1.0], [1.05], [2.0]]), torch.ones(3)
    torch.testing.assert_close(insensitive(output, target), torch.tensor([0.0, 0.0, 0.9]))


@pytest.mark.parametrize(("spec", "loss"), [(BINARY, "hinge"), (THREE, "squared_hinge"), (NUMBER, "insensitive")])
def test_all_else_stays(spec: dict[str, object], loss: str) -> None:
    plain, own = build(spec), build(spec | {"loss": loss})
    assert (own.outputs, own.score, own.maximise) == (plain.outputs, plain.score, plain.maximise)
    output = torch.randn(4, own.outputs, requires_grad=True)
    for name, value in plain.decode(output).items():
        torch.testing.assert_close(own.decode(output)[name], value)
    losses = own.loss(output, torch.tensor([0, 1, 1, 0]))
    assert losses.shape == (4,)
    losses.sum().backward()
    assert not torch.allclose(losses, plain.loss(output, torch.tensor([0, 1, 1, 0])))


def test_what_a_loss_is_not_for() -> None:
    with pytest.raises(SettingError, match=r"train\.loss=hinge is for binary and multiclass; the target is regression"):
        build(NUMBER | {"loss": "hinge"})
    with pytest.raises(SettingError, match=r"label_smoothing has no effect with train\.loss=hinge"):
        build(THREE | {"loss": "hinge", "label_smoothing": 0.1})


def test_a_network_learns_by_it(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(400, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(x[:, 0] * x[:, 1] > 0, "same", "other")})
    sets = ("model.name=mlp", "model.width=32", "train.loss=hinge", "train.epochs=15", "optim.lr=0.01", "train.threads=1")
    run = gf.train(frame, "y", preset="fast", sets=sets, out=tmp_path / "run")
    assert run.metrics["accuracy"]["value"] > 0.85
