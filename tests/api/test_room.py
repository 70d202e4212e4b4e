"""Networks too large for the machine are refused where the user set a size, and nothing is asked where nobody did."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from goodfit.api import room
from goodfit.api.plan import resolve
from goodfit.api.room import refuse_without_room
from goodfit.base.errors import SettingError
from goodfit.base.recipe import Recipe
from goodfit.data.encoder import Encoder
from goodfit.data.read import read
from goodfit.data.target import detect

GIB = 1 << 30


def asked(*sets: str, second: Recipe | None = None) -> None:
    request = Recipe.build(None, ["data.target=y", *sets])
    request = request if second is None else request.with_second(second)
    generator = np.random.default_rng(0)
    data = read({"x": generator.normal(size=80), "c": list("abcd") * 20, "y": generator.normal(size=80)}, settings=request.data)
    target = detect(data, request.data)
    encoder = Encoder.fit(data, data.schema, target, np.arange(80), request.data, 0)
    name = request.model.name or "tabm"
    recipe = resolve(request, encoder.inputs, name=name, rows=80, outputs=1, members=1, target=target)
    refuse_without_room(request, recipe, encoder, 1, torch.device("cpu"))


def test_a_huge_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_memory", lambda device: 8 * GIB)
    with pytest.raises(SettingError, match=r"'mlp' with model.width=16384, model.depth=30, .* and 8.0 GiB are free; set model.width="):
        asked("model.name=mlp", "model.width=16384", "model.depth=30")
    with pytest.raises(SettingError, match=r"train\.batch_size=1048576"):
        asked("train.batch_size=1048576")
    asked("model.name=mlp", "model.width=256")
    asked("model.name=mlp", "model.width=8192", "model.depth=5")
    with pytest.raises(SettingError, match=r"and 2\.0 GiB are free"):  # for each of four
        asked("model.name=mlp", "model.width=8192", "model.depth=5", "train.workers=4")
    asked("train.batch_size=1048576", "train.accumulate=4096")


def test_the_second_network_is_asked_about_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_memory", lambda device: 8 * GIB)
    second = Recipe.build(None, ["model.name=mlp", "model.width=16384", "model.depth=30"])
    with pytest.raises(SettingError, match=r"'mlp' with model\.width=16384"):
        asked("model.name=tabm", second=second)


def test_nothing_is_asked_where_no_size_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_memory", lambda device: 0)
    asked("optim.lr=0.1", "model.name=mlp")
    with pytest.raises(SettingError, match=r"0\.0 GiB are free"):
        asked("model.name=mlp", "model.depth=1")
