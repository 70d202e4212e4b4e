"""Reading a file so that it can be edited: positions, encodings, statements put in and taken away, several edits at once."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from written import Written

from goodfit.doctor.source import Change, Edit, Source, changed, combined, together
from goodfit.doctor.source_calls import set_rate
from goodfit.doctor.source_loops import insert_zero_grad
from goodfit.doctor.source_losses import replace_loss

LOOP = """import torch
opt = torch.optim.SGD(model.parameters(), lr=0.1)  # the rate
for x, y in data:
\tloss = f(model(x), y)  # what äöü → does
\tloss.backward()
\topt.step()
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_all_but_the_change_stays_byte_for_byte(tmp_path: Path, encoding: str, newline: str) -> None:
    text = LOOP.replace("→ ", "") if encoding == "latin-1" else LOOP
    head = "# -*- coding: latin-1 -*-\n" if encoding == "latin-1" else ""
    before = (head + text).replace("\n", newline).encode(encoding)
    written = Written(tmp_path, before)
    offset = 1 if head else 0
    edit = insert_zero_grad(written.at("opt.step"), written.at("loss.backward"))
    assert edit is not None
    content, left = combined(written.file, [edit])
    added = f"\topt.zero_grad(){newline}".encode()
    assert left == []
    assert content.replace(added, b"", 1) == before
    assert content.index(added) == before.index(b"\tloss.backward")
    assert (edit.line, edit.before, edit.after) == (5 + offset, "", "\topt.zero_grad()")


def test_names_behind_letters_of_several_bytes_are_found(tmp_path: Path) -> None:
    written = Written(tmp_path, 'import torch\ntitle = "Größe →"; opt = torch.optim.SGD(p, lr=0.1)  # Maß\n')
    assert written.lines(set_rate(written.at("SGD"), "SGD", 1e-3)) == (
        'title = "Größe →"; opt = torch.optim.SGD(p, lr=0.1)  # Maß', 'title = "Größe →"; opt = torch.optim.SGD(p, lr=0.001)  # Maß',
    )  # fmt: skip


def test_a_diff_shows_the_change_with_what_is_around(tmp_path: Path) -> None:
    written = Written(tmp_path, LOOP)
    edit = set_rate(written.at("SGD"), "SGD", 0.01)
    assert edit is not None
    assert edit.diff.split("\n") == [
        "--- train.py", "+++ train.py", "@@ -1,4 +1,4 @@", " import torch", "-opt = torch.optim.SGD(model.parameters(), lr=0.1)  # the rate",
        "+opt = torch.optim.SGD(model.parameters(), lr=0.01)  # the rate", " for x, y in data:", " \tloss = f(model(x), y)  # what äöü → does",
    ]  # fmt: skip
    assert Edit.from_json(edit.to_json()) == edit


def test_several_edits_are_made_together_and_those_that_meet_are_left(tmp_path: Path) -> None:
    written = Written(tmp_path, "from torch.nn import MSELoss\nfrom torch.optim import SGD\nc = MSELoss()\no = SGD(p, 0.1)\nfor x, y in d:\n    l = c(m(x), y)\n    l.backward()\n    o.step()\n")  # fmt: skip
    loss = replace_loss(written.at("c(m(x)"), "mse_loss", "cross_entropy")
    zero = insert_zero_grad(written.at("o.step"), written.at("l.backward"))
    rate, again = set_rate(written.at("o = SGD"), "SGD", 0.5), set_rate(written.at("o = SGD"), "SGD", 0.7)
    assert loss is not None
    assert zero is not None
    assert rate is not None
    assert again is not None
    content, left = combined(written.file, [loss, zero, rate, again])
    assert left == [again]
    assert content.decode() == (
        "import torch\nfrom torch.nn import MSELoss\nfrom torch.optim import SGD\nc = torch.nn.CrossEntropyLoss()\no = SGD(p, 0.5)\n"
        "for x, y in d:\n    l = c(m(x), y)\n    o.zero_grad()\n    l.backward()\n    o.step()\n"
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_edit_that_was_told_without_positions_is_made_by_its_diff(tmp_path: Path, newline: str) -> None:
    written = Written(tmp_path, LOOP.replace("\n", newline))
    edits = [set_rate(written.at("SGD"), "SGD", 0.01), insert_zero_grad(written.at("opt.step"), written.at("loss.backward"))]
    told = [replace(edit, changes=()) for edit in edits if edit is not None]
    assert written.after(*told) == written.after(*edits)
    assert "opt.zero_grad()" in written.after(*told)


def test_an_edit_of_another_text_is_left(tmp_path: Path) -> None:
    written = Written(tmp_path, LOOP)
    edit = set_rate(written.at("SGD"), "SGD", 0.01)
    assert edit is not None
    written.path.write_text("# new\n" + LOOP)
    assert combined(written.file, [edit]) == (("# new\n" + LOOP).encode(), [edit])


def test_what_would_be_no_python_is_no_edit(tmp_path: Path) -> None:
    source = Source(Written(tmp_path, LOOP).file)
    assert source.edit([Change(0, 0, "def (")]) is None
    assert source.edit([]) is None
    assert source.edit([Change(0, 6, "import")]) is None, "it changes nothing"
    assert source.edit([Change(0, 6, "import"), Change(3, 8, "x")]) is None, "they touch the same"


@pytest.mark.parametrize("content", [b"def f(:\n", b"\x00\x01", "größe = 1".encode("latin-1"), b"# coding: klingon\nx = 1\n"])
def test_what_is_no_python_is_not_read(tmp_path: Path, content: bytes) -> None:
    assert Source.read(Written(tmp_path, content).file) is None
    assert Source.read(tmp_path / "absent.py") is None


@pytest.mark.parametrize(
    ("text", "fragment", "after"),
    [
        ("if a:\n    f()\n    g()\n", "f()", "if a:\n    g()\n"),
        ("if a:\n    f()\ng()\n", "f()", "g()\n"),
        ("def h():\n    f()\ng()\n", "f()", "def h():\n    pass\ng()\n"),
        ("a(); f(); g()\n", "f()", "a(); g()\n"),
        ("a(); f()  # why\n", "f()", "a()  # why\n"),
        ("f(\n    1,\n)  # why\ng()", "f(", "g()"),
        ("for a in b: f()\ng()\n", "f()", "g()\n"),
        ("if a:\n    f()\nelse:\n    g()\n", "f()", "if a:\n    pass\nelse:\n    g()\n"),
        ("g()\nf()", "f()", "g()\n"),
    ],
)
def test_statements_are_taken_away_with_their_lines(tmp_path: Path, text: str, fragment: str, after: str) -> None:
    source = Source(Written(tmp_path, text).file)
    gone = [node for node in ast.walk(source.tree) if isinstance(node, ast.Expr) and source.code(node).startswith(fragment)]
    assert changed(source.text, source.without(gone)) == after


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("if a:\n    f()  # why\n", "if a:\n    new()\n    f()  # why\n", "if a:\n    f()  # why\n    new()\n"),
        ("a(); f(); b()\n", "a(); new(); f(); b()\n", "a(); f(); new(); b()\n"),
        ("for a in b: f()\n", "for a in b: new(); f()\n", "for a in b: f(); new()\n"),
        ("f(\n 1)", "new()\nf(\n 1)", "f(\n 1)\nnew()"),
        ("if a:\n\tf()\n", "if a:\n\tnew()\n\tf()\n", "if a:\n\tf()\n\tnew()\n"),
    ],
)
def test_statements_are_put_before_and_after(tmp_path: Path, text: str, before: str, after: str) -> None:
    source = Source(Written(tmp_path, text).file)
    node = next(node for node in ast.walk(source.tree) if isinstance(node, ast.Expr) and source.code(node).startswith("f("))
    assert changed(source.text, source.before(node, "new()")) == before
    assert changed(source.text, source.after(node, "new()")) == after


@pytest.mark.parametrize(
    ("imports", "like", "written", "added"),
    [
        ("import torch", "torch.nn.Sigmoid", "torch.nn.ReLU", 0),
        ("import torch.nn as nn", "nn.Sigmoid", "nn.ReLU", 0),
        ("from torch import nn\nimport torch", "nn.Sigmoid", "nn.ReLU", 0),
        ("from torch.nn import Sigmoid", "Sigmoid", "torch.nn.ReLU", 1),
        ("from torch.nn import *", "Sigmoid", "torch.nn.ReLU", 1),
        ("import torch as t", "t.nn.Sigmoid", "t.nn.ReLU", 0),
        ("from torch.nn import Sigmoid, ReLU", "Sigmoid", "ReLU", 0),
        ("import torch\nfrom torch.nn import Sigmoid\ntorch = 3", "Sigmoid", "torch.nn.ReLU", 1),
    ],
)
def test_a_name_is_written_as_the_file_writes_such(tmp_path: Path, imports: str, like: str, written: str, added: int) -> None:
    source = Source(Written(tmp_path, f'"""About."""\nfrom __future__ import annotations\n{imports}\nx = {like}()\n').file)
    call = next(node for node in ast.walk(source.tree) if isinstance(node, ast.Call))
    assert source.qualified(call.func) == "torch.nn.Sigmoid"
    name, changes = source.spelled("torch.nn.ReLU", call.func)
    assert (name, len(changes)) == (written, added)
    if added:
        text = changed(source.text, changes)
        assert text is not None
        assert text.startswith('"""About."""\nfrom __future__ import annotations\nimport torch\n')


def test_no_import_where_there_is_nothing_but_a_docstring(tmp_path: Path) -> None:
    source = Source(Written(tmp_path, '"""About."""').file)
    assert changed(source.text, source.spelled("torch.relu")[1]) == '"""About."""\nimport torch'


PIECES = [
    "a = 1",
    "f(x, y)",
    "if a:\n    b = 2\n    c = '→'",
    "for i in range(3): g(i); h(i)",
    "s = '''ä\n\nö'''",
    "def k(x):\n    return x  # é",
    "# only words",
]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]), st.randoms(use_true_random=False))
def test_positions_are_right_everywhere(tmp_path_factory: pytest.TempPathFactory, pieces: list[str], newline: str, random: object) -> None:
    text = "\n".join(pieces).replace("\n", newline) + newline
    path = tmp_path_factory.mktemp("random") / "train.py"
    path.write_bytes(text.encode())
    source = Source(path)
    assert source.text == text
    for node in ast.walk(source.tree):
        if isinstance(node, ast.expr | ast.stmt):
            assert source.code(node).replace("\r\n", "\n") == ast.get_source_segment(text.replace("\r\n", "\n"), node)
        if isinstance(node, ast.stmt):
            for made in (source.before(node, "new()"), source.after(node, "new()"), source.without([node])):
                edit = source.edit(made)
                if edit is not None:
                    ast.parse(changed(text, edit.changes) or "")
            assert source.edit(source.before(node, "new()")) is not None


def test_several_edits_as_one(tmp_path: Path) -> None:
    written = Written(tmp_path, LOOP)
    rate, zero = set_rate(written.at("SGD"), "SGD", 0.5), insert_zero_grad(written.at("step"))
    both = together([rate, zero])
    assert written.after(both) == written.after(rate, zero)
    assert together([rate, None]) is None
