"""Edits of a network's definition: its last activation, its activations, what lies between its linear maps, its outputs, how it begins."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from goodfit.doctor.source import Change, Edit, Source
from goodfit.doctor.source_calls import argument, inside, named, number

# Activations: the class, the function.
ACTIVATIONS = {
    "Softmax": "softmax", "LogSoftmax": "log_softmax", "Softmin": "softmin", "Sigmoid": "sigmoid", "LogSigmoid": "logsigmoid", "Tanh": "tanh",
    "ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "SELU": "selu", "GELU": "gelu", "SiLU": "silu", "ReLU6": "relu6", "Softplus": "softplus",
    "Hardtanh": "hardtanh", "Hardsigmoid": "hardsigmoid", "Softsign": "softsign", "Tanhshrink": "tanhshrink", "PReLU": "prelu", "Mish": "mish",
}  # fmt: skip
_IN_TORCH = {"relu", "sigmoid", "tanh", "softmax", "log_softmax", "selu"}  # functions of `torch` itself too
_INITIAL = re.compile(
    r"(fill|zero|normal|uniform|constant|copy|mul|div|add|clamp|ones|eye|sparse|orthogonal|exponential|log_normal|trunc_normal)_$"
)


def remove_last_activation(file: str, name: str, owner: str = "Sequential") -> Edit | None:
    """The activation that a network ends with taken away: the last element of its Sequential, the call in the `return` of its forward.

    name: of the class, `Softmax`. owner: the network's class; `Sequential` for one that is none of the user's.
    """
    source = Source.read(file)
    if source is None:
        return None
    holder = class_of(source, owner)
    found = _last_of_sequentials(source, source.tree, name) if holder is None else _last_of_forward(source, holder, name)
    return source.edit(found)


def replace_activations(file: str, old: str, new: str, owner: str = "Sequential", *, keep_last: bool = True) -> Edit | None:
    """An activation replaced everywhere in a network: `nn.Sigmoid()` -> `nn.ReLU()`, `torch.sigmoid(` -> `torch.relu(`. keep_last: but at its end."""
    source = Source.read(file)
    if source is None:
        return None
    holder = class_of(source, owner)
    area: ast.AST = source.tree if holder is None else holder
    kept = None
    if keep_last:
        kept = _last_of_sequentials(source, source.tree, old) if holder is None else _last_of_forward(source, holder, old)
    spared = [change for change in kept or [] if change.end > change.start]
    changes: list[Change] = []
    for node in ast.walk(area):
        if not isinstance(node, ast.Call):
            continue
        start, end = source.span(node)
        if any(change.start <= start and end <= change.end for change in spared):
            continue
        changes += _swapped(source, node, old, new)
    return source.edit(changes)


def insert_activations(file: str, owner: str = "Sequential", new: str = "ReLU") -> Edit | None:
    """An activation after every linear map that another linear map follows: in each Sequential, else around the calls in forward."""
    source = Source.read(file)
    if source is None:
        return None
    holder = class_of(source, owner)
    changes: list[Change] = []
    for call in _sequentials(source, source.tree if holder is None else holder):
        elements = _elements(call)
        for one, following in itertools.pairwise(elements):
            if isinstance(one, ast.Call) and isinstance(following, ast.Call) and _is_linear(source, one) and _is_linear(source, following):
                name, imports = source.spelled(f"torch.nn.{new}", one.func)
                end, start = source.span(one)[1], source.span(following)[0]
                between = source.text[end:start].partition(",")[2] if "," in source.text[end:start] else " "
                if "#" in between:
                    between = between[between.index(source.newline) :]
                changes += [Change(end, end, f",{between or ' '}{name}()"), *imports]
    if not changes and holder is not None:
        changes = _around_linear(source, holder, new)
    return source.edit(changes)


def set_outputs(file: str, units: int, owner: str = "Sequential") -> Edit | None:
    """Another number of outputs of a network's last linear layer."""
    source = Source.read(file)
    if source is None:
        return None
    holder = class_of(source, owner)
    last = _last_linear(source, holder)
    return None if last is None else source.edit(argument(source, last, "torch.nn.Linear", "out_features", str(units)))


def set_dropout(file: str, share: float, owner: str = "Sequential") -> Edit | None:
    """Another share in every dropout layer of a network."""
    source = Source.read(file)
    if source is None:
        return None
    holder = class_of(source, owner)
    changes: list[Change] = []
    for node in ast.walk(source.tree if holder is None else holder):
        if isinstance(node, ast.Call):
            kind = source.qualified(node.func).rpartition(".")[2]
            if kind in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"):
                changes += argument(source, node, f"torch.nn.{kind}", "p", number(share)) or []
            elif kind in ("dropout", "dropout2d") and node.args:
                changes += argument(source, node, f"torch.nn.functional.{kind}", "p", number(share)) or []
    return source.edit(changes)


def remove_initialisation(file: str) -> Edit | None:
    """Every statement that sets weights by hand taken away, so that torch's own initial values stay: `nn.init.constant_(m.weight, 0)`, `p.data.fill_(1)`.

    Biases that are set to 0 stay as they are: so they often are in sound programs.
    """
    source = Source.read(file)
    if source is None:
        return None
    gone = [node for node in ast.walk(source.tree) if isinstance(node, ast.stmt) and _initialises(source, node)]
    return source.edit(source.without(gone))


def register(file: str, owner: str, fields: Mapping[str, str]) -> Edit | None:
    """What a network holds in `self.field` given to torch: layers in a plain list as `nn.ModuleList([...])`, a tensor as `nn.Parameter(...)`.

    owner: the network's class. fields: their containers by name, `{"layers": "ModuleList", "heads": "ModuleDict", "scale": "Parameter"}`. None unless
    each is assigned once in the class.
    """
    source = Source.read(file)
    holder = None if source is None else class_of(source, owner)
    if source is None or holder is None:
        return None
    changes: list[Change] = []
    for field, container in fields.items():
        made = [value for value in _assigned_to(source, holder, f"self.{field}") if value is not None]
        if len(made) != 1:
            return None
        name, imports = source.spelled(f"torch.nn.{container}")
        start, end = source.span(made[0])
        bare = isinstance(made[0], ast.Tuple) and source.text[start] != "("  # self.layers = a, b
        changes += [Change(start, start, f"{name}({'(' * bare}"), Change(end, end, f"{')' * bare})"), *imports]
    return source.edit(changes)


# What those are made of


def class_of(source: Source, name: str) -> ast.ClassDef | None:
    """The definition of a class of that name, the only one in the file."""
    found = [node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef) and node.name == name]
    return found[0] if len(found) == 1 else None


def forward_of(holder: ast.ClassDef) -> ast.FunctionDef | None:
    return next((node for node in holder.body if isinstance(node, ast.FunctionDef) and node.name == "forward"), None)


def made_as(source: Source, holder: ast.ClassDef, field: str) -> ast.Call | None:
    """The call that makes `self.field`, where there is one only."""
    found = [
        node.value
        for node in ast.walk(holder)
        if isinstance(node, ast.Assign) and any(source.code(target) == f"self.{field}" for target in node.targets)
    ]
    return found[0] if len(found) == 1 and isinstance(found[0], ast.Call) else None


def _is_activation(source: Source, holder: ast.ClassDef | None, call: ast.expr, name: str) -> bool:
    """`F.softmax(x)`, `x.softmax(1)`, `nn.Softmax(1)(x)`, and `self.act(x)` where `self.act` is an `nn.Softmax`."""
    if not isinstance(call, ast.Call):
        return False
    if named(source, call, (ACTIVATIONS.get(name, name),)) and _field(source, call) is None:
        return True
    if isinstance(call.func, ast.Call):
        return named(source, call.func, (name,))
    if holder is not None and isinstance(call.func, ast.Attribute) and source.code(call.func.value) == "self":
        made = made_as(source, holder, call.func.attr)
        return made is not None and named(source, made, (name,))
    return False


def _last_of_forward(source: Source, holder: ast.ClassDef, name: str) -> list[Change] | None:
    """The changes that take away the activation at the end of forward; None unless every return ends so."""
    forward = forward_of(holder)
    if forward is None:
        return None
    changes: list[Change] = []
    returns = [node for node in ast.walk(forward) if isinstance(node, ast.Return) and source.function_of(node) is forward]
    for returned in returns:
        found = None if returned.value is None else _ending(source, holder, forward, returned.value, returned, name)
        if found is None:
            return None
        changes += [change for change in found if change not in changes]
    return changes or None


def _ending(
    source: Source, holder: ast.ClassDef, forward: ast.FunctionDef, value: ast.expr, at: ast.stmt, name: str
) -> list[Change] | None:
    """Follow what is returned back to the activation: through names, shapes and the Sequentials of the class."""
    if _is_activation(source, holder, value, name):
        assert isinstance(value, ast.Call)
        taken = inside(source, value)
        if taken is None:
            return None
        if isinstance(at, ast.Assign) and len(at.targets) == 1 and source.code(at.targets[0]) == taken.text:
            return source.without([at])  # x = softmax(x)
        return [taken]
    if isinstance(value, ast.Name):
        earlier = [
            node
            for node in ast.walk(forward)
            if isinstance(node, ast.Assign)
            and source.span(node)[0] < source.span(at)[0]
            and any(source.code(t) == value.id for t in node.targets)
        ]
        last = max(earlier, key=source.span, default=None)
        return None if last is None else _ending(source, holder, forward, last.value, last, name)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if value.func.attr in ("squeeze", "view", "reshape", "flatten", "unsqueeze") and not source.code(value.func.value).startswith(
            "self"
        ):
            inner = value.args[0] if source.qualified(value.func).startswith("torch.") and value.args else value.func.value
            return _ending(source, holder, forward, inner, at, name)
        if source.code(value.func.value) == "self" and (made := made_as(source, holder, value.func.attr)) is not None:
            return _last_element(source, made, name)
    return None


def _last_of_sequentials(source: Source, area: ast.AST, name: str) -> list[Change] | None:
    """The only Sequential of the file that ends with the activation."""
    found = [changes for call in _sequentials(source, area) if (changes := _last_element(source, call, name)) is not None]
    return found[0] if len(found) == 1 else None


def _last_element(source: Source, call: ast.Call, name: str) -> list[Change] | None:
    """The changes that take the activation from a Sequential's end, whether it stands there, in the list that is handed over, or is appended to that."""
    if not named(source, call, ("torch.nn.Sequential",)):
        return None
    elements = _elements(call)
    if len(elements) == 1 and isinstance(elements[0], ast.Starred):
        return _last_of_list(source, elements[0].value, call, name)
    if len(elements) < 2 or not _makes(source, elements[-1], name):
        return None
    before, last = source.span(elements[-2])[1], source.span(elements[-1])
    between = source.text[before : last[0]]
    if "#" in between:  # a comment behind the one before stays there
        line = source.line_start(last[0])
        stop = source.line_end(last[1])
        if source.text[line : last[0]].strip() or not re.fullmatch(r"\s*,?\s*(#.*)?", source.text[last[1] : stop]):
            return None
        return [Change(line, stop + len(source.newline), "")]
    return [Change(before, last[1], "")]


def _last_of_list(source: Source, written: ast.expr, call: ast.Call, name: str) -> list[Change] | None:
    """`Sequential(*layers)`: the last that is appended to `layers`, or its last element."""
    if isinstance(written, ast.List) and len(written.elts) > 1 and _makes(source, written.elts[-1], name):
        return [Change(source.span(written.elts[-2])[1], source.span(written.elts[-1])[1], "")]
    if not isinstance(written, ast.Name | ast.Attribute):
        return None
    listed, within = source.code(written), source.function_of(call)
    grown: list[ast.stmt] = []
    for node in ast.walk(within):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            grows = source.code(node.value.func) in (f"{listed}.append", f"{listed}.extend")
        else:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
            grows = any(source.code(target) == listed for target in targets)
        if grows and isinstance(node, ast.stmt):
            grown.append(node)
    last = max(grown, key=source.span, default=None)
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and len(last.value.args) == 1:
        given = last.value.args[0]
        if _makes(source, given, name) and not any(isinstance(outer, ast.For) for outer in source.above(last)):
            return source.without([last])
        return _last_of_list(source, given, call, name) if isinstance(given, ast.List) else None
    if isinstance(last, ast.AugAssign | ast.Assign) and isinstance(last.value, ast.List):
        if len(last.value.elts) == 1 and isinstance(last, ast.AugAssign) and _makes(source, last.value.elts[0], name):
            return source.without([last])
        return _last_of_list(source, last.value, call, name)
    return None


def _makes(source: Source, element: ast.expr, name: str) -> bool:
    """`nn.Softmax(dim=1)`, and `("softmax", nn.Softmax(dim=1))` of an OrderedDict."""
    if isinstance(element, ast.Tuple) and len(element.elts) == 2:
        element = element.elts[1]
    return isinstance(element, ast.Call) and named(source, element, (name,))


def _sequentials(source: Source, area: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(area):
        if isinstance(node, ast.Call) and named(source, node, ("torch.nn.Sequential",)):
            yield node


def _elements(call: ast.Call) -> Sequence[ast.expr]:
    """A Sequential's elements, or the pairs of its OrderedDict."""
    if len(call.args) == 1 and isinstance(call.args[0], ast.Call) and call.args[0].args:
        inner = call.args[0].args[0]
        if isinstance(inner, ast.List | ast.Tuple):
            return inner.elts
    return call.args


def _swapped(source: Source, call: ast.Call, old: str, new: str) -> list[Change]:
    """One activation's call as that of another, None of its settings kept."""
    old_function, new_function = ACTIVATIONS.get(old, old), ACTIVATIONS.get(new, new)
    meant = source.qualified(call.func)
    if meant == f"torch.nn.{old}" or (meant.rpartition(".")[2] == old and meant.startswith("torch.")):
        name, imports = source.spelled(f"torch.nn.{new}", call.func)
        return [Change(*source.span(call), f"{name}()"), *imports]
    if meant in (f"torch.{old_function}", f"torch.nn.functional.{old_function}"):
        plain = meant.startswith("torch.nn.") or new_function not in _IN_TORCH
        name, imports = source.spelled(("torch.nn.functional." if plain else "torch.") + new_function, call.func)
        if not call.args:
            return []
        return [Change(*source.span(call), f"{name}({source.code(call.args[0])})"), *imports]
    if isinstance(call.func, ast.Attribute) and call.func.attr == old_function and meant.partition(".")[0] not in {*source.names, "self"}:
        if new_function not in _IN_TORCH - {"selu"}:
            return []
        return [Change(*source.span(call), f"{source.code(call.func.value)}.{new_function}()")]
    return []


def _around_linear(source: Source, holder: ast.ClassDef, new: str) -> list[Change]:
    """`self.fc1(x)` -> `torch.relu(self.fc1(x))` in forward, for all linear layers but the last, where forward has no activation at all."""
    forward = forward_of(holder)
    if forward is None:
        return []
    calls = [node for node in ast.walk(forward) if isinstance(node, ast.Call)]
    if any(_is_activation(source, holder, call, name) for call in calls for name in ACTIVATIONS):
        return []
    linear = [call for call in calls if (field := _field(source, call)) is not None and _linear_field(source, holder, field)]
    linear.sort(key=lambda call: source.span(call)[1])
    function = ACTIVATIONS.get(new, new.lower())
    name, imports = source.spelled(f"torch.{function}" if function in _IN_TORCH else f"torch.nn.functional.{function}")
    changes: list[Change] = []
    for call in linear[:-1]:
        start, end = source.span(call)
        changes += [Change(start, start, f"{name}("), Change(end, end, ")")]
    return [*changes, *imports] if changes else []


def _field(source: Source, call: ast.Call) -> str | None:
    """`fc1` of `self.fc1(x)`."""
    if isinstance(call.func, ast.Attribute) and source.code(call.func.value) == "self":
        return call.func.attr
    return None


def _linear_field(source: Source, holder: ast.ClassDef, field: str) -> bool:
    made = made_as(source, holder, field)
    return made is not None and _is_linear(source, made)


def _is_linear(source: Source, call: ast.Call) -> bool:
    return named(source, call, ("torch.nn.Linear", "torch.nn.LazyLinear"))


def _assigned_to(source: Source, holder: ast.ClassDef, name: str) -> list[ast.expr | None]:
    """The values that a class assigns to `self.field`."""
    found: list[ast.expr | None] = []
    for node in ast.walk(holder):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(source.code(target) == name for target in targets) and isinstance(node, ast.Assign | ast.AnnAssign):
            found.append(node.value)
    return found


def _last_linear(source: Source, holder: ast.ClassDef | None) -> ast.Call | None:
    """The linear layer that makes the outputs: the last that forward calls, or the last of the only Sequential."""
    if holder is not None and (forward := forward_of(holder)) is not None:
        called = [node for node in ast.walk(forward) if isinstance(node, ast.Call) and _field(source, node) is not None]
        for call in sorted(called, key=lambda node: source.span(node)[1], reverse=True):
            made = made_as(source, holder, _field(source, call) or "")
            if made is not None and _is_linear(source, made):
                return made
            if made is not None and named(source, made, ("torch.nn.Sequential",)):
                return _last_linear_of(source, made)
        return None
    found = [last for call in _sequentials(source, source.tree) if (last := _last_linear_of(source, call)) is not None]
    return found[0] if len(found) == 1 else None


def _last_linear_of(source: Source, call: ast.Call) -> ast.Call | None:
    linear = [
        element
        for item in _elements(call)
        for element in ([item.elts[1]] if isinstance(item, ast.Tuple) and len(item.elts) == 2 else [item])
        if isinstance(element, ast.Call) and _is_linear(source, element)
    ]
    return linear[-1] if linear else None


def _initialises(source: Source, statement: ast.stmt) -> bool:
    """Whether a statement sets weights: by `nn.init`, by a method in place on a weight or a parameter, by an assignment to `weight.data`."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = source.code(statement.targets[0])
        return target.endswith((".weight.data", ".bias.data")) or (
            target.endswith(".weight") and target != "self.weight" and "Parameter(" in source.code(statement.value)
        )
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    call = statement.value
    meant = source.qualified(call.func)
    if "init." in meant and meant.startswith("torch.nn"):
        about = source.code(call.args[0]) if call.args else ""
        return not ("bias" in about and (meant.endswith("zeros_") or source.code(call).replace(" ", "").endswith((",0)", ",0.0)", ",0.)"))))
    if not isinstance(call.func, ast.Attribute) or not _INITIAL.search(call.func.attr):
        return False
    about = source.code(call.func.value)
    if re.search(r"\b(bias)\b", about):
        return not (call.func.attr == "zero_" or source.code(call).replace(" ", "").endswith(("fill_(0)", "fill_(0.0)", "fill_(0.)")))
    if re.search(r"\bweight\b", about):
        return True
    return about.removesuffix(".data") in _parameters(source, statement)


def _parameters(source: Source, statement: ast.stmt) -> set[str]:
    """The names that a loop over `parameters()` gives around a statement."""
    names: set[str] = set()
    for outer in source.above(statement):
        if isinstance(outer, ast.For) and "parameters()" in source.code(outer.iter):
            names |= {node.id for node in ast.walk(outer.target) if isinstance(node, ast.Name)}
    return names
