"""Edits of what lies between the network and its surroundings: scaling of what goes in and comes out, which weights are learned, which the optimiser has."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from goodfit.doctor.program import Place
from goodfit.doctor.source import Change, Edit, Source, own
from goodfit.doctor.source_calls import around, assigned, find_call, named, number
from goodfit.doctor.source_losses import loss_call

# What every module has: a network of which a script uses nothing else may be put into another.
_PLAIN = {
    "train", "eval", "parameters", "named_parameters", "to", "cuda", "cpu", "state_dict", "load_state_dict", "zero_grad", "requires_grad_", "modules",
    "named_modules", "children", "apply", "forward", "half", "float", "double", "training", "share_memory", "buffers", "compile", "__class__",
}  # fmt: skip
_ASKS = re.compile(r"pred|eval|score|sample|generat|accura|test|infer")  # in the names of methods that use a network and do not train it


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


def make_later(optimizer: Place, kind: str) -> Edit | None:
    """The optimiser made below the line that last makes the network, or a part of it, anew: `model.fc = nn.Linear(30, 10)` after `SGD(model.parameters())`.

    Where something used it in between, it is made a second time, and so is what was made of it, such as a schedule.
    """
    source = Source.read(optimizer.file)
    call = None if source is None else find_call(source, optimizer, kind, "lr")
    statement = None if source is None or call is None else source.statement_of(call)
    if source is None or call is None or not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    networks = {
        source.code(node.func.value)
        for node in ast.walk(call)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("parameters", "named_parameters")
    }
    name, block = source.code(statement.targets[0]), source.block(statement)
    below = block[block.index(statement) + 1 :]
    last = max((number for number, one in enumerate(below) if any(_makes_anew(source, one, network) for network in networks)), default=None)
    if last is None:
        return None
    users = [
        one
        for one in below[:last]
        if any(source.code(node) == name for node in ast.walk(one) if isinstance(node, ast.Name | ast.Attribute))
    ]
    made_of = [one for one in users if isinstance(one, ast.Assign)]
    again = [statement, *made_of]
    changes = source.after(below[last], *(source.line_of(one) for one in again))
    return source.edit(changes if len(users) > len(made_of) else [*changes, *source.without(again)])


def add_parameters(optimizer: Place, kind: str, parts: Sequence[str]) -> Edit | None:
    """Below the line that makes the optimiser, one for each of `parts` that hands over its weights: `optimizer.add_param_group({"params": model.body.parameters()})`."""
    source = Source.read(optimizer.file)
    name = None if source is None else assigned(source, optimizer, lambda call: named(source, call, (kind,)))
    statements = [] if source is None else source.statements_at(optimizer.line)
    if source is None or name is None or len(statements) != 1 or not parts:
        return None
    return source.edit(source.after(statements[0], *(f'{name}.add_param_group({{"params": {part}.parameters()}})' for part in parts)))


def join_graph(place: Place) -> Edit | None:
    """`x.detach()`, `x.detach_()` or `x.data` at a place becomes `x`; None unless exactly one of them stands there."""
    source = Source.read(place.file)
    if source is None:
        return None
    changes: list[Change] = []
    for statement in source.statements_at(place.line):
        for node in own(statement):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("detach", "detach_")
                and not node.args
            ):
                changes.append(Change(source.span(node.func.value)[1], source.span(node)[1], ""))
            elif isinstance(node, ast.Attribute) and node.attr == "data" and isinstance(node.ctx, ast.Load):
                changes.append(Change(source.span(node.value)[1], source.span(node)[1], ""))
    return source.edit(changes) if len(changes) == 1 else None


def allow_gradients(file: str, owners: Sequence[str], place: Place | None = None) -> Edit | None:
    """`torch.no_grad()` taken from where a network computes: `with torch.no_grad():` becomes `with torch.enable_grad():`, and `@torch.no_grad()` goes.

    owners: classes in whose methods it is looked for; place: the statement around which it is looked for first. None unless it stands there once.
    """
    source = Source.read(file)
    if source is None:
        return None
    areas: list[ast.AST] = []
    if place is not None and place.file == file:
        inner = source.statements_at(place.line)
        areas = [outer for one in inner for outer in source.above(one) if isinstance(outer, ast.With | ast.FunctionDef)]
        if any((changes := _allowed(source, area)) for area in areas):
            return source.edit(next(changes for area in areas if (changes := _allowed(source, area))))
    holders = [node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef) and node.name in owners]
    methods = [one for holder in holders for one in holder.body if isinstance(one, ast.FunctionDef) and not _ASKS.search(one.name)]
    found = [changes for method in methods for node in ast.walk(method) if (changes := _allowed(source, node))]
    return source.edit(found[0]) if len(found) == 1 else None


# What those are made of


def _makes_anew(source: Source, statement: ast.stmt, network: str) -> bool:
    """`model = ...`, `model.fc = ...`, `model.layers[3] = ...`, but not `model.fc.bias.data = ...` and not `model.training = True`."""
    if not isinstance(statement, ast.Assign) or not any(isinstance(node, ast.Call) for node in ast.walk(statement.value)):
        return False
    written = [source.code(target) for target in statement.targets]
    return any(
        (one == network or one.startswith((f"{network}.", f"{network}["))) and not one.endswith((".data", ".grad")) for one in written
    )


def _allowed(source: Source, node: ast.AST) -> list[Change]:
    """The changes that let gradients through a `with` or a function's decorator; none where these do not stop them."""
    if isinstance(node, ast.With):
        stops = [item.context_expr for item in node.items if _stops_gradients(source, item.context_expr)]
        return [change for one in stops for change in _enabled(source, one)]
    if isinstance(node, ast.FunctionDef):
        stops = [one for one in node.decorator_list if _stops_gradients(source, one)]
        return [
            Change(source.line_start(source.span(one)[0]), source.line_end(source.span(one)[1]) + len(source.newline), "") for one in stops
        ]
    return []


def _stops_gradients(source: Source, node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and source.qualified(node.func) == "torch.set_grad_enabled":
        return bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value is False
    written = source.qualified(node.func if isinstance(node, ast.Call) else node)
    return written in ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad")


def _enabled(source: Source, node: ast.expr) -> list[Change]:
    name, imports = source.spelled("torch.enable_grad", node.func if isinstance(node, ast.Call) else node)
    return [Change(*source.span(node), f"{name}()"), *imports]


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
