"""Edits of the loss: where it was made, where it is called, what it is given."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from written import Written

from goodfit.doctor.source_losses import (
    fit_arguments,
    mean_for_sum,
    remove_sign,
    replace_by_hand,
    replace_loss,
    set_loss_argument,
    weaken_penalty,
    weigh_classes,
)

HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("c = nn.MSELoss()\nl = c(m(x), y)", "c = nn.CrossEntropyLoss()\nl = c(m(x), y)"),
        ("c = nn.MSELoss(reduction='sum')\nl = c(m(x), y)", "c = nn.CrossEntropyLoss(reduction='sum')\nl = c(m(x), y)"),
        ("self.c = torch.nn.MSELoss()\nl = self.c(m(x), y)", "self.c = torch.nn.CrossEntropyLoss()\nl = self.c(m(x), y)"),
        ("l = nn.MSELoss()(m(x), y)", "l = nn.CrossEntropyLoss()(m(x), y)"),
        ("l = F.mse_loss(m(x), y)", "l = F.cross_entropy(m(x), y)"),
        ("l = torch.nn.functional.mse_loss(m(x), y)", "l = torch.nn.functional.cross_entropy(m(x), y)"),
        (
            "def t(loss_fn):\n    l = loss_fn(m(x), y)\nt(nn.MSELoss())",
            "def t(loss_fn):\n    l = loss_fn(m(x), y)\nt(nn.CrossEntropyLoss())",
        ),
    ],
)
def test_another_loss(tmp_path: Path, before: str, after: str) -> None:
    written = Written(tmp_path, HEAD + before + "\n")
    for old in ("mse_loss", "MSELoss"):
        assert written.after(replace_loss(written.at("l = "), old, "cross_entropy")) == HEAD + after + "\n"


def test_another_loss_with_its_arguments_fitted(tmp_path: Path) -> None:
    written = Written(tmp_path, HEAD + "c = nn.MSELoss()\nl = c(m(x), y + 0)\n")
    edit = replace_loss(written.at("l ="), "mse_loss", "cross_entropy", target="{}.long()")
    assert written.after(edit) == HEAD + "c = nn.CrossEntropyLoss()\nl = c(m(x), (y + 0).long())\n"


def test_another_loss_where_only_the_function_is_imported(tmp_path: Path) -> None:
    written = Written(tmp_path, "from torch.nn.functional import mse_loss\nl = mse_loss(a, b)\n")
    assert written.after(replace_loss(written.at("l ="), "mse_loss", "l1_loss")) == (
        "import torch\nfrom torch.nn.functional import mse_loss\nl = torch.nn.functional.l1_loss(a, b)\n"
    )


@pytest.mark.parametrize(
    "code", ["l = ((m(x) - y) ** 2).mean()", "l = F.mse_loss(a, b, weight=w)", "a = nn.MSELoss()\nb = nn.MSELoss()\nl = q(m(x), y)"]
)
def test_a_loss_that_is_not_known_is_left(tmp_path: Path, code: str) -> None:
    written = Written(tmp_path, HEAD + code + "\n")
    assert replace_loss(written.at("l = "), "mse_loss", "cross_entropy") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("l = c(model(x), y)", "l = c(model(x).squeeze(-1), y)"),
        ("l = F.mse_loss(out, y)", "l = F.mse_loss(out.squeeze(-1), y)"),
        ("l = F.mse_loss(input=a * 2, target=y)", "l = F.mse_loss(input=(a * 2).squeeze(-1), target=y)"),
        ("l = self.criterion(\n    out,\n    y,\n)", "l = self.criterion(\n    out.squeeze(-1),\n    y,\n)"),
    ],
)
def test_the_output_fitted_to_the_target(tmp_path: Path, before: str, after: str) -> None:
    head = HEAD + "c = nn.MSELoss()\n"
    written = Written(tmp_path, head + before + "\n")
    assert written.after(fit_arguments(written.at("l = "), "mse_loss", output="{}.squeeze(-1)")) == head + after + "\n"


def test_the_target_fitted_to_the_output(tmp_path: Path) -> None:
    written = Written(tmp_path, HEAD + "l = 3 * F.mse_loss(out, y) + F.l1_loss(out, z)\n")
    assert written.lines(fit_arguments(written.at("l ="), "mse_loss", target="{}.unsqueeze(1)"))[1] == (
        "l = 3 * F.mse_loss(out, y.unsqueeze(1)) + F.l1_loss(out, z)"
    )
    assert fit_arguments(written.at("l ="), "cross_entropy", target="{}.long()") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("c = nn.MSELoss(reduction='sum')\nl = c(a, b)", "c = nn.MSELoss(reduction=\"mean\")\nl = c(a, b)"),
        ("c = nn.MSELoss()\nl = c(a, b)", "c = nn.MSELoss(reduction=\"mean\")\nl = c(a, b)"),
        ("l = F.mse_loss(a, b, reduction=how)", "l = F.mse_loss(a, b, reduction=\"mean\")"),
        ("l = nn.MSELoss(None, None, 'sum')(a, b)", "l = nn.MSELoss(None, None, \"mean\")(a, b)"),
    ],
)  # fmt: skip
def test_the_reduction(tmp_path: Path, before: str, after: str) -> None:
    written = Written(tmp_path, HEAD + before + "\n")
    assert written.after(set_loss_argument(written.at("l = "), "mse_loss", "reduction", '"mean"')) == HEAD + after + "\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return -picked.sum()", "return -picked.mean()"),
        ("l = ((out - y) ** 2).sum()", "l = ((out - y) ** 2).mean()"),
        ("l = torch.sum((out - y) ** 2)", "l = torch.mean((out - y) ** 2)"),
        ("l = (w * e.sum(1)).sum()", None),
        ("l = e.sum(1)", None),
        ("l = sum(losses)", None),
        ("l = torch.sum(e, 1)", None),
    ],
)
def test_the_mean_for_a_sum_by_hand(tmp_path: Path, before: str, after: str | None) -> None:
    head = HEAD + "def f(out, y):\n    "
    written = Written(tmp_path, head + before + "\n")
    edit = mean_for_sum(written.at(before))
    assert (None if edit is None else written.after(edit)) == (None if after is None else head + after + "\n")


def test_weights_of_classes(tmp_path: Path) -> None:
    written = Written(tmp_path, HEAD + "c = nn.CrossEntropyLoss()\nl = c(a, b)\n")
    assert written.lines(weigh_classes(written.at("l ="), "cross_entropy", [1, 9.50001]))[1] == (
        "c = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 9.5]))"
    )
    written = Written(tmp_path, "import torch.nn.functional as F\nl = F.cross_entropy(out, b)\n")
    assert written.after(weigh_classes(written.at("l ="), "cross_entropy", [0.5, 2])) == (
        "import torch\nimport torch.nn.functional as F\nl = F.cross_entropy(out, b, weight=torch.tensor([0.5, 2.0], device=out.device))\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "loss = F.mse_loss(m(x), y) + 0.5 * sum((w ** 2).sum() for w in m.parameters())\n",
            "loss = F.mse_loss(m(x), y) + 0.01 * (0.5 * sum((w ** 2).sum() for w in m.parameters()))\n",
        ),
        (
            "l2 = sum(w.pow(2).sum() for w in m.parameters())\nloss = F.mse_loss(m(x), y)\nloss = loss + strength * l2\n",
            "l2 = sum(w.pow(2).sum() for w in m.parameters())\nloss = F.mse_loss(m(x), y)\nloss = loss + 0.01 * (strength * l2)\n",
        ),
        (
            "loss = F.mse_loss(m(x), y)\nfor n, w in m.named_parameters():\n    reg = reg + w.abs().sum()\nloss += reg\n",
            "loss = F.mse_loss(m(x), y)\nfor n, w in m.named_parameters():\n    reg = reg + w.abs().sum()\nloss += 0.01 * reg\n",
        ),
        ("loss = F.mse_loss(m(x), y) + 1\ncount = sum(w.numel() for w in m.parameters())\nprint(count)\n", None),
    ],
)
def test_a_penalty_is_weakened(tmp_path: Path, before: str, after: str | None) -> None:
    written = Written(tmp_path, "import torch.nn.functional as F\n" + before)
    edit = weaken_penalty(written.at("mse_loss"), 0.01)
    assert (edit is None) == (after is None)
    if after is not None:
        assert written.after(edit) == "import torch.nn.functional as F\n" + after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("l = ((m(x) - y) ** 2).mean()", "l = F.cross_entropy(m(x), y.long())"),
        ("l = torch.mean((m(x) - (y + 1)).pow(2))", "l = F.cross_entropy(m(x), (y + 1).long())"),
        ("l = torch.abs(a - b).mean() + w", "l = F.cross_entropy(a, b.long()) + w"),
        ("l = torch.square(a - b).mean()", "l = F.cross_entropy(a, b.long())"),
        ("l = (e ** 2).mean()", None),
        ("l = ((a - b) ** 2).sum()", None),
        ("l = ((a - b) ** 2).mean() + (a - c).abs().mean()", None),
    ],
)
def test_a_loss_that_is_written_out(tmp_path: Path, before: str, after: str | None) -> None:
    written = Written(tmp_path, HEAD + before + "\n")
    edit = replace_by_hand(written.at(before), "cross_entropy", target="{}.long()")
    assert (None if edit is None else written.after(edit)) == (None if after is None else HEAD + after + "\n")


def test_a_loss_that_is_written_out_the_other_way_round(tmp_path: Path) -> None:
    written = Written(tmp_path, HEAD + "l = ((y - m(x)) ** 2).mean()\n")
    edit = replace_by_hand(written.at("l ="), "binary_cross_entropy_with_logits", turned=True)
    assert written.lines(edit)[1] == "l = F.binary_cross_entropy_with_logits(m(x), y)"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("l = -c(m(x), y)", "l = c(m(x), y)"),
        ("(-l).backward()", "(l).backward()"),
        ("l = -a - -b", None),
        ("l = c(x[-1])", None),
        ("l = -(a + b)", None),
    ],
)
def test_a_sign_is_taken_away(tmp_path: Path, before: str, after: str | None) -> None:
    written = Written(tmp_path, HEAD + before + "\n")
    edit = remove_sign(written.at(before))
    assert (None if edit is None else written.after(edit)) == (None if after is None else HEAD + after + "\n")
