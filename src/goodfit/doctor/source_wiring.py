"""Edits of what lies between the network and its surroundings: scaling of what goes in and comes out, which weights are learned, which the optimiser has."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from goodfit.doctor.program import Place
from goodfit.doctor.source import Change, Edit, Source
from goodfit.doctor.source_calls import around, assigned, find_call, number
from goodfit.doctor.source_losses import loss_call

# What every module has: a network of which a script uses nothing else may be put into another.
_PLAIN = {
    "train", "eval", "parameters", "named_parameters", "to", "cuda", "cpu", "state_dict", "load_state_dict", "zero_grad", "requires_grad_", "modules",
    "named_modules", "children", "apply", "forward", "half", "float", "double", "training", "share_memory", "buffers", "compile", "__class__",
}  # fmt: skip


def standardise_inputs(model: Place, features: int, dimensions: int = 2) -> Edit | None:
    """Below the line that makes the network, one that puts batch norm without weights before it: the mean and the spread of the training rows.

    features: of dimension 1 of the inputs. dimensions: of the inputs, with the batch: 2, 3, 4 or 5.
    """
    source = Source.read(model.file)
    name = None if source is None else _network(source, model)
    if source is None or name is None or dimensions not in (2, 3, 4, 5):
        return None
    norm, imports = source.spelled(f"torch.nn.BatchNorm{max(1, dimensions - 2)}d")
    made = f"{norm}({features}, affine=False, momentum=None)"
    statement = source.statements_at(model.line)[0]
    placed = f".to(next({name}.parameters()).device)" if _moved(source) else ""
    if set(re.findall(rf"(?<![\w.]){re.escape(name)}\.(\w+)", source.text)) <= _PLAIN and not name.startswith("self."):
        sequential, more = source.spelled("torch.nn.Sequential")
        line = f"{name} = {sequential}({made}{placed}, {name})"
        return source.edit([*source.after(statement, line), *imports, *more])
    scale = next(word for word in ("scale", "standardise", "input_scale", "input_norm") if not re.search(rf"\b{word}\b", source.text))
    hook = f"{name}.register_forward_pre_hook(lambda module, inputs: ({scale}.train(module.training)(inputs[0]), *inputs[1:]))"
    return source.edit([*source.after(statement, f"{scale} = {made}{placed}", hook), *imports])


def standardise_targets(model: Place, loss_place: Place, loss: str, mean: float, spread: float) -> Edit | None:
    """The network answers in the target's own unit, and the loss is computed in spreads of it.

    A hook on the network makes `output * spread + mean`; where the loss is computed, mean and spread are taken out of both arguments again.
    """
    if model.file != loss_place.file:
        return None
    source = Source.read(model.file)
    name = None if source is None else _network(source, model)
    call = None if source is None else loss_call(source, loss_place, loss)
    if source is None or name is None or call is None or len(call.args) < 2 or any(isinstance(given, ast.Starred) for given in call.args):
        return None
    statement = source.statements_at(model.line)[0]
    hook = f"{name}.register_forward_hook(lambda module, inputs, output: {_scaled('output', mean, spread)})"
    changes = source.after(statement, hook)
    for given in call.args[:2]:
        changes += around(source, given, _unscaled(mean, spread))
    return source.edit(changes)


def unfreeze(file: str) -> Edit | None:
    """Every statement taken away that switches gradients of weights off: `p.requires_grad = False`, `model.requires_grad_(False)`."""
    source = Source.read(file)
    if source is None:
        return None
    gone: list[ast.stmt] = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is False:
            if all(isinstance(target, ast.Attribute) and target.attr == "requires_grad" for target in node.targets):
                gone.append(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            given = [*node.value.args, *(word.value for word in node.value.keywords)]
            if (
                node.value.func.attr == "requires_grad_"
                and len(given) == 1
                and isinstance(given[0], ast.Constant)
                and given[0].value is False
            ):
                gone.append(node)
    return source.edit(source.without(gone))


def register_parameters(optimizer: Place, kind: str, networks: Sequence[str] = ()) -> Edit | None:
    """All weights handed to the optimiser: `SGD(model.head.parameters()` -> `model.parameters()`.

    kind: the optimiser's class. networks: names of networks that it must have besides, `["decoder"]`.
    """
    source = Source.read(optimizer.file)
    call = None if source is None else find_call(source, optimizer, kind, "lr")
    if source is None or call is None:
        return None
    given = call.args[0] if call.args else next((word.value for word in call.keywords if word.arg == "params"), None)
    if given is None or isinstance(given, ast.Starred):
        return None
    if networks:
        more = ", ".join(f"*{name}.parameters()" for name in networks)
        start, end = source.span(given)
        if isinstance(given, ast.List):
            return source.edit([Change(end - 1, end - 1, f", {more}" if given.elts else more)]) if not _of_groups(given) else None
        return source.edit([Change(start, start, "[*("), Change(end, end, f"), {more}]")]) if isinstance(given, ast.GeneratorExp | ast.IfExp) else (
            source.edit([Change(start, start, "[*"), Change(end, end, f", {more}]")])
        )  # fmt: skip
    inner = given
    if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id in ("list", "filter") and inner.args:
        inner = inner.args[-1]
    if not isinstance(inner, ast.Call) or not isinstance(inner.func, ast.Attribute) or inner.func.attr != "parameters":
        return None
    whole = _whole(source, inner.func.value)
    return None if whole is None else source.edit([Change(*source.span(given), f"{whole}.parameters()")])


def rename_argument(place: Place, kind: str, model: str) -> Edit | None:
    """The optimiser over `model.parameters()`, whatever it was given before: for one that was handed another network's weights."""
    source = Source.read(place.file)
    call = None if source is None else find_call(source, place, kind, "lr")
    if source is None or call is None or not call.args or isinstance(call.args[0], ast.Starred):
        return None
    return source.edit([Change(*source.span(call.args[0]), f"{model}.parameters()")])


# What those are made of


def _network(source: Source, model: Place) -> str | None:
    """The name of the network that a place makes, where what follows it may use the name."""
    name = assigned(source, model)
    statements = source.statements_at(model.line)
    if name is None or len(statements) != 1 or not re.fullmatch(r"(self\.)?\w+", name):
        return None
    holder = next((outer for outer in source.above(statements[0]) if isinstance(outer, ast.ClassDef)), None)
    if holder is not None and any(source.qualified(base).endswith("Module") for base in holder.bases):
        return None  # a layer of a network, not the network
    return name


def _moved(source: Source) -> bool:
    return re.search(r"\.to\(|\.cuda\(|set_default_device", source.text) is not None


def _scaled(name: str, mean: float, spread: float) -> str:
    return f"{name} * {number(spread)}" + (f" {'+' if mean > 0 else '-'} {number(abs(mean))}" if mean else "")


def _unscaled(mean: float, spread: float) -> str:
    return (f"({{}} {'-' if mean > 0 else '+'} {number(abs(mean))})" if mean else "{}") + f" / {number(spread)}"


def _of_groups(given: ast.List) -> bool:
    return any(isinstance(item, ast.Dict) for item in given.elts)


def _whole(source: Source, part: ast.expr) -> str | None:
    """`model` of `model.head`, `self.net` of `self.net.head`; None where there is nothing above."""
    written = source.code(part)
    found = re.fullmatch(r"((?:self\.)?\w+)[.\[].+", written, re.DOTALL)
    return found[1] if found and found[1] != "self" else None
