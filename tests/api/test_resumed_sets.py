"""A run that points or finds objects, interrupted in the middle and resumed, ends in the bits of one that was left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.api.test_boxes import squares
from tests.api.test_pointing import unsorted, write

import goodfit as gf
from goodfit.base.files import read_tensors
from goodfit.base.protocols import Silent

SETS = (
    "model.width=16", "model.heads=2", "model.depth=1", "train.threads=1", "train.epochs=3", "train.batch_size=16", "optim.lr=0.001",
    "train.precision=float32", "train.channels_last=no", "train.checkpoint_every=0",
)  # fmt: skip


class Killed(BaseException):
    pass


class Killer(Silent):
    """Lets so many updates happen."""

    def __init__(self, updates: int) -> None:
        self.left = updates

    def advance(self, amount: float = 1.0, **values: Any) -> None:
        self.left -= bool(amount)
        if self.left == 0:
            raise Killed


@pytest.mark.parametrize("kind", ["pointing", "detection"])
def test_the_same_bits(kind: str, tmp_path: Path) -> None:
    if kind == "pointing":
        source, target, sets = write(tmp_path / "data.jsonl", unsorted(120)), "order", SETS
    else:
        source, target, sets = squares(tmp_path / "data", "all", 60), None, (*SETS, "data.image_size=32")
    whole = gf.train(source, target, sets=sets, out=tmp_path / "whole")
    with pytest.raises(Killed):
        gf.train(source, target, sets=sets, out=tmp_path / "cut", progress=Killer(6))
    assert list((tmp_path / "cut" / "checkpoints").glob("last/*"))
    resumed = gf.train(out=tmp_path / "cut", resume=True)
    assert resumed.about["task"] == kind
    one, other = (read_tensors(run.folder / "model/0/network.safetensors") for run in (whole, resumed))
    assert one.keys() == other.keys()
    assert all(one[name].equal(other[name]) for name in one)
    assert resumed.metrics == whole.metrics
