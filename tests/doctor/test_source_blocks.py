"""Edits of repeated blocks and of layers that take rows first: what comes out is read again and run, and what cannot be followed is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from goodfit.doctor.source_blocks import add_loop_shortcuts, add_shortcut, set_batch_first, use_unused

HEAD = "import torch\nfrom torch import nn\n\n\n"
BLOCK = (
    HEAD
    + """class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        BODY


net = Block(4)
"""
)


def written(folder: Path, text: str) -> str:
    file = folder / "train.py"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize(
    "body",
    [
        "return torch.relu(self.a(x))",
        "return self.b(x) * 2 if self.training else self.a(x)",
        "x = torch.relu(self.a(x))\n        return self.b(x)",
        '"""Twice."""\n        x = torch.relu(self.a(x))\n        x = self.b(x)\n        return x',
    ],
)
@pytest.mark.parametrize("parts", [1, 5])
def test_what_goes_in_is_added_to_what_comes_out(tmp_path: Path, body: str, parts: int) -> None:
    text = BLOCK.replace("BODY", body)
    edit = add_shortcut(written(tmp_path, text), "Block", parts)
    assert edit is not None
    changed = text
    for change in sorted(edit.changes, key=lambda change: -change.start):
        changed = changed[: change.start] + change.text + changed[change.end :]
    answers = []
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    for source in (text, changed):
        torch.manual_seed(0)
        names: dict[str, object] = {}
        exec(source, names)
        answers.append(names["net"](x))  # type: ignore[operator]
    assert torch.allclose(answers[1], answers[0] / parts + x)


@pytest.mark.parametrize("body", ["return self.a(x), x", "if self.training:\n            return x\n        return self.a(x)", "self.a(x)"])
def test_several_answers_are_left_alone(tmp_path: Path, body: str) -> None:
    assert add_shortcut(written(tmp_path, BLOCK.replace("BODY", body)), "Block") is None
    assert add_shortcut(str(tmp_path / "train.py"), "Other") is None


def test_rows_first_in_every_layer_of_the_kind(tmp_path: Path) -> None:
    file = written(tmp_path, HEAD + "a = nn.LSTM(8, 16)\nb = nn.LSTM(16, 16, 2, batch_first=False)\nc = nn.Linear(3, 4)\n")
    edit = set_batch_first(file, ["LSTM"], True)
    assert edit is not None
    assert edit.after.splitlines() == ["a = nn.LSTM(8, 16, batch_first=True)", "b = nn.LSTM(16, 16, 2, batch_first=True)"]
    assert set_batch_first(file, ["GRU"], True) is None
    assert set_batch_first(written(tmp_path, HEAD + "a = nn.LSTM(8, 16, 1, True, False)\n"), ["LSTM"], True) is None


def test_shortcuts_in_a_loop_over_layers(tmp_path: Path) -> None:
    text = BLOCK.replace("BODY", "for layer in self.layers:\n            x = torch.relu(layer(x))\n        return x")
    edit = add_loop_shortcuts(written(tmp_path, text), "Block")
    assert edit is not None
    assert "x = x + torch.relu(layer(x))" in edit.after
    for other in ("x = torch.relu(layer(y))", "y = torch.relu(layer(x))", "x = self.a(x)"):
        assert add_loop_shortcuts(written(tmp_path, text.replace("x = torch.relu(layer(x))", other)), "Block") is None


def test_a_name_that_is_never_read_in_place_of_one_that_is_read_twice(tmp_path: Path) -> None:
    body = "p = self.a(x)\n        q = self.b(x)\n        return torch.cat([q, q], 1)"
    edit = use_unused(written(tmp_path, BLOCK.replace("BODY", body)), "Block")
    assert edit is not None
    assert "torch.cat([p, q], 1)" in edit.after
    two = BLOCK.replace("forward(self, x)", "forward(self, x, y)").replace("BODY", "return self.a(x) + self.b(x)")
    edit = use_unused(written(tmp_path, two), "Block")
    assert edit is not None
    assert "return self.a(x) + self.b(y)" in edit.after
    assert use_unused(written(tmp_path, two.replace("self.b(x)", "self.b(y)")), "Block") is None
    assert use_unused(written(tmp_path, BLOCK.replace("BODY", "p = self.a(x)\n        return self.b(x)")), "Block") is None
