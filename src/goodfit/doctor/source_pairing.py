"""Where a source puts one of inputs and targets in another order and leaves the other: the pairing that is lost so cannot be seen in the rows themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from goodfit.doctor.program import Program
from goodfit.doctor.source import Edit, Source

ORDERS = frozenset({"randperm", "permutation"})  # draw an order
REORDERS = frozenset(
    {"permutation", "permuted", "roll", "flip", "flipud", "sort", "sorted", "sample", "shuffle", "resample"}
)  # give what they are given in another
IN_PLACE = frozenset({"shuffle", "sort", "reverse"})


@dataclass(frozen=True, slots=True)
class Reordering:
    """One statement that changes the order of one array. edit: the statement taken away, or None."""

    file: str
    line: int
    code: str
    edit: Edit | None


def one_sided(program: Program) -> Reordering | None:
    """The only reordering of a single array in the files that the program's places name; None where there is none, or several, so that it is not clear."""
    files = dict.fromkeys(place.file for place in program.places.values())
    found = [one for file in files if (source := Source.read(file)) is not None for one in _reorderings(source)]
    return found[0] if len(found) == 1 else None


def _reorderings(source: Source) -> Iterator[Reordering]:
    drawn = _drawn(source)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Assign | ast.Expr):
            continue
        if _alone(source, node, drawn):
            yield Reordering(source.file, node.lineno, source.code(node), source.edit(source.without([node])))


def _drawn(source: Source) -> dict[str, int]:
    """Names that were given a drawn order, and how often each is used."""
    names = {
        target.id
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _last(node.value) in ORDERS
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    uses = [node.id for node in ast.walk(source.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names]
    return {name: uses.count(name) for name in names}


def _alone(source: Source, node: ast.Assign | ast.Expr, drawn: dict[str, int]) -> bool:
    """Whether a statement puts one array in another order by itself: `y = y[torch.randperm(n)]`, `y = y[order]` with an order used once, `shuffle(y)`."""
    value = node.value
    if isinstance(node, ast.Expr):
        if not isinstance(value, ast.Call) or _last(value) not in IN_PLACE:
            return False
        method = isinstance(value.func, ast.Attribute) and not value.args and _last(value) in {"sort", "reverse"}
        return method or (len(value.args) == 1 and isinstance(value.args[0], ast.Name | ast.Attribute) and _last(value) == "shuffle")
    if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name | ast.Attribute):
        return False
    if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name | ast.Attribute):
        index = value.slice
        if isinstance(index, ast.Call):
            return _last(index) in ORDERS
        if isinstance(index, ast.Name):
            return drawn.get(index.id, 0) == 1
        turned = isinstance(index, ast.Slice) and index.lower is None and index.upper is None
        return (
            turned
            and isinstance(index, ast.Slice)
            and isinstance(index.step, ast.UnaryOp)
            and source.code(index.step).replace(" ", "") == "-1"
        )
    if isinstance(value, ast.Call) and _last(value) in REORDERS:
        arrays = [arg for arg in value.args if isinstance(arg, ast.Name | ast.Attribute)]
        held = isinstance(value.func, ast.Attribute) and source.code(value.func.value) == source.code(node.targets[0])
        same = arrays and source.code(arrays[0]) == source.code(node.targets[0])
        return bool((same and len(arrays) == 1) or held)
    return False


def _last(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
