"""Edits that keep numbers from being lost: arguments kept where a function has a value, and gaps of the data filled before the network sees them."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from goodfit.doctor.program import Place
from goodfit.doctor.source import Change, Edit, Source
from goodfit.doctor.source_calls import assigned, bracketed, named
from goodfit.doctor.source_data import MOST_WRITTEN

# What is written behind an argument, by function: the same bounds as the guards of the copies.
KEPT = {
    "log": ".clamp_min(1e-7)", "log2": ".clamp_min(1e-7)", "log10": ".clamp_min(1e-7)", "sqrt": ".clamp_min(1e-8)", "rsqrt": ".clamp_min(1e-8)",
    "exp": ".clamp_max(80)", "acos": ".clamp(-1 + 1e-7, 1 - 1e-7)", "asin": ".clamp(-1 + 1e-7, 1 - 1e-7)",
}  # fmt: skip
DIVISIONS = frozenset({"div", "true_divide", "divide", "__truediv__", "__rdiv__", "__rtruediv__"})
LEAST = "1e-7"  # added to what is divided by: sums, norms and spreads, which are 0 at the least


def guard(place: Place, name: str) -> Edit | None:
    """`torch.log(p)` -> `torch.log(p.clamp_min(1e-7))`, `a / b` -> `a / (b + 1e-7)`: every call of the name in the statement at a place. None where none is written there."""
    source = Source.read(place.file)
    if source is None:
        return None
    changes: list[Change] = []
    if name in DIVISIONS:
        for statement in source.statements_at(place.line):
            for node in ast.walk(statement):
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not isinstance(node.right, ast.Constant):
                    changes.append(Change(*source.span(node.right), f"({source.code(node.right)} + {LEAST})"))
        return source.edit(changes) if len(changes) == 1 else None  # of several, it is not known which
    for call in source.calls_at(place) if name in KEPT else ():
        if not named(source, call, (f"torch.{name}",)):
            continue
        given = call.args[0] if call.args else call.func.value if isinstance(call.func, ast.Attribute) else None
        if given is not None and not isinstance(given, ast.Starred):
            changes.append(Change(*source.span(given), bracketed(source, given) + KEPT[name]))
    return source.edit(changes)


def fill_inputs(model: Place, means: Sequence[float]) -> Edit | None:
    """A line below the one that makes the network: what is no number in its first input becomes the mean of its column (of all, where one is given).

    None where the network's name is not known or the numbers are too many to be written.
    """
    source = Source.read(model.file)
    name = None if source is None else assigned(source, model)
    statement = None if source is None else next(iter(source.statements_at(model.line)), None)
    if source is None or name is None or statement is None or len(means) > MOST_WRITTEN:
        return None
    written = [repr(float(f"{mean:.4g}")) for mean in means]
    filling = f"given[0].new_tensor({written[0] if len(written) == 1 else '[' + ', '.join(written) + ']'})"
    line = f"{name}.register_forward_pre_hook(lambda module, given: (given[0].where(given[0].isfinite(), {filling}), *given[1:]))"
    return source.edit(source.after(statement, line))
