"""Edits of how a user's own module draws its weights: what comes out is run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from goodfit.doctor.source_initial import draw_usual
from goodfit.doctor.source_networks import remove_initialisation

TEXT = """import torch
from torch import nn


class Dense(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(VALUES)
        self.bias = nn.Parameter(torch.zeros(n_out))


net = Dense(100, 30)
"""


@pytest.mark.parametrize("values", ["torch.randn(n_in, n_out)", "1e-3 * torch.randn((n_in, n_out))", "torch.zeros(n_in, n_out) + 0.5"])
def test_a_matrix_begins_as_torch_would_begin_it(tmp_path: Path, values: str) -> None:
    text = TEXT.replace("VALUES", values)
    file = tmp_path / "train.py"
    file.write_text(text)
    edit = draw_usual(str(file), [("Dense", "weight", 0), ("Dense", "weight", 0)])
    assert edit is not None
    for change in sorted(edit.changes, key=lambda change: -change.start):
        text = text[: change.start] + change.text + text[change.end :]
    names: dict[str, object] = {}
    exec(text, names)
    assert isinstance(names["net"].weight, nn.Parameter)  # type: ignore[attr-defined]
    weight = names["net"].weight.detach()  # type: ignore[attr-defined]
    assert weight.shape == (100, 30)
    assert 0.09 < float(weight.abs().max()) <= 0.1
    assert abs(float(weight.mean())) < 0.01
    assert torch.equal(names["net"].bias, torch.zeros(30))  # type: ignore[attr-defined]


def test_what_a_module_needs_is_not_taken_away(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(TEXT.replace("VALUES", "torch.randn(n_in, n_out)"))
    assert remove_initialisation(str(file)) is None
    assert draw_usual(str(file), [("Dense", "other", 0)]) is None
    file.write_text(TEXT.replace("VALUES", "make(n_in)"))
    assert draw_usual(str(file), [("Dense", "weight", 0)]) is None
