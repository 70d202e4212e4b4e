"""Edits of a call: arguments in every way they can be given, another optimiser, calls taken away and put around."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from written import Written

from goodfit.doctor.source_calls import (
    assigned,
    fit_operand,
    largest_for_round,
    replace_optimizer,
    set_argument,
    set_dimension,
    set_rate,
    set_shuffle,
    threshold_largest,
    unwrap,
    wrap,
)
from goodfit.doctor.source_wiring import register_parameters

TORCH = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nfrom torch import optim\nfrom torch.utils.data import DataLoader\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("o = torch.optim.SGD(p, lr=10)", "o = torch.optim.SGD(p, lr=0.001)"),
        ("o = optim.SGD(p, 10, momentum=0.9)", "o = optim.SGD(p, 0.001, momentum=0.9)"),
        ("o = optim.SGD(p, args.lr)", "o = optim.SGD(p, 0.001)"),
        ("o = optim.SGD(p)", "o = optim.SGD(p, lr=0.001)"),
        ("o = optim.SGD(params=p, momentum=0.9,)", "o = optim.SGD(params=p, momentum=0.9, lr=0.001,)"),
        ("o = optim.SGD((p + q))", "o = optim.SGD((p + q), lr=0.001)"),
        ("o = optim.SGD([{'params': p, 'lr': 3}])", "o = optim.SGD([{'params': p, 'lr': 0.001}])"),
        ("self.o = make(lr=LR)", "self.o = make(lr=0.001)"),
        ("o = optim.SGD(\n    p,  # weights\n)", "o = optim.SGD(\n    p,\n    lr=0.001,  # weights\n)"),
        ("o = optim.SGD(\n    p,\n    momentum=0.9  # much\n)", "o = optim.SGD(\n    p,\n    momentum=0.9,\n    lr=0.001  # much\n)"),
    ],
)
def test_a_rate_in_every_way_it_is_given(tmp_path: Path, before: str, after: str) -> None:
    written = Written(tmp_path, TORCH + before + "\n")
    assert written.after(set_rate(written.at(before.split("\n")[0]), "SGD", 1e-3)) == TORCH + after + "\n"


@pytest.mark.parametrize(
    "code",
    [
        "o = optim.SGD(p, **settings)", "o = optim.SGD(*given)", "o = make(p, 0.1)", "o = mine.SGDish(p, 1)", "a, b = optim.SGD(p, 1), optim.SGD(q, 2)",
        "o = optim.SGD([{'params': p, 'lr': 3}, {'params': q, 'lr': 4}])", "o = optim.SGD([{'params': p, 'lr': 3}, {'params': q}], lr=1)",
    ],
)  # fmt: skip
def test_no_rate_where_it_is_not_sure(tmp_path: Path, code: str) -> None:
    written = Written(tmp_path, TORCH + code + "\n")
    assert set_rate(written.at(code), "SGD", 1e-3) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("d = DataLoader(rows, batch_size=8)", "d = DataLoader(rows, batch_size=8, shuffle=True)"),
        ("d = DataLoader(rows, 8, False)", "d = DataLoader(rows, 8, True)"),
        ("d = torch.utils.data.DataLoader(rows, shuffle = not test)", "d = torch.utils.data.DataLoader(rows, shuffle = True)"),
        ("d = DataLoader(rows, sampler=SequentialSampler(rows))", "d = DataLoader(rows, shuffle=True)"),
        ("for x in DataLoader(rows):\n    pass", "for x in DataLoader(rows, shuffle=True):\n    pass"),
    ],
)
def test_shuffling(tmp_path: Path, before: str, after: str) -> None:
    written = Written(tmp_path, TORCH + before + "\n")
    assert written.after(set_shuffle(written.at("DataLoader(rows"))) == TORCH + after + "\n"


def test_no_shuffling_beside_a_sampler(tmp_path: Path) -> None:
    written = Written(tmp_path, TORCH + "d = DataLoader(rows, sampler=s)\n")
    assert set_shuffle(written.at("sampler=s")) is None


def test_any_argument_by_the_class_alone(tmp_path: Path) -> None:
    written = Written(tmp_path, TORCH + "o = optim.SGD(p, 0.1, 0.9)\n")
    place = written.at("optim.SGD")
    assert written.lines(set_argument(place, "SGD", "momentum", "0.5"))[1] == "o = optim.SGD(p, 0.1, 0.5)"
    assert written.lines(set_argument(place, "torch.optim.SGD", "weight_decay", "0"))[1] == "o = optim.SGD(p, 0.1, 0.9, weight_decay=0)"
    assert set_argument(place, "Adam", "amsgrad", "True") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("o = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)", "o = torch.optim.AdamW(model.parameters(), lr=0.003)"),
        ("o = optim.SGD(params=p, lr=1, weight_decay=wd)", "o = optim.AdamW(p, lr=0.003, weight_decay=wd)"),
        ("o = optim.SGD([\n    *a.parameters(),\n    w,\n], 0.1)", "o = optim.AdamW([\n    *a.parameters(),\n    w,\n], lr=0.003)"),
    ],
)
def test_another_optimiser(tmp_path: Path, before: str, after: str) -> None:
    written = Written(tmp_path, TORCH + before + "\n")
    assert written.after(replace_optimizer(written.at("SGD("), "SGD", "torch.optim.AdamW", 3e-3)) == TORCH + after + "\n"


def test_another_optimiser_where_only_the_class_is_imported(tmp_path: Path) -> None:
    written = Written(tmp_path, "from torch.optim import SGD\no = SGD(p, 1)\n")
    assert written.after(replace_optimizer(written.at("o ="), "SGD", "torch.optim.AdamW", 0.01)) == (
        "import torch\nfrom torch.optim import SGD\no = torch.optim.AdamW(p, lr=0.01)\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("l = f(F.softmax(out, dim=1), y)", "l = f(out, y)"),
        ("out = torch.softmax(model(x), 1)", "out = model(x)"),
        ("out = model(x).softmax(-1)", "out = model(x)"),
        ("out = (a + b).softmax(dim=1) * 2", "out = (a + b) * 2"),
        ("out = F.softmax(a + b, 1) * 2", "out = (a + b) * 2"),
        ("out = F.softmax(a + b, 1)", "out = a + b"),
        ("out = nn.Softmax(dim=1)(net(x))", "out = net(x)"),
        ("out = self.softmax(net(x))", "out = net(x)"),
        ("out = F.softmax(input=out, dim=1)", "out = out"),
    ],
)
def test_a_call_is_taken_away_from_around_its_argument(tmp_path: Path, before: str, after: str) -> None:
    written = Written(tmp_path, TORCH + before + "\n")
    names = ("softmax", "Softmax") if "nn.Softmax" not in before else ()
    if names:
        assert written.lines(unwrap(written.at(before), *names)) == (before, after)
    else:  # two calls: of the class, and of what it made
        assert unwrap(written.at(before), "softmax") is None


def test_two_of_a_kind_are_left(tmp_path: Path) -> None:
    written = Written(tmp_path, TORCH + "o = a.detach() + b.detach()\n")
    assert unwrap(written.at("o ="), "detach") is None


def test_something_done_to_what_a_call_gives(tmp_path: Path) -> None:
    written = Written(tmp_path, TORCH + "loss = f(self.net(x.float()), y)\n")
    assert written.lines(wrap(written.at("loss"), "{}.squeeze(-1)", ["self.net"]))[1] == "loss = f(self.net(x.float()).squeeze(-1), y)"
    assert wrap(written.at("loss"), "{}.squeeze(-1)", ["net"]) is None


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("model = Net().to(device)", "model"), ("self.model: Net = Net()", "self.model"), ("a, b = Net(), Other()", None), ("Net()", None), ("a = b = Net()", None),
    ],
)  # fmt: skip
def test_the_name_that_something_made_is_given(tmp_path: Path, code: str, name: str | None) -> None:
    from goodfit.doctor.source import Source, dotted

    written = Written(tmp_path, code + "\n")
    assert assigned(Source(written.file), written.at("Net()")) == name
    if "Other" in code:
        assert assigned(Source(written.file), written.at("Net()"), lambda call: dotted(call.func) == "Other") == "b"


@pytest.mark.parametrize(
    ("before", "networks", "after"),
    [
        ("o = optim.SGD(model.head.parameters(), lr=1)", (), "o = optim.SGD(model.parameters(), lr=1)"),
        ("o = optim.SGD(self.net.fc[1].parameters(), lr=1)", (), "o = optim.SGD(self.net.parameters(), lr=1)"),
        ("o = optim.SGD(list(model.a.b.parameters()), lr=1)", (), "o = optim.SGD(model.parameters(), lr=1)"),
        ("o = optim.SGD(encoder.parameters(), 1)", ("decoder",), "o = optim.SGD([*encoder.parameters(), *decoder.parameters()], 1)"),
        ("o = optim.SGD([w, b], 1)", ("decoder",), "o = optim.SGD([w, b, *decoder.parameters()], 1)"),
    ],
)
def test_all_weights_go_to_the_optimiser(tmp_path: Path, before: str, networks: tuple[str, ...], after: str) -> None:
    written = Written(tmp_path, TORCH + before + "\n")
    assert written.lines(register_parameters(written.at(before), "SGD", networks)) == (before, after)


@pytest.mark.parametrize("code", ["o = optim.SGD(model.parameters())", "o = optim.SGD(weights)", "o = optim.SGD([{'params': p}])"])
def test_weights_that_are_all_there_or_not_known_are_left(tmp_path: Path, code: str) -> None:
    written = Written(tmp_path, TORCH + code + "\n")
    assert register_parameters(written.at(code), "SGD") is None


@pytest.mark.parametrize(
    ("function", "index", "before", "after"),
    [
        ("eq", 0, "a = ((p > 0.5) == y).float().mean()", "a = (((p > 0.5).squeeze(-1)) == y).float().mean()"),
        ("eq", 1, "a = (p == y + 1).sum()", "a = (p == (y + 1).squeeze(-1)).sum()"),
        ("eq", 0, "a = p.round().eq(y)", "a = p.round().squeeze(-1).eq(y)"),
        ("eq", 1, "a = torch.eq(p, y)", "a = torch.eq(p, y.squeeze(-1))"),
        ("sub", 1, "e = ((p - y) ** 2).mean()", "e = ((p - y.squeeze(-1)) ** 2).mean()"),
        ("mse_loss", 0, "e = F.mse_loss(p, y)", "e = F.mse_loss(p.squeeze(-1), y)"),
        ("sub", 0, "e = ((p - y) ** 2).sum() / ((y - m) ** 2).sum()", None),
        ("eq", 0, "e = p > y", None),
    ],
)
def test_one_side_of_a_comparison(tmp_path: Path, function: str, index: int, before: str, after: str | None) -> None:
    written = Written(tmp_path, TORCH + before + "\n")
    edit = fit_operand(written.at(before), function, index, "{}.squeeze(-1)")
    assert (None if edit is None else written.after(edit)) == (None if after is None else TORCH + after + "\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("p = out.argmax(0)", "p = out.argmax(1)"),
        ("p = torch.argmax(out, dim=0)", "p = torch.argmax(out, dim=1)"),
        ("p = out.argmax()", "p = out.argmax(1)"),
        ("_, p = torch.max(out.data, 0)", "_, p = torch.max(out.data, 1)"),
        ("p = out.argmax(0) + b.argmax(0)", None),
    ],
)
def test_the_largest_along_another_dimension(tmp_path: Path, before: str, after: str | None) -> None:
    written = Written(tmp_path, TORCH + before + "\n")
    edit = set_dimension(written.at(before), 1)
    assert (None if edit is None else written.after(edit)) == (None if after is None else TORCH + after + "\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("p = out.argmax(1)", "p = (out.squeeze(1) > 0).long()"),
        ("p = torch.argmax(m(x), dim=1)", "p = (m(x).squeeze(1) > 0).long()"),
        ("_, p = torch.max(out, 1)", "p = (out.squeeze(1) > 0).long()"),
        ("p = out.max(1)[1]", "p = (out.squeeze(1) > 0).long()"),
        ("p = out.max(dim=1).indices", "p = (out.squeeze(1) > 0).long()"),
        ("p = out.max(1)", None),
    ],
)
def test_a_threshold_for_the_largest_of_one(tmp_path: Path, before: str, after: str | None) -> None:
    written = Written(tmp_path, TORCH + before + "\n")
    edit = threshold_largest(written.at(before), "0", squeeze=True)
    assert (None if edit is None else written.after(edit)) == (None if after is None else TORCH + after + "\n")


def test_the_largest_for_a_rounded_number(tmp_path: Path) -> None:
    written = Written(tmp_path, TORCH + "p = model(x).round()\nq = torch.round(a + b)\n")
    assert written.lines(largest_for_round(written.at("p ="), keep=True))[1] == "p = model(x).argmax(-1, keepdim=True)"
    assert written.lines(largest_for_round(written.at("q ="), keep=False))[1] == "q = (a + b).argmax(-1)"
    assert largest_for_round(written.at("import torch"), keep=False) is None
