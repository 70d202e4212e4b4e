"""Edits of a network's definition, of Sequentials and of classes with a forward."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from written import Written

from goodfit.doctor.source_networks import (
    insert_activations,
    register,
    remove_initialisation,
    remove_last_activation,
    replace_activations,
    set_dropout,
    set_outputs,
)
from goodfit.doctor.source_wiring import standardise_inputs, standardise_targets, unfreeze

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
CLASS = HEAD + "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n{}\n    def forward(self, x):\n{}\n"


def net(init: list[str], forward: list[str]) -> str:
    return CLASS.format("\n".join(f"        {line}" for line in init), "\n".join(f"        {line}" for line in forward))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("m = nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=1))", "m = nn.Sequential(nn.Linear(2, 3))"),
        ("m = nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=1),).to(d)", "m = nn.Sequential(nn.Linear(2, 3),).to(d)"),
        ("m = nn.Sequential(\n    nn.Linear(2, 3),\n    nn.Softmax(1),\n)", "m = nn.Sequential(\n    nn.Linear(2, 3),\n)"),
        (
            "m = nn.Sequential(\n    nn.Linear(2, 3),  # out\n    nn.Softmax(1),  # why\n)",
            "m = nn.Sequential(\n    nn.Linear(2, 3),  # out\n)",
        ),
        ("m = nn.Sequential(*[nn.Linear(2, 3), nn.Softmax(1)])", "m = nn.Sequential(*[nn.Linear(2, 3)])"),
        ("l = [nn.Linear(2, 3)]\nl.append(nn.Softmax(1))\nm = nn.Sequential(*l)", "l = [nn.Linear(2, 3)]\nm = nn.Sequential(*l)"),
        ("l = []\nl += [nn.Linear(2, 3), nn.Softmax(1)]\nm = nn.Sequential(*l)", "l = []\nl += [nn.Linear(2, 3)]\nm = nn.Sequential(*l)"),
        (
            "m = nn.Sequential(OrderedDict([('a', nn.Linear(2, 3)), ('b', nn.Softmax(1))]))",
            "m = nn.Sequential(OrderedDict([('a', nn.Linear(2, 3))]))",
        ),
    ],
)
def test_the_last_activation_of_a_sequential(tmp_path: Path, before: str, after: str) -> None:
    written = Written(tmp_path, HEAD + before + "\n")
    assert written.after(remove_last_activation(written.file, "Softmax")) == HEAD + after + "\n"


@pytest.mark.parametrize(
    ("init", "forward", "after_init", "after_forward"),
    [
        (["pass"], ["return F.softmax(self.fc(x), dim=1)"], None, ["return self.fc(x)"]),
        (["pass"], ["x = self.fc(x)", "return torch.softmax(x, 1)"], None, ["x = self.fc(x)", "return x"]),
        (["pass"], ["return self.fc(x).softmax(-1)"], None, ["return self.fc(x)"]),
        (["self.act = nn.Softmax(dim=1)"], ["return self.act(self.fc(x))"], None, ["return self.fc(x)"]),
        (["self.act = nn.Softmax(dim=1)"], ["x = self.fc(x)", "x = self.act(x)", "return x"], None, ["x = self.fc(x)", "return x"]),
        (["pass"], ["out = F.softmax(self.fc(x), 1)", "return out.squeeze(1)"], None, ["out = self.fc(x)", "return out.squeeze(1)"]),
        (["self.net = nn.Sequential(nn.Linear(2, 3), nn.Softmax(1))"], ["return self.net(x)"], ["self.net = nn.Sequential(nn.Linear(2, 3))"], None),
        (["pass"], ["if self.training:", "    return F.softmax(x, 1)", "return nn.Softmax(1)(x)"], None, ["if self.training:", "    return x", "return x"]),
    ],
)  # fmt: skip
def test_the_last_activation_of_forward(
    tmp_path: Path, init: list[str], forward: list[str], after_init: list[str] | None, after_forward: list[str] | None
) -> None:
    written = Written(tmp_path, net(init, forward))
    edit = remove_last_activation(written.file, "Softmax", "Net")
    assert written.after(edit) == net(after_init or init, after_forward or forward)


@pytest.mark.parametrize(
    "text",
    [
        net(["pass"], ["return F.relu(self.fc(x))"]), net(["pass"], ["if a:", "    return x", "return F.softmax(x, 1)"]),
        HEAD + "a = nn.Sequential(nn.Linear(1, 2), nn.Softmax(1))\nb = nn.Sequential(nn.Linear(1, 2), nn.Softmax(1))\n",
        HEAD + "a = nn.Sequential(nn.Softmax(1), nn.Linear(1, 2))\n", net(["pass"], ["return x, F.softmax(x, 1)"]),
    ],
)  # fmt: skip
def test_no_activation_is_removed_where_it_is_not_sure(tmp_path: Path, text: str) -> None:
    assert remove_last_activation(Written(tmp_path, text).file, "Softmax", "Net") is None


def test_activations_are_replaced_everywhere_in_the_class_but_at_its_end(tmp_path: Path) -> None:
    text = net(
        ["self.a = nn.Sequential(nn.Linear(1, 2), nn.Sigmoid(), nn.Linear(2, 2))", "self.s = nn.Sigmoid()"],
        ["x = torch.sigmoid(self.a(x))", "x = F.sigmoid(x) + x.sigmoid()", "x = self.s(x)", "return torch.sigmoid(self.b(x))"],
    )
    written = Written(tmp_path, text + "y = torch.sigmoid(z)\n")
    assert written.after(replace_activations(written.file, "Sigmoid", "ReLU", "Net")) == net(
        ["self.a = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 2))", "self.s = nn.ReLU()"],
        ["x = torch.relu(self.a(x))", "x = F.relu(x) + x.relu()", "x = self.s(x)", "return torch.sigmoid(self.b(x))"],
    ) + "y = torch.sigmoid(z)\n"  # fmt: skip
    assert "return torch.relu(self.b(x))" in written.after(replace_activations(written.file, "Sigmoid", "ReLU", "Net", keep_last=False))


def test_activations_of_a_sequential_are_replaced_but_at_its_end(tmp_path: Path) -> None:
    written = Written(tmp_path, HEAD + "m = nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1), nn.Tanh())\n")
    assert written.lines(replace_activations(written.file, "Tanh", "ReLU"))[1] == (
        "m = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1), nn.Tanh())"
    )


def test_an_activation_that_is_no_function_of_torch_itself(tmp_path: Path) -> None:
    written = Written(tmp_path, net(["pass"], ["x = torch.relu(self.a(x))", "return self.b(x)"]))
    assert written.lines(replace_activations(written.file, "ReLU", "LeakyReLU", "Net"))[1].strip() == "x = F.leaky_relu(self.a(x))"


def test_activations_between_linear_maps(tmp_path: Path) -> None:
    written = Written(tmp_path, HEAD + "m = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 2), nn.Dropout(), nn.Linear(2, 1))\n")
    assert written.lines(insert_activations(written.file))[1] == (
        "m = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 2), nn.Dropout(), nn.Linear(2, 1))"
    )
    text = HEAD + "m = nn.Sequential(\n    nn.Flatten(),\n    nn.Linear(1, 2),  # one\n    nn.Linear(2, 1),\n)\n"
    written = Written(tmp_path, text)
    assert written.after(insert_activations(written.file)) == text.replace(
        "nn.Linear(1, 2),  # one\n", "nn.Linear(1, 2),\n    nn.ReLU(),  # one\n"
    )
    init = ["self.a = nn.Linear(1, 2)", "self.b = nn.Linear(2, 2)", "self.c = nn.Linear(2, 1)"]
    written = Written(tmp_path, net(init, ["x = self.a(x)", "x = self.b(x)", "return self.c(x)"]))
    assert written.after(insert_activations(written.file, "Net")) == net(
        init, ["x = torch.relu(self.a(x))", "x = torch.relu(self.b(x))", "return self.c(x)"]
    )
    written = Written(tmp_path, net(init, ["return self.c(self.b(self.a(x)))"]))
    assert "return self.c(torch.relu(self.b(torch.relu(self.a(x)))))" in written.after(insert_activations(written.file, "Net"))
    written = Written(tmp_path, net(init, ["return self.c(F.relu(self.b(x)))"]))
    assert insert_activations(written.file, "Net") is None


def test_the_number_of_outputs(tmp_path: Path) -> None:
    written = Written(tmp_path, HEAD + "m = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, n), nn.Softmax(1))\n")
    assert written.lines(set_outputs(written.file, 10))[1].endswith("nn.Linear(2, 10), nn.Softmax(1))")
    init = ["self.a = nn.Linear(1, 2)", "self.b = nn.Linear(in_features=2, out_features=2)"]
    written = Written(tmp_path, net(init, ["x = self.a(x)", "return F.relu(self.b(x))"]))
    assert written.lines(set_outputs(written.file, 7, "Net"))[1].strip() == "self.b = nn.Linear(in_features=2, out_features=7)"


def test_dropout(tmp_path: Path) -> None:
    written = Written(tmp_path, net(["self.d = nn.Dropout(p=0.9)", "self.e = nn.Dropout(.9)"], ["return F.dropout(self.d(x), 0.9)"]))
    text = written.after(set_dropout(written.file, 0.1, "Net"))
    assert text == net(["self.d = nn.Dropout(p=0.1)", "self.e = nn.Dropout(0.1)"], ["return F.dropout(self.d(x), 0.1)"])


def test_initial_values_set_by_hand_are_taken_away(tmp_path: Path) -> None:
    text = HEAD + (
        "def init(m):\n    if isinstance(m, nn.Linear):\n        nn.init.constant_(m.weight, 0.5)\n        nn.init.zeros_(m.bias)\nm.apply(init)\n"
        "for p in m.parameters():\n    p.data.fill_(0)\n"
        "with torch.no_grad():\n    m.fc.weight.normal_(0, 10)\n"
        "m.fc.weight.data = torch.zeros(3)\nrunning.fill_(0)\n"
    )
    written = Written(tmp_path, text)
    assert written.after(remove_initialisation(written.file)) == HEAD + (
        "def init(m):\n    if isinstance(m, nn.Linear):\n        nn.init.zeros_(m.bias)\nm.apply(init)\nrunning.fill_(0)\n"
    )
    written = Written(tmp_path, HEAD + "def init(m):\n    nn.init.normal_(m.weight, std=9)\n")
    assert written.after(remove_initialisation(written.file)) == HEAD + "def init(m):\n    pass\n"


def test_layers_in_a_plain_list(tmp_path: Path) -> None:
    lines = ["self.l = [nn.Linear(2, 2) for _ in range(3)]", "self.sizes = [1, 2]", "self.e = []", "self.e.append(nn.Linear(1, 1))"]
    written = Written(tmp_path, net([*lines, "self.d = layers", "self.s = a, b", "self.w = torch.ones(1)"], ["return x"]))
    fields = {"l": "ModuleList", "e": "ModuleList", "d": "ModuleDict", "s": "ModuleList", "w": "Parameter"}
    assert written.after(register(written.file, "Net", fields)) == net(
        [
            "self.l = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])", "self.sizes = [1, 2]", "self.e = nn.ModuleList([])", "self.e.append(nn.Linear(1, 1))",
            "self.d = nn.ModuleDict(layers)", "self.s = nn.ModuleList((a, b))", "self.w = nn.Parameter(torch.ones(1))",
        ],
        ["return x"],
    )  # fmt: skip
    assert register(written.file, "Net", {"other": "ModuleList"}) is None


def test_weights_are_unfrozen(tmp_path: Path) -> None:
    text = (
        "for p in model.parameters():\n    p.requires_grad = False\nmodel.body.requires_grad_(False)\nx.requires_grad = True\n"
        "for n, p in model.named_parameters():\n    if 'head' not in n:\n        p.requires_grad = False\nmodel.fc = Head()\n"
    )
    written = Written(tmp_path, text)
    assert written.after(unfreeze(written.file)) == "x.requires_grad = True\nmodel.fc = Head()\n"


def test_inputs_are_standardised_by_a_layer_before_the_network(tmp_path: Path) -> None:
    text = HEAD + "model = Net()\nfor x in d:\n    model.train()\n    model(x)\n"
    written = Written(tmp_path, text)
    line = "model = nn.Sequential(nn.BatchNorm1d(8, affine=False, momentum=None), model)"
    assert written.lines(standardise_inputs(written.at("Net()"), 8)) == ("", line)
    written = Written(tmp_path, text + "model.special()\n")  # it must stay of its own class
    assert written.lines(standardise_inputs(written.at("Net()"), 3, 4))[1] == (
        "scale = nn.BatchNorm2d(3, affine=False, momentum=None)\n"
        "model.register_forward_pre_hook(lambda module, inputs: (scale.train(module.training)(inputs[0]), *inputs[1:]))"
    )
    written = Written(tmp_path, net(["self.fc = nn.Linear(1, 2)"], ["return x"]))
    assert standardise_inputs(written.at("self.fc ="), 2) is None, "a layer is not the network"


def test_targets_are_standardised_at_the_loss(tmp_path: Path) -> None:
    written = Written(tmp_path, HEAD + "model = Net()\nl = F.mse_loss(model(x), y)\n")
    edit = standardise_targets(written.at("Net()"), written.at("l = F"), "mse_loss", -200.0, 50.0)
    assert written.after(edit) == HEAD + (
        "model = Net()\nmodel.register_forward_hook(lambda module, inputs, output: output * 50 - 200)\n"
        "l = F.mse_loss((model(x) + 200) / 50, (y + 200) / 50)\n"
    )
