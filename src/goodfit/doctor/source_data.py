"""Edits that scale what goes into a network and what comes out of it, where the network is made: they hold in training and in every later use of it."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from goodfit.doctor.program import Place
from goodfit.doctor.source import Change, Edit, Source, dotted
from goodfit.doctor.source_calls import assigned
from goodfit.doctor.source_losses import fit_arguments

MOST_WRITTEN = 128  # numbers in one line; more should be computed by the program itself


def scale_inputs(model: Place, middle: Sequence[float], spread: Sequence[float], trailing: int = 0) -> Edit | None:
    """A line below the one that makes the network: its first input is standardised before every call, `(x - middle) / spread`.

    middle, spread: one number, or one for each feature; these lie along the last dimension, or along the one with `trailing` more behind it.
    None where the network's name is not known or the numbers are too many to be written.
    """
    source = Source.read(model.file)
    name = None if source is None else assigned(source, model)
    statement = None if source is None else next(iter(source.statements_at(model.line)), None)
    if source is None or name is None or statement is None or len(middle) > MOST_WRITTEN or len(middle) != len(spread):
        return None
    x = "given[0].float()"
    if len(middle) == 1:
        scaled = f"({x} - {_number(middle[0])}) / {_number(spread[0])}"
    else:
        shape = f".view(-1{', 1' * trailing})" if trailing else ""
        centre, width = (f"{x}.new_tensor([{', '.join(_number(one) for one in numbers)}]){shape}" for numbers in (middle, spread))
        scaled = f"({x} - {centre}) / {width}"
    line = f"{name}.register_forward_pre_hook(lambda module, given: ({scaled}, *given[1:]))"
    return source.edit(source.after(statement, line))


def train_on_most(place: Place) -> Edit | None:
    """Three quarters of the rows to train on, where the only `train_test_split` of the file says how many by a number: `train_size=50` -> `train_size=0.75`."""
    source = Source.read(place.file)
    if source is None:
        return None
    calls = [
        node for node in ast.walk(source.tree) if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "train_test_split"
    ]
    words = [word for call in calls for word in call.keywords if word.arg in ("train_size", "test_size")]
    if len(calls) != 1 or len(words) != 1 or not isinstance(words[0].value, ast.Constant):
        return None
    return source.edit([Change(*source.span(words[0].value), "0.75" if words[0].arg == "train_size" else "0.25")])


def blank_columns(model: Place, columns: Sequence[int]) -> Edit | None:
    """A line below the one that makes the network: these columns of its first input, [rows, columns], are 0 in every call, so that nothing is learned from them."""
    source = Source.read(model.file)
    name = None if source is None else assigned(source, model)
    statement = None if source is None else next(iter(source.statements_at(model.line)), None)
    if source is None or name is None or statement is None or not columns:
        return None
    x = "given[0]"
    line = f"{name}.register_forward_pre_hook(lambda module, given: ({x}.index_fill(-1, {x}.new_tensor({list(columns)}).long(), 0), *given[1:]))"
    return source.edit(source.after(statement, line))


def scale_targets(model: Place, computed: Place, loss: str, middle: float, spread: float) -> Edit | None:
    """The network answers in the targets' own units, and the loss sees both standardised, so that its size and the answers' are near 1.

    computed: where the loss is computed; in the same file as where the network is made, else None.
    """
    source = Source.read(model.file)
    name = None if source is None else assigned(source, model)
    statement = None if source is None else next(iter(source.statements_at(model.line)), None)
    if source is None or name is None or statement is None or computed.file != model.file:
        return None
    template = f"({{}} - {_number(middle)}) / {_number(spread)}"
    fitted = fit_arguments(computed, loss, output=template, target=template)
    if fitted is None:
        return None
    line = f"{name}.register_forward_hook(lambda module, given, answer: answer * {_number(spread)} + {_number(middle)})"
    return source.edit([*source.after(statement, line), *fitted.changes])


def _number(value: float) -> str:
    """Four digits: a scale need not be exact. In parentheses where it is negative."""
    written = repr(float(f"{value:.4g}"))
    return f"({written})" if value < 0 else written
