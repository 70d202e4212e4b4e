"""Edits of the blocks that a network repeats, and of recurrent and attending layers, wherever in the file they are made."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from goodfit.doctor.source import Change, Edit, Source, dotted
from goodfit.doctor.source_calls import added, argument, bracketed, named
from goodfit.doctor.source_networks import class_of, forward_of

RECURRENT = ("RNN", "LSTM", "GRU")  # their signature is *args: torch names no positions


def add_shortcut(file: str, block: str, parts: int = 1) -> Edit | None:
    """`return f(x)` -> `return x + f(x)` (or `x + f(x) / parts`) in the forward of a class of the file, with x as it came in. None unless forward takes one tensor and returns once."""
    source = Source.read(file)
    holder = None if source is None else class_of(source, block)
    forward = None if holder is None else forward_of(holder)
    if source is None or forward is None:
        return None
    given = forward.args
    inside = [node for node in ast.walk(forward) if node is not forward]
    returns = [node for node in inside if isinstance(node, ast.Return) and source.function_of(node) is forward]
    if len(given.args) != 2 or given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg or len(returns) != 1:
        return None
    value, name = returns[0].value, given.args[1].arg
    if value is None or isinstance(value, ast.Tuple):
        return None
    made = bracketed(source, value) + (f" / {parts}" if parts > 1 else "")
    changes = [Change(*source.span(value), f"{name} + {made}")]
    if any(isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store) for node in inside):
        first = next((one for one in forward.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))), None)
        if first is None or any(isinstance(node, ast.Name) and node.id == "shortcut" for node in inside):
            return None
        start = source.span(first)[0]
        indent = source.text[source.line_start(start) : start]
        if indent.strip():
            return None  # the whole of forward stands in one line
        changes = [
            Change(start, start, f"shortcut = {name}{source.newline}{indent}"),
            Change(*source.span(value), f"shortcut + {made}"),
        ]
    return source.edit(changes)


def add_loop_shortcuts(file: str, owner: str) -> Edit | None:
    """`for layer in self.layers: x = relu(layer(x))` -> `x = x + relu(layer(x))` in the forward of a class of the file. None where it has no such loop, or several."""
    source = Source.read(file)
    holder = None if source is None else class_of(source, owner)
    forward = None if holder is None else forward_of(holder)
    if source is None or forward is None:
        return None
    changes: list[Change] = []
    for loop in ast.walk(forward):
        if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Name):
            continue
        for statement in loop.body:
            if (
                not isinstance(statement, ast.Assign)
                or len(statement.targets) != 1
                or not isinstance(target := statement.targets[0], ast.Name)
            ):
                continue
            called = [
                node
                for node in ast.walk(statement.value)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == loop.target.id and len(node.args) == 1
            ]
            if len(called) == 1 and isinstance(given := called[0].args[0], ast.Name) and given.id == target.id:
                changes.append(Change(*source.span(statement.value), f"{target.id} + {bracketed(source, statement.value)}"))
    return source.edit(changes) if len(changes) == 1 else None


def use_unused(file: str, owner: str) -> Edit | None:
    """The one name of a forward that is never read, in place of the other that is read in its stead: `torch.cat([b, b])` -> `torch.cat([a, b])`, and
    `f(x), g(x)` -> `f(x), g(y)`. None where it is not plain which."""
    source = Source.read(file)
    holder = None if source is None else class_of(source, owner)
    forward = None if holder is None else forward_of(holder)
    if source is None or forward is None:
        return None
    names = [node for node in ast.walk(forward) if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    arguments = [one.arg for one in forward.args.args[1:]]
    local = dict.fromkeys(node.id for node in names if isinstance(node.ctx, ast.Store))
    unread = [name for name in [*local, *arguments] if name not in read and name != "_"]
    if len(unread) != 1:
        return None
    twice: list[ast.Name] = []
    for node in ast.walk(forward):
        if isinstance(node, ast.List | ast.Tuple) and all(isinstance(one, ast.Name) for one in node.elts):
            given = [one for one in node.elts if isinstance(one, ast.Name)]
            known = [*local, *arguments]
            again = [one for one in given if sum(one.id == other.id for other in given) == 2]
            if again and all(one.id in known for one in again):
                # The earlier name first, as it is mostly written.
                twice.append(again[0] if known.index(unread[0]) < known.index(again[0].id) else again[1])
    if not twice and unread[0] in arguments:
        fed = [
            node.args[0]
            for node in ast.walk(forward)
            if isinstance(node, ast.Call)
            and dotted(node.func).startswith("self.")
            and len(node.args) == 1
            and isinstance(node.args[0], ast.Name)
        ]
        fed = sorted((one for one in fed if isinstance(one, ast.Name) and one.id in arguments), key=source.span)
        if len(fed) == 2 and fed[0].id == fed[1].id:
            twice = [fed[0] if arguments.index(unread[0]) < arguments.index(fed[0].id) else fed[1]]
    return source.edit([Change(*source.span(twice[0]), unread[0])]) if len(twice) == 1 else None


def set_batch_first(file: str, kinds: Sequence[str], value: bool) -> Edit | None:
    """`batch_first` of every layer of these kinds that the file makes: `nn.LSTM(8, 16)` -> `nn.LSTM(8, 16, batch_first=True)`. None where there is none, or one may be given it by position."""
    source = Source.read(file)
    if source is None:
        return None
    changes: list[Change] = []
    for node in ast.walk(source.tree):
        kind = next((kind for kind in kinds if isinstance(node, ast.Call) and named(source, node, (f"torch.nn.{kind}",))), None)
        if kind is None or not isinstance(node, ast.Call):
            continue
        made = _batch_first(source, node, kind, str(value))
        if made is None:
            return None
        changes += made
    return source.edit(changes) if changes else None


def _batch_first(source: Source, call: ast.Call, kind: str, value: str) -> list[Change] | None:
    if kind not in RECURRENT or any(word.arg == "batch_first" for word in call.keywords):
        return argument(source, call, f"torch.nn.{kind}", "batch_first", value)
    starred = any(isinstance(given, ast.Starred) for given in call.args) or any(word.arg is None for word in call.keywords)
    return None if starred or len(call.args) > 3 else added(source, call, f"batch_first={value}")
