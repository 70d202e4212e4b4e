"""Edits of the loop, each in several ways of writing one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from written import Written

from goodfit.doctor.program import Place
from goodfit.doctor.source_loops import (
    insert_clipping,
    insert_eval,
    insert_step,
    insert_train,
    insert_zero_grad,
    multiply_epochs,
    order_steps,
    scale_backward,
    shuffle_rows,
)

PLAIN = """import torch
model = Net()
opt = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(10):
    for x, y in data:
        loss = f(model(x), y)
        loss.backward()
        opt.step()
"""
TRAINER = """import torch
class Trainer:
    def __init__(self):
        self.net = Net()
        self.optimizer = torch.optim.Adam(self.net.parameters())
    def backward(self, loss):
        loss.backward()
    def fit(self, epochs):
        for _ in range(epochs):
            for x, y in self.data:
                loss = self.loss_fn(self.net(x), y)
                self.backward(loss)
                self.optimizer.step()
"""
SCALED = """for x, y in data:
    loss = f(model(x), y)
    scaler.scale(loss).backward()
    scaler.step(opt)
    scaler.update()
"""


def test_zeroing_before_backward(tmp_path: Path) -> None:
    written = Written(tmp_path, PLAIN)
    text = written.after(insert_zero_grad(written.at("opt.step"), written.at("backward")))
    assert text == PLAIN.replace("        loss.backward()", "        opt.zero_grad()\n        loss.backward()")


def test_zeroing_of_a_field_below_the_update_where_backward_is_elsewhere(tmp_path: Path) -> None:
    written = Written(tmp_path, TRAINER)
    text = written.after(insert_zero_grad(written.at("optimizer.step"), written.at("        loss.backward()")))
    assert text == TRAINER + "                self.optimizer.zero_grad()\n"


def test_zeroing_with_a_scaler_and_on_one_line(tmp_path: Path) -> None:
    written = Written(tmp_path, SCALED)
    assert written.lines(insert_zero_grad(written.at("scaler.step"), written.at("backward"))) == ("", "    opt.zero_grad()")
    written = Written(tmp_path, "for x, y in d: l = f(m(x), y); l.backward(); o.step()\n")
    assert written.after(insert_zero_grad(written.at("o.step"), written.at("l.backward"))) == (
        "for x, y in d: l = f(m(x), y); o.zero_grad(); l.backward(); o.step()\n"
    )


def test_no_zeroing_where_the_optimiser_has_no_name(tmp_path: Path) -> None:
    written = Written(tmp_path, "for o in (a, b):\n    (o or c).step()\n")
    assert insert_zero_grad(written.at("step"), None) is None
    assert insert_zero_grad(Place(str(tmp_path / "gone.py"), 1), None) is None


def ordered(tmp_path: Path, body: list[str], *, zero: bool = True) -> list[str] | None:
    written = Written(tmp_path, "for x, y in d:\n" + "".join(f"    {line}\n" for line in body))
    edit = order_steps(written.at("backward"), written.at("step()"), written.at("zero_grad") if zero else None)
    return None if edit is None else [line.strip() for line in written.after(edit).splitlines()[1:]]


LOSS, BACK, STEP, ZERO, CLIP = "l = f(m(x), y)", "l.backward()  # gradients", "o.step()", "o.zero_grad()", "clip_grad_norm_(w, 1)"


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ([LOSS, BACK, ZERO, STEP], [LOSS, ZERO, BACK, STEP]),
        ([ZERO, LOSS, STEP, BACK], [ZERO, LOSS, BACK, STEP]),
        ([STEP, LOSS, BACK, ZERO], [LOSS, BACK, STEP, ZERO]),
        ([LOSS, STEP, BACK, CLIP, ZERO], [LOSS, BACK, CLIP, STEP, ZERO]),
        ([LOSS, BACK, CLIP, ZERO, STEP], [LOSS, ZERO, BACK, CLIP, STEP]),
        ([STEP, ZERO, LOSS, BACK], [ZERO, LOSS, BACK, STEP]),
        ([ZERO, STEP, LOSS, BACK], [ZERO, LOSS, BACK, STEP]),
        ([ZERO, LOSS, BACK, STEP], None),
        ([LOSS, BACK, STEP, ZERO], None),
    ],
)
def test_the_three_calls_are_put_in_order(tmp_path: Path, body: list[str], after: list[str] | None) -> None:
    assert ordered(tmp_path, body) == after


def test_order_on_one_line_and_with_backward_inside(tmp_path: Path) -> None:
    written = Written(tmp_path, "for x, y in d:\n    o.zero_grad(); l = f(m(x), y); o.step(); l.backward()\n")
    edit = order_steps(written.at("backward"), written.at("o.step"), written.at("zero_grad"))
    assert written.after(edit) == "for x, y in d:\n    o.zero_grad(); l = f(m(x), y); l.backward(); o.step()\n"
    written = Written(tmp_path, "for x, y in d:\n    o.step()\n    with autocast():\n        l = f(m(x), y)\n        l.backward()\n")
    assert written.after(order_steps(written.at("backward"), written.at("o.step"))) == (
        "for x, y in d:\n    with autocast():\n        l = f(m(x), y)\n        l.backward()\n    o.step()\n"
    )


def test_an_update_is_put_in_where_there_is_none(tmp_path: Path) -> None:
    text = PLAIN.replace("        opt.step()\n", "        torch.nn.utils.clip_grad_norm_(w, 1)\n")
    written = Written(tmp_path, text)
    assert written.after(insert_step(written.at("backward"), written.at("opt ="))) == text + "        opt.step()\n"
    written = Written(tmp_path, "def make():\n    opt = SGD(p)\ndef fit():\n    loss.backward()\n")
    assert insert_step(written.at("backward"), written.at("opt =")) is None, "the name is not known there"


@pytest.mark.parametrize(
    ("text", "forward", "before", "line"),
    [
        (PLAIN, "f(model(x)", "        loss = f(model", "        model.train()"),
        (TRAINER, "self.net(x)", "                loss = self.loss_fn", "                self.net.train()"),
        ("def fit(net, d):\n    for x, y in d:\n        loss = criterion(net(x.view(2, -1).float()), y)\n", "net(x", "        loss =", "        net.train()"),
    ],
)  # fmt: skip
def test_training_mode_at_the_head_of_the_loop(tmp_path: Path, text: str, forward: str, before: str, line: str) -> None:
    written = Written(tmp_path, text)
    step = written.at(".step()") if ".step()" in text else None
    assert written.after(insert_train(written.at(forward), step)) == text.replace(before, f"{line}\n{before}")


def test_evaluation_mode_around_what_evaluates(tmp_path: Path) -> None:
    text = PLAIN + "    with torch.no_grad():\n        for x, y in valid:\n            right = model(x).argmax(1) == y\n    print(epoch)\n"
    written = Written(tmp_path, text)
    edit = insert_eval(written.at("right ="), written.at("model ="))
    assert written.after(edit) == text.replace("    with torch", "    model.eval()\n    with torch").replace(
        "    print(", "    model.train()\n    print("
    )
    text = PLAIN + "out = model(test)\nprint(out)\n"
    written = Written(tmp_path, text)
    assert written.after(insert_eval(written.at("out ="), written.at("model ="))) == text.replace(
        "out = model", "model.eval()\nout = model"
    )


def test_training_mode_is_not_set_twice(tmp_path: Path) -> None:
    text = PLAIN.replace("    for x, y", "    model.train()\n    for x, y") + "    right = model(valid)\n"
    written = Written(tmp_path, text)
    assert written.lines(insert_eval(written.at("right ="), written.at("model ="))) == ("", "    model.eval()")


def test_clipping(tmp_path: Path) -> None:
    written = Written(tmp_path, PLAIN)
    edit = insert_clipping(written.at("opt.step"), 1.0, written.at("f(model"), written.at("model ="))
    assert written.lines(edit) == ("", "        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)")
    written = Written(tmp_path, SCALED)
    assert written.after(insert_clipping(written.at("scaler.step"), 0.5)) == "import torch\n" + SCALED.replace(
        "    scaler.step",
        '    scaler.unscale_(opt)\n    torch.nn.utils.clip_grad_norm_([p for group in opt.param_groups for p in group["params"]], 0.5)\n    scaler.step',
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("for epoch in range(10):", "for epoch in range(50):"),
        ("for epoch in range(1, 11):", "for epoch in range(1, 51):"),
        ("for epoch in tqdm(range(3), desc='x'):", "for epoch in tqdm(range(15), desc='x'):"),
        ("for i in trange(4):", "for i in trange(20):"),
        ("for epoch in range(len(a) + 1):", "for epoch in range(5 * (len(a) + 1)):"),
        ("for epoch in range(n):", "for epoch in range(5 * n):"),
        ("for epoch in range(1, n + 1):", "for epoch in range(1, 5 * n + 1):"),
        ("while epoch < 8:", "while epoch < 40:"),
        ("for fold in range(5):\n  for epoch in range(2):", "for fold in range(5):\n  for epoch in range(10):"),
    ],
)
def test_more_epochs(tmp_path: Path, before: str, after: str) -> None:
    body = "\n    for x in d:\n        o.step()\n"
    written = Written(tmp_path, before + body)
    assert written.after(multiply_epochs(written.at("o.step"), 5, ())) == after + body


@pytest.mark.parametrize(
    ("head", "bound", "after"),
    [
        ("EPOCHS = 10\n", "EPOCHS", "EPOCHS = 50\n"),
        (
            "p.add_argument('-e', '--num-epochs', type=int, default=7)\n",
            "args.num_epochs",
            "p.add_argument('-e', '--num-epochs', type=int, default=35)\n",
        ),
        ("c = {'epochs': 3, 'lr': 1}\n", "c['epochs']", "c = {'epochs': 15, 'lr': 1}\n"),
        ("class C:\n    epochs: int = 3\n", "cfg.epochs", "class C:\n    epochs: int = 15\n"),
    ],
)
def test_more_epochs_where_their_number_is_written(tmp_path: Path, head: str, bound: str, after: str) -> None:
    loop = f"for epoch in range({bound}):\n    o.step()\n"
    written = Written(tmp_path, head + loop)
    assert written.after(multiply_epochs(written.at("o.step"), 5, ())) == after + loop
    if "add_argument" in head:  # a default that is overridden would change nothing
        assert written.after(multiply_epochs(written.at("o.step"), 5, ["--num-epochs=2"])) == head + loop.replace(bound, f"5 * {bound}")


def test_more_epochs_through_a_function(tmp_path: Path) -> None:
    text = "def one(d):\n    for x in d:\n        o.step()\nfor epoch in range(3):\n    one(d)\n"
    written = Written(tmp_path, text)
    assert written.after(multiply_epochs(written.at("o.step"), 4, ())) == text.replace("range(3)", "range(12)")
    assert written.after(multiply_epochs(written.at("o.step"), 0.4, ())) == text.replace("range(3)", "range(1)")
    written = Written(tmp_path, "def fit(n, epochs=3):\n    for e in range(epochs):\n        o.step()\nfit(1)\nfit(2, 7)\n")
    assert written.lines(multiply_epochs(written.at("o.step"), 4, ()))[1] == "    for e in range(4 * epochs):"
    assert written.lines(multiply_epochs(written.at("o.step"), 0.25, ()))[1] == "    for e in range(max(1, round(0.25 * epochs))):"


def test_rows_are_shuffled_once_before_the_loop(tmp_path: Path) -> None:
    text = "import torch\ndef fit(X, y):\n    for epoch in range(9):\n        for i in range(0, len(X), 32):\n            xb, yb = X[i:i+32], y[i:i+32]\n            o.step()\n"
    written = Written(tmp_path, text)
    assert written.after(shuffle_rows(written.at("o.step"))) == text.replace(
        "    for epoch", "    order = torch.randperm(len(X))\n    X, y = X[order], y[order]\n    for epoch"
    )
    assert shuffle_rows(Written(tmp_path, PLAIN).at("opt.step")) is None


def test_the_loss_is_scaled_where_its_gradients_are_computed(tmp_path: Path) -> None:
    written = Written(tmp_path, "l.backward()\n(a + b).backward()\nf(m(x)).backward(retain_graph=True)\n")
    for before, after in (
        ("l.backward()", "(l / 32).backward()"),
        ("(a + b).backward()", "(((a + b) / 32)).backward()"),
        ("f(m(x)).backward(retain_graph=True)", "(f(m(x)) / 32).backward(retain_graph=True)"),
    ):
        assert written.lines(scale_backward(written.at(before), "({} / 32)")) == (before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("for b in torch.arange(n).split(9):", "for b in torch.randperm(n).split(9):"),
        ("for b in np.array_split(np.arange(n), 9):", "for b in np.array_split(np.random.permutation(n), 9):"),
    ],
)
def test_rows_taken_in_their_order(tmp_path: Path, before: str, after: str) -> None:
    text = "import numpy as np\nimport torch\nfor epoch in range(3):\n    {}\n        f(X[b], y[b]).backward()\n        opt.step()\n"
    written = Written(tmp_path, text.format(before))
    assert written.after(shuffle_rows(written.at("opt.step"))) == text.format(after)


@pytest.mark.parametrize(
    ("made", "loop", "mixed"),
    [
        ("X = y = 1", "zip(X.split(9), y.split(9))", "order = torch.randperm(len(X))\nX, y = X[order], y[order]\n"),
        ("X = y = 1", "batches(X, y, size)", "order = torch.randperm(len(X))\nX, y = X[order], y[order]\n"),
        ("rows = [f(k) for k in g]", "batches(rows)", "order = torch.randperm(len(rows)).tolist()\nrows = [rows[i] for i in order]\n"),
        ("rows = load()", "batches(rows)", None),
    ],
)
def test_rows_cut_into_batches(tmp_path: Path, made: str, loop: str, mixed: str | None) -> None:
    text = f"import torch\n{made}\ndef batches(*given):\n    yield given\n{{}}for epoch in range(3):\n    for a, b in {loop}:\n        opt.step()\n"
    written = Written(tmp_path, text.format(""))
    edit = shuffle_rows(written.at("opt.step"))
    assert (None if edit is None else written.after(edit)) == (None if mixed is None else text.format(mixed))


def test_a_step_below_the_loop_over_batches_goes_into_it(tmp_path: Path) -> None:
    text = "def epoch():\n    for b in d:\n        l = f(b)\n        l.backward()\n{}    print(l)\n"
    written = Written(tmp_path, text.format("    o.step()\n"))
    edit = order_steps(written.at("backward"), written.at("step"))
    assert written.after(edit) == text.format("        o.step()\n")


@pytest.mark.parametrize(
    ("head", "call", "name"),
    [
        ("def fit(net, o):", "fit(model, opt)", "o"),
        ("def fit(net, o=None):", "fit(model, o=opt)", "o"),
        ("def fit(net, o):\n    o.zero_grad()", "run(fit)", "o"),
        ("def fit(net, o):", "run(fit)", None),
    ],
)
def test_a_step_where_the_optimiser_has_another_name(tmp_path: Path, head: str, call: str, name: str | None) -> None:
    text = f"{head}\n    loss = f(net)\n    loss.backward()\n{{}}def main():\n    opt = torch.optim.SGD(p)\n    {call}\n"
    written = Written(tmp_path, text.format(""))
    zero = written.at("zero_grad") if "zero_grad" in head else None
    edit = insert_step(written.at("backward"), written.at("SGD"), zero)
    assert (None if edit is None else written.after(edit)) == (None if name is None else text.format(f"    {name}.step()\n"))
