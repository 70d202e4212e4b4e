"""Edits of one call: an argument, its class, what is done to its arguments, a call taken away from around its argument."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Sequence

from goodfit.doctor.program import Place
from goodfit.doctor.source import Change, Edit, Source, own

_SIMPLE = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant, ast.List, ast.Tuple, ast.Dict)  # bind tighter than any operator


def set_argument(place: Place, callee: str, name: str, value: str) -> Edit | None:
    """`name=value` in the call of `callee` at a place, changed or added: `set_argument(place, "torch.optim.SGD", "lr", "0.01")`.

    callee: the full name of the class or function, or its last part. An argument given by position is found by the signature. None where the call is
    not found for certain, or where `*` or `**` may hold the argument already.
    """
    source = Source.read(place.file)
    call = None if source is None else find_call(source, place, callee, name)
    return None if source is None or call is None else source.edit(argument(source, call, callee, name, value))


def set_rate(place: Place, optimizer: str, rate: float) -> Edit | None:
    """The learning rate of the optimiser that was made at a place, in its groups too where they have their own."""
    source = Source.read(place.file)
    call = None if source is None else find_call(source, place, optimizer, "lr")
    if source is None or call is None:
        return None
    written = number(rate)
    own = [
        value
        for group in _groups(call)
        for key, value in zip(group.keys, group.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "lr"
    ]
    if own and len(own) == len(_groups(call)):
        return (
            source.edit([Change(*source.span(value), written) for value in own]) if len(own) == 1 else None
        )  # rates that differ have a reason
    return None if own else source.edit(argument(source, call, optimizer, "lr", written))


def set_shuffle(place: Place) -> Edit | None:
    """`shuffle=True` of the DataLoader that was made at a place, in place of a `SequentialSampler` too; None where another sampler orders the rows."""
    source = Source.read(place.file)
    call = None if source is None else find_call(source, place, "torch.utils.data.DataLoader", "shuffle")
    if source is None or call is None:
        return None
    for word in call.keywords:
        if word.arg == "sampler" and isinstance(word.value, ast.Call) and named(source, word.value, ("SequentialSampler",)):
            return source.edit([Change(*source.span(word), "shuffle=True")])
    if any(word.arg in ("sampler", "batch_sampler") for word in call.keywords):
        return None
    return source.edit(argument(source, call, "torch.utils.data.DataLoader", "shuffle", "True"))


def replace_optimizer(place: Place, old: str, new: str, rate: float) -> Edit | None:
    """Another optimiser over the same weights: `torch.optim.SGD(p, lr=1, momentum=0.9)` -> `torch.optim.AdamW(p, lr=0.001)`. Its decay stays."""
    source = Source.read(place.file)
    call = None if source is None else find_call(source, place, old, "lr")
    if source is None or call is None or len(_groups(call)) > 1:
        return None
    words = {word.arg: word for word in call.keywords}
    first = call.args[0] if call.args else words["params"].value if "params" in words else None
    if first is None or isinstance(first, ast.Starred | ast.GeneratorExp):
        return None
    kept = [source.code(words["weight_decay"])] if "weight_decay" in words else []
    name, imports = source.spelled(new, call.func)
    written = f"{name}({', '.join([source.code(first), f'lr={number(rate)}', *kept])})"
    return source.edit([Change(*source.span(call), written), *imports])


def unwrap(place: Place, *names: str) -> Edit | None:
    """A function taken away from around its argument: `loss(F.softmax(out, dim=1), y)` -> `loss(out, y)`; `out.detach()` -> `out`.

    names: of the function, `torch.nn.functional.softmax` or `softmax`; None unless exactly one call of that name stands at the place.
    """
    source = Source.read(place.file)
    found = [] if source is None else [call for call in source.calls_at(place) if named(source, call, names)]
    if source is None or len(found) != 1:
        return None
    inner = inside(source, found[0])
    return None if inner is None else source.edit([inner])


def wrap(place: Place, template: str, names: Sequence[str]) -> Edit | None:
    """Something done to what a call gives: `wrap(place, "{}.squeeze(-1)", ["model"])` makes `model(x)` `model(x).squeeze(-1)`.

    names: how the callee may be written. None unless exactly one such call stands at the place.
    """
    source = Source.read(place.file)
    found = [] if source is None else [call for call in source.calls_at(place) if source.code(call.func) in names]
    if source is None or len(found) != 1:
        return None
    return source.edit(around(source, found[0], template))


def fit_operand(place: Place, function: str, index: int, template: str) -> Edit | None:
    """Something done to one side of a comparison or a difference: `pred == y` -> `pred.squeeze(-1) == y`.

    function: `eq`, `sub` or that of a loss, `mse_loss`. index: 0 for the left side or the first argument, 1 for the other. None unless one such stands there.
    """
    source = Source.read(place.file)
    if source is None:
        return None
    found: list[ast.expr] = []
    for statement in source.statements_at(place.line):
        for node in own(statement):
            if isinstance(node, ast.expr) and node.lineno <= place.line <= (node.end_lineno or node.lineno):
                found += _operands(source, node, function)[index : index + 1]
    return source.edit(around(source, found[0], template)) if len(found) == 1 else None


def set_dimension(place: Place, dimension: int, names: Sequence[str] = ("argmax", "max")) -> Edit | None:
    """Another dimension of the one call of such a name at a place: `out.argmax(0)` -> `out.argmax(1)`, `F.softmax(x, dim=0)` -> `F.softmax(x, dim=-1)`."""
    source = Source.read(place.file)
    full = [prefix + name for name in names for prefix in ("torch.", "torch.nn.functional.")]
    found = [] if source is None else [call for call in source.calls_at(place) if named(source, call, full)]
    if source is None or len(found) != 1:
        return None
    call = found[0]
    method = isinstance(call.func, ast.Attribute) and _is_method(source, call.func)
    words = [word.value for word in call.keywords if word.arg in ("dim", "axis")]
    given = words or call.args[0 if method else 1 :]
    return source.edit([Change(*source.span(given[0]), str(dimension))] if given else added(source, call, str(dimension)))


def set_layer_dimension(file: str, layers: Sequence[str], dimension: int) -> Edit | None:
    """`nn.Softmax(dim=0)` -> `nn.Softmax(dim=-1)`: of every such layer that is made in a file with dimension 0."""
    source = Source.read(file)
    changes: list[Change] = []
    for call in [] if source is None else [node for node in ast.walk(source.tree) if isinstance(node, ast.Call)]:
        if source is not None and named(source, call, [f"torch.nn.{layer}" for layer in layers]):
            given = [word.value for word in call.keywords if word.arg == "dim"] or call.args[:1]
            if given and isinstance(given[0], ast.Constant) and given[0].value == 0:
                changes.append(Change(*source.span(given[0]), str(dimension)))
    return source.edit(changes) if source is not None and changes else None


def threshold_largest(place: Place, threshold: str, *, squeeze: bool) -> Edit | None:
    """The largest of one output, which is always number 0, as a threshold: `out.argmax(1)` -> `(out.squeeze(1) > 0).long()`.

    squeeze: whether the call took the dimension away.
    """
    source = Source.read(place.file)
    found = [] if source is None else [call for call in source.calls_at(place) if named(source, call, ("torch.argmax", "torch.max"))]
    if source is None or len(found) != 1:
        return None
    call = found[0]
    method = isinstance(call.func, ast.Attribute) and _is_method(source, call.func)
    output = call.func.value if method and isinstance(call.func, ast.Attribute) else next(iter(call.args), None)
    if output is None:
        return None
    written = f"({bracketed(source, output)}{'.squeeze(1)' * squeeze} > {threshold}).long()"
    if named(source, call, ("torch.argmax",)):
        return source.edit([Change(*source.span(call), written)])
    outer = source.parent(call)
    if (
        isinstance(outer, ast.Assign) and isinstance(outer.targets[0], ast.Tuple) and len(outer.targets[0].elts) == 2
    ):  # _, pred = torch.max(out, 1)
        return source.edit(
            [Change(*source.span(outer.targets[0]), source.code(outer.targets[0].elts[1])), Change(*source.span(call), written)]
        )
    second = isinstance(outer, ast.Subscript) and source.code(outer.slice) == "1"  # out.max(1)[1]
    if outer is not None and (second or (isinstance(outer, ast.Attribute) and outer.attr == "indices")):
        return source.edit([Change(*source.span(outer), written)])
    return None


def largest_for_round(place: Place, *, keep: bool) -> Edit | None:
    """A rounded number as the number of the largest: `out.round()` -> `out.argmax(-1)`. keep: the dimension stays, with size 1."""
    source = Source.read(place.file)
    found = [] if source is None else [call for call in source.calls_at(place) if named(source, call, ("torch.round", "round_"))]
    if source is None or len(found) != 1:
        return None
    call = found[0]
    method = isinstance(call.func, ast.Attribute) and _is_method(source, call.func)
    output = call.func.value if method and isinstance(call.func, ast.Attribute) else next(iter(call.args), None)
    if output is None:
        return None
    return source.edit([Change(*source.span(call), f"{bracketed(source, output)}.argmax(-1{', keepdim=True' * keep})")])


# What those and other edits are made of


def _operands(source: Source, node: ast.expr, function: str) -> list[ast.expr]:
    """The two sides of what a node computes, where it computes this function of two tensors."""
    if function in ("eq", "__eq__") and isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
        return [node.left, node.comparators[0]]
    if function == "sub" and isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        return [node.left, node.right]
    if isinstance(node, ast.Call) and named(source, node, (function,)):
        if isinstance(node.func, ast.Attribute) and _is_method(source, node.func) and len(node.args) == 1:
            return [node.func.value, node.args[0]]
        return node.args[:2] if len(node.args) >= 2 else []
    return []


def find_call(source: Source, place: Place, callee: str, argument: str | None = None) -> ast.Call | None:
    """The call of `callee` at a place; where nothing bears its name, such as `make(lr=0.1)`, the only one that is given `argument` by name."""
    calls = source.calls_at(place)
    found = [call for call in calls if named(source, call, (callee,))]
    if not found and argument is not None:
        found = [call for call in calls if any(word.arg == argument for word in call.keywords)]
    starting = [call for call in found if call.lineno == place.line]
    found = found if len(found) == 1 else starting
    return found[0] if len(found) == 1 else None


def named(source: Source, call: ast.Call, names: Sequence[str]) -> bool:
    """Whether a call is of one of the names: whole, or by their last parts, whatever stands before it."""
    meant = source.qualified(call.func)
    last = meant.rpartition(".")[2] or (call.func.attr if isinstance(call.func, ast.Attribute) else "")
    return meant in names or last in {name.rpartition(".")[2] for name in names}


def argument(source: Source, call: ast.Call, callee: str, name: str, value: str) -> list[Change] | None:
    """The changes that give `name` the value."""
    for word in call.keywords:
        if word.arg == name:
            return [Change(*source.span(word.value), value)]
    if any(word.arg is None for word in call.keywords) or any(isinstance(given, ast.Starred) for given in call.args):
        return None
    names = positions(source.qualified(call.func)) or positions(callee)
    if not names and len(call.args) > 1:
        return None  # by position it may be given already
    if name in names and names.index(name) < len(call.args):
        return [Change(*source.span(call.args[names.index(name)]), value)]
    return added(source, call, f"{name}={value}")


def added(source: Source, call: ast.Call, word: str) -> list[Change] | None:
    """One more argument at the end of a call, in the manner in which the others stand."""
    given = [*call.args, *call.keywords]
    close = source.span(call)[1] - 1
    if not given:
        return [Change(close, close, word)]
    if len(given) == 1 and isinstance(given[0], ast.GeneratorExp):
        return None  # one that stands alone has no parentheses of its own
    last = max(given, key=lambda node: source.span(node)[1])
    end, comma = _before_close(source.text, source.span(last)[1], close)
    start = source.span(last)[0]
    indent = source.text[source.line_start(start) : start]
    between = source.newline + indent if not indent.strip() else " "
    return [Change(end, end, f"{between}{word}," if comma else f",{between}{word}")]


def positions(callee: str) -> list[str]:
    """The arguments that a class or function of torch takes by position, in their order; none where it is not known. Its module may be left out."""
    module, _, last = callee.rpartition(".")
    homes = [module] if module else ["torch.optim", "torch.utils.data", "torch.nn", "torch.nn.functional", "torch"]
    made = next((found for home in homes if (found := getattr(sys.modules.get(home), last, None)) is not None), None)
    try:
        parameters = list(inspect.signature(made).parameters.values()) if callable(made) else []
    except (TypeError, ValueError):
        return []
    ways = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter.name for parameter in parameters if parameter.kind in ways]


def inside(source: Source, call: ast.Call) -> Change | None:
    """A call replaced by what goes in: the first argument of a function or of a module, the object of a method."""
    function = call.func
    method = isinstance(function, ast.Attribute) and _is_method(source, function) and all(_is_dimension(given) for given in call.args)
    words = [word.value for word in call.keywords if word.arg == "input"]
    goes_in = function.value if method and isinstance(function, ast.Attribute) else next(iter([*call.args, *words]), None)
    if goes_in is None or isinstance(goes_in, ast.Starred | ast.GeneratorExp):
        return None
    return Change(*source.span(call), bracketed(source, goes_in, of=call))


def _is_method(source: Source, function: ast.Attribute) -> bool:
    """`x.softmax` of a tensor, not `F.softmax` of a module of the imports and not `self.softmax`."""
    root: ast.expr = function
    while isinstance(root, ast.Attribute):
        root = root.value
    return not (isinstance(root, ast.Name) and (root.id in source.names or root.id == "self"))


def _is_dimension(given: ast.expr) -> bool:
    """`1`, `-1`, `dim`: what a tensor's method is given, where a function or a module is given a tensor."""
    if isinstance(given, ast.UnaryOp):
        given = given.operand
    return isinstance(given, ast.Constant) or (isinstance(given, ast.Name) and given.id in ("dim", "axis"))


def bracketed(source: Source, node: ast.expr, of: ast.expr | None = None) -> str:
    """An expression's text that may stand anywhere: in parentheses where it is put together by operators and does not stand alone, or spans lines."""
    written = source.code(node)
    outer = source.parent(of) if of is not None else None
    alone = isinstance(outer, ast.Return | ast.Assign | ast.Call | ast.keyword) and not (isinstance(outer, ast.Call) and outer.func is of)
    if "\n" in written or "\r" in written:
        return written if isinstance(node, _SIMPLE) and _closed(written) else f"({written})"
    return written if isinstance(node, _SIMPLE) or alone else f"({written})"


def _closed(written: str) -> bool:
    """Whether every line's end of a text lies inside brackets."""
    depth = 0
    for sign in re.sub(r"#[^\r\n]*", "", written):
        depth += (sign in "([{") - (sign in ")]}")
        if sign in "\r\n" and depth == 0:
            return False
    return True


def around(source: Source, node: ast.expr, template: str) -> list[Change]:
    """`{}` in the template becomes the expression, in parentheses where it needs them."""
    start, end = source.span(node)
    head, _, tail = template.partition("{}")
    parentheses = not isinstance(node, _SIMPLE)
    return [Change(start, start, head + "(" * parentheses), Change(end, end, ")" * parentheses + tail)]


def assigned(source: Source, place: Place, makes: Callable[[ast.Call], bool] | None = None) -> str | None:
    """The name that what a place makes is given: `model` of `model = Net().to(device)`, `self.net` of `self.net = ...`.

    makes: whether a call is the one that makes it, for lines that make several things.
    """
    names = []
    for statement in source.statements_at(place.line):
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        else:
            continue
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            pairs = list(zip(target.elts, value.elts, strict=True))
        for one, made in pairs:
            fits = makes is None or any(isinstance(node, ast.Call) and makes(node) for node in ast.walk(made))
            if fits and isinstance(one, ast.Name | ast.Attribute):
                names.append(source.code(one))
    return names[0] if len(names) == 1 else None


def number(value: float) -> str:
    """A number as one writes it: 0.001, 3e-05, 64."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"


def _groups(call: ast.Call) -> list[ast.Dict]:
    """The parameter groups of an optimiser's call where they are written out."""
    first = call.args[0] if call.args else next((word.value for word in call.keywords if word.arg == "params"), None)
    return [item for item in first.elts if isinstance(item, ast.Dict)] if isinstance(first, ast.List) else []


def _before_close(text: str, start: int, close: int) -> tuple[int, bool]:
    """After the last sign between a call's last argument and its closing parenthesis, comments left out, and whether that is a comma."""
    end, comma, position = start, False, start
    while position < close:
        sign = text[position]
        if sign == "#":
            while position < close and text[position] not in "\r\n":
                position += 1
            continue
        if not sign.isspace() and sign != "\\":
            end, comma = position + 1, sign == ","
        position += 1
    return end, comma
