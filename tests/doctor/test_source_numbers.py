"""Edits that keep numbers from being lost: what comes out is run where the old one loses them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from goodfit.doctor.program import Place
from goodfit.doctor.source import Edit
from goodfit.doctor.source_numbers import fill_inputs, guard

HEAD = "import torch\nfrom torch import nn\nx = torch.tensor([0.0, 1.0])\n"


def place(folder: Path, text: str, line: int = 4) -> Place:
    file = folder / "train.py"
    file.write_text(text)
    return Place(str(file), line)


def after(text: str, edit: Edit) -> dict[str, object]:
    for change in sorted(edit.changes, key=lambda change: -change.start):
        text = text[: change.start] + change.text + text[change.end :]
    names: dict[str, object] = {}
    exec(text, names)
    return names


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("log", "torch.log(x)"),
        ("log", "(1 - x).log() * x + torch.log(x)"),
        ("div", "x / x"),
        ("sqrt", "1 / torch.sqrt(x)"),
        ("exp", "(200 * x).exp()"),
    ],
)
def test_what_goes_in_is_kept_where_there_is_a_value(tmp_path: Path, name: str, code: str) -> None:
    text = f"{HEAD}y = {code}\n"
    edit = guard(place(tmp_path, text), name)
    assert edit is not None
    y = after(text, edit)["y"]
    assert isinstance(y, torch.Tensor)
    assert bool(torch.isfinite(y).all())


def test_what_is_not_certain_is_left_alone(tmp_path: Path) -> None:
    assert guard(place(tmp_path, HEAD + "y = x / x.sum() / x\n"), "div") is None
    assert guard(place(tmp_path, HEAD + "y = x / x\n"), "log") is None
    assert guard(place(tmp_path, HEAD + "y = x / 3\n"), "div") is None


@pytest.mark.parametrize("means", [[0.5], [0.5, -2.0]])
def test_gaps_are_filled_in_every_call(tmp_path: Path, means: list[float]) -> None:
    text = HEAD + "net = nn.Identity()\ny = net(x.new_tensor([[float('nan'), 3.0], [1.0, float('inf')]]))\n"
    edit = fill_inputs(place(tmp_path, text), means)
    assert edit is not None
    assert after(text, edit)["y"].tolist() == [[0.5, 3.0], [1.0, means[-1]]]  # type: ignore[attr-defined]
    assert fill_inputs(place(tmp_path, text), [0.0] * 1000) is None
