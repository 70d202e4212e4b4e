"""Edits of the wiring: which weights the optimiser has, where the graph is cut."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from written import Written

from goodfit.doctor.source_wiring import add_parameters, allow_gradients, join_graph, make_later

HEAD = "import torch\nfrom torch import nn\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "o = SGD(m.parameters(), lr=1)\nc = 3\nm.fc = nn.Linear(1, 2)\n",
            "c = 3\nm.fc = nn.Linear(1, 2)\no = SGD(m.parameters(), lr=1)\n",
        ),
        ("o = SGD(m.parameters(), lr=1)  # why\nm = Net()\n", "m = Net()\no = SGD(m.parameters(), lr=1)  # why\n"),
        (
            "o = SGD(m.parameters(), lr=1)\ns = StepLR(o, 3)\nm.l[2] = nn.Linear(1, 2)\n",
            "m.l[2] = nn.Linear(1, 2)\no = SGD(m.parameters(), lr=1)\ns = StepLR(o, 3)\n",
        ),
        (
            "o = SGD(m.parameters(), lr=1)\nfit(m, o)\nm.fc = nn.Linear(1, 2)\nfit(m, o)\n",
            "o = SGD(m.parameters(), lr=1)\nfit(m, o)\nm.fc = nn.Linear(1, 2)\no = SGD(m.parameters(), lr=1)\nfit(m, o)\n",
        ),
    ],
)
def test_the_optimiser_is_made_after_the_network(tmp_path: Path, before: str, after: str) -> None:
    written = Written(tmp_path, HEAD + before)
    assert written.after(make_later(written.at("SGD"), "SGD")) == HEAD + after


@pytest.mark.parametrize("below", ["m.fc.bias.data = torch.zeros(1)", "m.training = True", "other.fc = nn.Linear(1, 2)", "x = m(y)"])
def test_an_optimiser_that_is_made_late_enough_stays(tmp_path: Path, below: str) -> None:
    written = Written(tmp_path, HEAD + f"o = SGD(m.parameters(), lr=1)\n{below}\n")
    assert make_later(written.at("SGD"), "SGD") is None


def test_parts_that_the_optimiser_does_not_have(tmp_path: Path) -> None:
    written = Written(tmp_path, HEAD + "def f(m):\n    opt = Adam([{'params': m.a.parameters()}])\n    return opt\n")
    assert written.lines(add_parameters(written.at("Adam"), "Adam", ["m.b", "m.c[0]"])) == (
        "", '    opt.add_param_group({"params": m.b.parameters()})\n    opt.add_param_group({"params": m.c[0].parameters()})',
    )  # fmt: skip
    assert add_parameters(written.at("Adam"), "Adam", []) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [("h = f(x).detach()", "h = f(x)"), ("h = g(h.data, 1)", "h = g(h, 1)"), ("a = b.detach() + c.detach()", None), ("a = b", None)],
)
def test_a_cut_is_joined(tmp_path: Path, before: str, after: str | None) -> None:
    written = Written(tmp_path, HEAD + before + "\n")
    edit = join_graph(written.at(before))
    assert edit is None if after is None else written.after(edit) == HEAD + after + "\n"


def test_gradients_are_let_through(tmp_path: Path) -> None:
    method = "class Net(nn.Module):\n    {}def encode(self, x):\n        return x\n    @torch.no_grad()\n    def predict(self, x):\n        return x\n"
    written = Written(tmp_path, HEAD + method.format("@torch.no_grad()\n    "))
    assert written.after(allow_gradients(written.file, ["Net"])) == HEAD + method.format("")
    written = Written(tmp_path, HEAD + "with torch.no_grad():\n    z = f(x)\nwith torch.no_grad():\n    y = g(z)\n")
    assert written.lines(allow_gradients(written.file, [], written.at("f(x)"))) == ("with torch.no_grad():", "with torch.enable_grad():")
    assert allow_gradients(written.file, ["Net"]) is None
