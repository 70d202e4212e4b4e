"""Edits that blank columns of what goes into a network."""

from __future__ import annotations

import runpy
from pathlib import Path

import torch
from tests.doctor.written import Written

from goodfit.doctor.source_data import blank_columns, train_on_most

TEXT = """
import torch

class Holder:
    def __init__(self):
        self.model = torch.nn.Linear(4, 2)

holder = Holder()
x = torch.randn(5, 4)
answer = holder.model(x)
"""


def test_columns_are_blanked_in_every_call(tmp_path: Path) -> None:
    written = Written(tmp_path, TEXT)
    edited = tmp_path / "edited.py"
    edited.write_text(written.after(blank_columns(written.at("Linear"), [1, 3])))
    found = runpy.run_path(str(edited))
    blank = found["x"].clone()
    blank[:, [1, 3]] = 0
    expected = blank @ found["holder"].model.weight.T + found["holder"].model.bias
    assert torch.allclose(found["answer"], expected, atol=1e-6)


def test_a_network_without_a_name_is_left_alone(tmp_path: Path) -> None:
    written = Written(tmp_path, "import torch\ntrain(torch.nn.Linear(4, 2))\n")
    assert blank_columns(written.at("Linear"), [1]) is None


def test_a_larger_share_to_train_on(tmp_path: Path) -> None:
    written = Written(
        tmp_path, "from sklearn.model_selection import train_test_split\na, b = train_test_split(x, train_size=50, random_state=0)\n"
    )
    assert written.lines(train_on_most(written.at("train_size")))[1] == "a, b = train_test_split(x, train_size=0.75, random_state=0)"
    written = Written(tmp_path, "a, b = train_test_split(x, test_size=0.97)\n")
    assert written.lines(train_on_most(written.at("test_size")))[1] == "a, b = train_test_split(x, test_size=0.25)"
    written = Written(tmp_path, "a, b = train_test_split(x, train_size=n)\n")
    assert train_on_most(written.at("train_size")) is None
