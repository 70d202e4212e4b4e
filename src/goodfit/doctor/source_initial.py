"""Edits of the values that a user's own module draws for its weights."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from goodfit.doctor.source import Change, Edit, Source
from goodfit.doctor.source_calls import named
from goodfit.doctor.source_networks import class_of

DRAWN = ("torch.randn", "torch.rand", "torch.zeros", "torch.ones", "torch.empty", "torch.full")


def draw_usual(file: str, weights: Sequence[tuple[str, str, int]]) -> Edit | None:
    """`self.w = nn.Parameter(torch.randn(a, b))` -> `nn.Parameter(torch.empty(a, b).uniform_(-(a ** -0.5), a ** -0.5))`, as torch's own layers begin.

    weights: of each the class of its module, its name there, and the dimension along which its inputs lie. None unless every one is found, with its sizes as arguments.
    """
    source = Source.read(file)
    if source is None:
        return None
    changes: list[Change] = []
    for owner, name, entering in dict.fromkeys(weights):
        made = _drawn(source, owner, name)
        if made is None:
            return None
        whole, sizes = made
        if len(sizes) != 2:
            return None
        inputs = sizes[entering]
        bound = inputs if inputs.isidentifier() or inputs.isdigit() else f"({inputs})"
        empty, imports = source.spelled("torch.empty")
        changes += [Change(*source.span(whole), f"{empty}({', '.join(sizes)}).uniform_(-({bound} ** -0.5), {bound} ** -0.5)"), *imports]
    return source.edit(list(dict.fromkeys(changes)))


def _drawn(source: Source, owner: str, name: str) -> tuple[ast.expr, list[str]] | None:
    """What `self.name` of a class is given as its Parameter's values, and the sizes in it, as written."""
    holder = class_of(source, owner)
    if holder is None:
        return None
    found = [
        node.value
        for node in ast.walk(holder)
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and source.code(node.targets[0]) == f"self.{name}"
    ]
    if len(found) != 1 or not isinstance(found[0], ast.Call) or not named(source, found[0], ("torch.nn.Parameter",)) or not found[0].args:
        return None
    whole = found[0].args[0]
    drawn = [node for node in ast.walk(whole) if isinstance(node, ast.Call) and named(source, node, DRAWN)]
    if len(drawn) != 1:
        return None
    given: Sequence[ast.expr] = drawn[0].args
    if given and isinstance(given[0], ast.Tuple | ast.List):
        given = given[0].elts
    if any(isinstance(one, ast.Starred) for one in given):
        return None
    return whole, [source.code(one) for one in given]
