"""A training that fails: what stays of it, and what the next call says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goodfit.api import train
from goodfit.base.errors import CheckpointError, InputError, SettingError, TrainingError

QUICK: dict[str, Any] = {
    "model__name": "linear",
    "optim__name": "sgd",
    "train__epochs": 3,
    "train__precision": "float32",
    "train__threads": 1,
}


def table() -> dict[str, Any]:
    x = np.random.default_rng(0).normal(size=300)
    return {"x": x, "z": x**3, "y": x * 2}


@pytest.mark.parametrize("members", [1, 2])
def test_a_failed_training_keeps_its_records_and_is_not_resumed(members: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runs" / "run"
    with pytest.raises(TrainingError, match=r"not finite; lower optim\.lr") as caught:
        train(table(), "y", out=folder, optim__lr=100.0, optim__l2=10.0, train__batch_size=2, train__members=members, **QUICK)
    assert caught.value.exit_code == 2
    about = json.loads((folder / "run.json").read_text())
    assert (about["status"], about["error"]) == ("failed", caught.value.message)
    assert (folder / "recipe.yaml").is_file()
    with pytest.raises(CheckpointError, match=r"failed and would fail again: .* not finite; .*; start another in a new folder"):
        train(table(), "y", out=folder, resume=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no unfinished run"):
        train(resume=True)
    with pytest.raises(InputError, match="must be a new folder"):
        train(table(), "y", out=folder, **QUICK)


def test_a_network_without_room_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"'mlp' with model\.width=16384, model\.depth=100, .* of memory, and"):
        train(table(), "y", out=tmp_path / "run", model__name="mlp", model__width=16_384, model__depth=100)
    assert not (tmp_path / "run").exists()
