"""Edits of the loop: zeroing, the order of its three calls, modes, clipping, how often it runs, the order of the rows."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterable, Sequence

from goodfit.doctor.program import Place
from goodfit.doctor.source import Change, Edit, Source, own
from goodfit.doctor.source_calls import around, assigned, number

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_BETWEEN = {"clip_grad_norm_", "clip_grad_value_", "unscale_", "clip_grad_norm", "clip_gradients"}  # calls between backward and step
_COUNTS = re.compile(r"epoch|step|iter|round|update|\bep\b|_ep\b|\bit\b", re.IGNORECASE)  # what loops that train are counted in


def insert_zero_grad(step: Place, backward: Place | None = None) -> Edit | None:
    """`NAME.zero_grad()` before backward, or below `NAME.step()` where backward stands in another function, which comes to the same."""
    source = Source.read(step.file)
    name = None if source is None else stepped(source, step)
    if source is None or name is None:
        return None
    stepping = _statement(source, step, "step")
    before = _statement(source, backward, "backward") if backward is not None and backward.file == step.file else None
    if stepping is None:
        return None
    if before is not None and source.function_of(before) is source.function_of(stepping):
        return source.edit(source.before(before, f"{name}.zero_grad()"))
    return source.edit(source.after(stepping, f"{name}.zero_grad()"))


def order_steps(backward: Place, step: Place, zero: Place | None = None) -> Edit | None:
    """Zeroing before backward, the update after it (and after clipping): the calls are moved with their lines. None where they stand so already."""
    if {place.file for place in (backward, step, zero) if place is not None} != {step.file}:
        return None
    source = Source.read(step.file)
    if source is None:
        return None
    backs, steps = _statement(source, backward, "backward"), _statement(source, step, "step")
    zeros = None if zero is None else _statement(source, zero, "zero_grad")
    if backs is None or steps is None:
        return None
    level = _level(source, backs, steps)
    if level is None:
        return None
    block, at, moved = level
    changes: list[Change] = []
    upto = block.index(moved)
    if upto < at:  # the update stands before backward
        if moved is not steps:
            return None
        last = _below(block, at)
        changes, upto = [*source.without([steps]), *source.after(last, source.line_of(steps))], block.index(last)
    elif isinstance(block[at], _LOOPS) and upto > at:  # backward is in the loop, the update below it
        inner = source.block(backs)
        changes = (
            [*source.without([moved]), *source.after(_below(inner, inner.index(backs)), source.line_of(steps))] if moved is steps else []
        )
    if zeros is not None and zeros in block and at < block.index(zeros) <= upto:  # it takes away what the update needs
        changes += [*source.without([zeros]), *source.before(block[at], source.line_of(zeros))]
    return source.edit(changes)


def insert_step(backward: Place, optimizer: Place, zero: Place | None = None) -> Edit | None:
    """`NAME.step()` below backward, for a program that never updates: NAME from where the optimiser was made, from its `zero_grad()` beside backward, or
    what the function calls it that backward stands in.
    """
    source = Source.read(backward.file)
    statement = None if source is None else _statement(source, backward, "backward")
    if source is None or statement is None:
        return None
    name = assigned(source, optimizer) if optimizer.file == source.file else None
    if name is None or not _visible(source, name, statement):
        name = _zeroed(source, zero, statement) or (None if name is None else _handed_in(source, name, statement))
    if name is None:
        return None
    block = source.block(statement)
    return source.edit(source.after(_below(block, block.index(statement)), f"{name}.step()"))


def _zeroed(source: Source, zero: Place | None, beside: ast.stmt) -> str | None:
    """The optimiser's name at its `zero_grad()`, where that stands in the same function."""
    statement = _statement(source, zero, "zero_grad") if zero is not None and zero.file == source.file else None
    if statement is None or source.function_of(statement) is not source.function_of(beside):
        return None
    call = next(node for node in own(statement) if isinstance(node, ast.Call) and _name_of(node) == "zero_grad")
    return source.code(call.func.value) if isinstance(call.func, ast.Attribute) else None


def _handed_in(source: Source, name: str, at: ast.stmt) -> str | None:
    """The parameter that a variable is handed to in every call of the function that a statement stands in."""
    function = source.function_of(at)
    if not isinstance(function, ast.FunctionDef):
        return None
    given = [argument.arg for argument in function.args.args]
    found: set[str] = set()
    for call in ast.walk(source.tree):
        if isinstance(call, ast.Call) and _name_of(call) == function.name:
            found |= {parameter for parameter, value in zip(given, call.args, strict=False) if source.code(value) == name}
            found |= {word.arg for word in call.keywords if word.arg and source.code(word.value) == name}
    return found.pop() if len(found) == 1 else None


def insert_train(forward: Place, step: Place | None = None, model: Place | None = None) -> Edit | None:
    """`model.train()` as the first line of the innermost loop that trains."""
    source = Source.read(forward.file)
    name = None if source is None else network_name(source, forward, model)
    if source is None or name is None:
        return None
    statement = next(iter(source.statements_at(forward.line)), None)
    if step is not None and step.file == forward.file:
        statement = _statement(source, step, "step") or statement
    if statement is None:
        return None
    loop = _loops(source, statement)
    if not loop:
        called = source.statements_at(forward.line)[0]
        return source.edit(source.before(called, f"{name}.train()"))
    return source.edit(source.before(loop[0].body[0], f"{name}.train()"))


def insert_eval(evaluation: Place, model: Place | None = None) -> Edit | None:
    """`model.eval()` before the loop or the `with` that evaluates, `model.train()` below it where training goes on after it."""
    source = Source.read(evaluation.file)
    name = None if source is None else network_name(source, evaluation, model)
    statements = [] if source is None else source.statements_at(evaluation.line)
    if source is None or name is None or not statements:
        return None
    top = statements[0]
    for outer in source.above(statements[0]):
        if not isinstance(outer, (*_LOOPS, ast.With)) or _calls(outer, "backward") or _calls(outer, "step"):
            break
        top = outer
    changes = source.before(top, f"{name}.eval()")
    within = [outer for outer in source.above(top) if isinstance(outer, _LOOPS)]
    trains = any(_calls(outer, "backward") or _calls(outer, "step") for outer in within)
    elsewhere = bool(within) or source.function_of(top) is not source.tree
    if (trains or elsewhere) and not isinstance(top, ast.Return) and not _trains_each_round(source, within, name, top):
        changes += source.after(top, f"{name}.train()")
    return source.edit(changes)


def insert_clipping(step: Place, limit: float, forward: Place | None = None, model: Place | None = None) -> Edit | None:
    """`clip_grad_norm_` before the update: of the network where its name is known there, else of the optimiser's weights."""
    source = Source.read(step.file)
    stepping = None if source is None else _statement(source, step, "step")
    optimizer = None if source is None else stepped(source, step)
    if source is None or stepping is None or optimizer is None:
        return None
    name = network_name(source, forward, model) if forward is not None and forward.file == step.file else None
    near = forward is not None and any(
        source.function_of(found) is source.function_of(stepping) for found in source.statements_at(forward.line)
    )
    weights = f"{name}.parameters()" if name is not None and near else f'[p for group in {optimizer}.param_groups for p in group["params"]]'
    clip, imports = source.spelled("torch.nn.utils.clip_grad_norm_")
    call = next(node for node in own(stepping) if isinstance(node, ast.Call) and _name_of(node) == "step")
    scaler = source.code(call.func.value) if isinstance(call.func, ast.Attribute) and source.code(call.func.value) != optimizer else None
    unscaled = [] if scaler is None or f"{scaler}.unscale_" in source.text else [f"{scaler}.unscale_({optimizer})"]
    return source.edit([*source.before(stepping, *unscaled, f"{clip}({weights}, {number(limit)})"), *imports])


def multiply_epochs(step: Place, factor: float, given: Sequence[str] | None = None) -> Edit | None:
    """The outermost loop that trains runs `factor` times as often: its number, the constant or the default that holds it, or `factor * (...)`.

    factor: a whole number, or a share below 1, which leaves one round at least.

    given: the arguments that the script was run with, those of this process when None; a default that they override is left alone.
    """
    source = Source.read(step.file)
    statement = None if source is None else _statement(source, step, "step")
    if source is None or statement is None:
        return None
    loops = [loop for loop in _reaching(source, statement) if _stop(loop) is not None]
    loops = [loop for loop in loops if _COUNTS.search(_head(source, loop))] or loops  # not the loop over seeds or folds around it
    stop = _stop(loops[-1]) if loops else None
    return None if stop is None else source.edit(_multiplied(source, stop, factor, sys.argv[1:] if given is None else given))


def shuffle_rows(step: Place) -> Edit | None:
    """The rows put into a random order: `torch.arange(n)` that a loop takes its rows from becomes `torch.randperm(n)`; else, once, before the loop
    whose batches are slices or pieces, `X, y = X[order], y[order]`, and of a list `rows = [rows[i] for i in order]`.
    """
    source = Source.read(step.file)
    statement = None if source is None else _statement(source, step, "step")
    loops = [] if source is None or statement is None else _loops(source, statement)
    if source is None or not loops:
        return None
    counted = [
        node
        for loop in loops
        if isinstance(loop, ast.For)
        for node in ast.walk(loop.iter)
        if isinstance(node, ast.Call) and source.qualified(node.func) in ("torch.arange", "numpy.arange") and len(node.args) == 1
    ]
    if len(counted) == 1:
        drawn = "torch.randperm" if source.qualified(counted[0].func) == "torch.arange" else "numpy.random.permutation"
        name, imports = source.spelled(drawn, counted[0].func)
        return source.edit([Change(*source.span(counted[0].func), name), *imports])
    names = _sliced(source, loops[0]) or _handed(source, loops[0])
    if not names:
        return None
    order = next(name for name in ("order", "shuffled", "random_order", "new_order") if not re.search(rf"\b{name}\b", source.text))
    randperm, imports = source.spelled("torch.randperm")
    listed = [_is_list(source, name) for name in names]
    if any(listed):
        mixed = [f"{name} = [{name}[i] for i in {order}]" for name in names] if all(listed) else []
        return (
            source.edit([*source.before(loops[-1], f"{order} = {randperm}(len({names[0]})).tolist()", *mixed), *imports]) if mixed else None
        )
    mixed = [f"{', '.join(names)} = {', '.join(f'{name}[{order}]' for name in names)}"]
    return source.edit([*source.before(loops[-1], f"{order} = {randperm}(len({names[0]}))", *mixed), *imports])


def _sliced(source: Source, loop: ast.AST) -> list[str]:
    """What a loop takes slices of that move on: `X[i : i + 32]`."""
    names: list[str] = []
    for node in ast.walk(loop):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and isinstance(node.value, ast.Name | ast.Attribute):
            lower = node.slice.lower
            moving = lower is not None and not isinstance(lower, ast.Constant)
            if moving and isinstance(node.ctx, ast.Load) and (name := source.code(node.value)) not in names:
                names.append(name)
    return names


def _handed(source: Source, loop: ast.For | ast.AsyncFor | ast.While) -> list[str]:
    """What a loop's iterator cuts into pieces: of `zip(X.split(32), y.split(32))`, `batches(X, y)`, and `batches(rows)` for a list of rows."""
    if isinstance(loop, ast.While):
        return []
    calls = [node for node in ast.walk(loop.iter) if isinstance(node, ast.Call)]
    cut = [call.func.value for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in ("split", "chunk")]
    if cut and all(isinstance(one, ast.Name | ast.Attribute) for one in cut):
        return [source.code(one) for one in cut]
    call = loop.iter
    if not isinstance(call, ast.Call) or source.qualified(call.func) in source.names or not isinstance(call.func, ast.Name):
        return []
    made_here = any(isinstance(node, ast.FunctionDef) and node.name == call.func.id for node in ast.walk(source.tree))
    names = [
        given.id for given in call.args if isinstance(given, ast.Name) and not re.search(r"size|batch|bs$|_n$|^n$|epoch|rng", given.id)
    ]
    fits = len(names) == 2 or (len(names) == 1 and _is_list(source, names[0]))
    return names if made_here and fits else []


def _is_list(source: Source, name: str) -> bool:
    """Whether all that is assigned to a name is a list."""
    values = [
        node.value
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign) and any(source.code(target) == name for target in node.targets)
    ]
    return bool(values) and all(
        isinstance(value, ast.List | ast.ListComp) or (isinstance(value, ast.Call) and _name_of(value) in ("list", "sorted"))
        for value in values
    )


def scale_backward(backward: Place, template: str) -> Edit | None:
    """The loss scaled where its gradients are computed: `loss.backward()` -> `(loss / 32).backward()` by `({} / 32)`."""
    source = Source.read(backward.file)
    statement = None if source is None else _statement(source, backward, "backward")
    if source is None or statement is None:
        return None
    calls = [node for node in own(statement) if isinstance(node, ast.Call) and _name_of(node) == "backward"]
    if len(calls) != 1 or not isinstance(calls[0].func, ast.Attribute):
        return None
    return source.edit(around(source, calls[0].func.value, template))


# What those are made of


def stepped(source: Source, step: Place) -> str | None:
    """The optimiser's name at its `step()`: `optimizer`, `self.optimizer`, and `optimizer` of `scaler.step(optimizer)`."""
    found = [call for call in source.calls_at(step) if _name_of(call) == "step" and isinstance(call.func, ast.Attribute)]
    if len(found) != 1:
        return None
    call = found[0]
    assert isinstance(call.func, ast.Attribute)
    name = source.code(call.func.value)
    if call.args and (f"{name}.scale(" in source.text or "scaler" in name.lower()):
        name = source.code(call.args[0])
    return name if re.fullmatch(r"[\w.\[\]'\"]+", name) else None


def network_name(source: Source, forward: Place, model: Place | None = None) -> str | None:
    """What a network is called where it is called: the name that was given where it was made, else the innermost call of a variable."""
    calls = [call for call in source.calls_at(forward) if isinstance(call.func, ast.Name | ast.Attribute)]
    written = [source.code(call.func) for call in calls]
    made = assigned(source, model) if model is not None and model.file == source.file else None
    if made is not None and any(name == made for name in written):
        return made
    functions = {node.name for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    known = functions | set(source.names) | set(dir(builtins))
    likely = [
        name
        for name in written
        if ("." not in name or re.fullmatch(r"self\.\w+", name))
        and name not in known
        and not re.search(r"loss|crit|metric|acc", name.lower())
    ]
    likely += [name.removesuffix(".forward") for name in written if name.endswith(".forward") and not name.startswith("super")]
    return likely[0] if likely else None


def _below(block: Sequence[ast.stmt], at: int) -> ast.stmt:
    """The statement below which an update belongs: backward, or the clipping that follows it."""
    last = block[at]
    for following in block[at + 1 :]:
        if not any(_calls(following, name) for name in _BETWEEN):
            break
        last = following
    return last


def _statement(source: Source, place: Place | None, method: str) -> ast.stmt | None:
    """The statement of its own at a place that calls a method, such as `loss.backward()`."""
    if place is None:
        return None
    found = [
        statement
        for statement in source.statements_at(place.line)
        if isinstance(statement, ast.Expr | ast.Assign) and _calls(statement, method)
    ]
    return found[0] if len(found) == 1 else None


def _name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""


def _calls(node: ast.AST, name: str) -> bool:
    return any(isinstance(inner, ast.Call) and _name_of(inner) == name for inner in ast.walk(node))


def _level(source: Source, backward: ast.stmt, step: ast.stmt) -> tuple[list[ast.stmt], int, ast.stmt] | None:
    """The block in which both stand, each by itself or inside a statement: the block, the index of the one with backward, the one with the update."""
    chain = [backward, *(outer for outer in source.above(backward) if isinstance(outer, ast.stmt))]
    other = [step, *(outer for outer in source.above(step) if isinstance(outer, ast.stmt))]
    for statement in chain:
        block = source.block(statement)
        meeting = next((candidate for candidate in other if candidate in block), None)
        if meeting is not None:
            return (block, block.index(statement), meeting) if meeting is not statement else None
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            return None
    return None


def _loops(source: Source, statement: ast.stmt) -> list[ast.For | ast.AsyncFor | ast.While]:
    """The loops around a statement within its function, the innermost first."""
    found: list[ast.For | ast.AsyncFor | ast.While] = []
    for outer in source.above(statement):
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            break
        if isinstance(outer, _LOOPS):
            found.append(outer)
    return found


def _reaching(source: Source, statement: ast.stmt, seen: frozenset[str] = frozenset()) -> list[ast.For | ast.AsyncFor | ast.While]:
    """The loops around a statement and around the only calls of the functions that hold it, the outermost last."""
    loops = _loops(source, statement)
    function = source.function_of(statement)
    name = getattr(function, "name", None)
    if name is None or name in seen:
        return loops
    callers = [
        node
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and _name_of(node) == name and source.function_of(node) is not function
    ]
    outer = [found for call in callers if (held := source.statement_of(call)) and (found := _reaching(source, held, seen | {name}))]
    return [*loops, *(outer[0] if len(outer) == 1 else [])]


def _stop(loop: ast.For | ast.AsyncFor | ast.While) -> tuple[ast.expr, ast.expr | None] | None:
    """How often a loop runs: its bound, and where it begins to count if not at 0."""
    if isinstance(loop, ast.While):
        test = loop.test
        plain = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Lt | ast.LtE)
        return (test.comparators[0], None) if plain and isinstance(test, ast.Compare) else None
    for node in ast.walk(loop.iter):
        if isinstance(node, ast.Call) and _name_of(node) in ("range", "trange") and node.args:
            if _name_of(node) == "range" and len(node.args) == 3:
                return None  # steps through rows
            return (node.args[1], node.args[0]) if len(node.args) == 2 else (node.args[0], None)
    return None


def _head(source: Source, loop: ast.For | ast.AsyncFor | ast.While) -> str:
    """What a loop counts and up to where, as written."""
    return source.code(loop.test) if isinstance(loop, ast.While) else f"{source.code(loop.target)} {source.code(loop.iter)}"


def _multiplied(source: Source, bound: tuple[ast.expr, ast.expr | None], factor: float, given: Sequence[str]) -> list[Change]:
    stop, start = bound

    def times(count: int) -> int:
        return max(1, round(factor * count))

    def written(count: str) -> str:
        return f"{factor:g} * {count}" if factor >= 1 else f"max(1, round({factor:.3g} * {count}))"

    if isinstance(start, ast.Constant) and start.value == 0:
        start = None
    if isinstance(stop, ast.Constant) and isinstance(stop.value, int) and (start is None or isinstance(start, ast.Constant)):
        first = start.value if isinstance(start, ast.Constant) and isinstance(start.value, int) else 0
        return [Change(*source.span(stop), str(first + times(stop.value - first)))]
    counted = stop
    if start is not None:  # range(1, N + 1) runs N times
        plus = isinstance(stop, ast.BinOp) and isinstance(stop.op, ast.Add) and source.code(stop.right) == source.code(start)
        if not plus or not isinstance(stop, ast.BinOp):
            return [Change(*source.span(stop), f"{source.code(start)} + {written(f'({source.code(stop)} - {source.code(start)})')}")]
        counted = stop.left
    held = _held(source, counted, given)
    if held is not None:
        return [Change(*source.span(held), str(times(_whole(held))))]
    plain = isinstance(counted, ast.Name | ast.Attribute | ast.Subscript | ast.Call)
    return [Change(*source.span(counted), written(source.code(counted) if plain else f"({source.code(counted)})"))]


def _held(source: Source, name: ast.expr, given: Iterable[str]) -> ast.Constant | None:
    """The one whole number that a name stands for in this file: a constant, a class's field, a default of a parser, an entry of a dict."""
    last = name.id if isinstance(name, ast.Name) else name.attr if isinstance(name, ast.Attribute) else None
    if isinstance(name, ast.Subscript) and isinstance(name.slice, ast.Constant) and isinstance(name.slice.value, str):
        last = name.slice.value
    if last is None or not _COUNTS.search(last):
        return None  # what is named otherwise may be more than a count: rows, the size of a network
    values: list[ast.expr | None] = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name | ast.Attribute) and source.code(target).rpartition(".")[2] == last for target in targets):
                values.append(node.value)
        elif isinstance(node, ast.Dict):
            values += [
                value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant) and key.value == last
            ]
        elif isinstance(node, ast.arguments) and any(argument.arg == last for argument in [*node.args, *node.kwonlyargs]):
            values.append(None)  # what a caller gives is not followed
        elif isinstance(node, ast.Call) and _name_of(node) == "add_argument":
            options = [option.value for option in node.args if isinstance(option, ast.Constant) and isinstance(option.value, str)]
            if any(option.lstrip("-").replace("-", "_") == last for option in options):
                overridden = any(word.partition("=")[0] in options for word in given)
                default = next((word.value for word in node.keywords if word.arg == "default"), None)
                values.append(None if overridden else default)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("dict", "Namespace", "SimpleNamespace"):
            values += [word.value for word in node.keywords if word.arg == last]
    only = values[0] if len(values) == 1 else None
    return only if isinstance(only, ast.Constant) and type(only.value) is int else None


def _whole(constant: ast.Constant) -> int:
    assert isinstance(constant.value, int)
    return constant.value


def _trains_each_round(source: Source, loops: Sequence[ast.AST], name: str, evaluation: ast.AST) -> bool:
    """Whether `model.train()` stands in a loop around an evaluation, or anywhere but in it where no loop is around."""
    written = f"{name}.train()"
    inside = set(ast.walk(evaluation))
    for holder in loops or [source.tree]:
        for node in ast.walk(holder):
            if isinstance(node, ast.Call) and node not in inside and source.code(node) in (written, f"{name}.train(True)"):
                return True
    return False


def _visible(source: Source, name: str, at: ast.stmt) -> bool:
    """Whether a name that is assigned somewhere may be used at a statement: in the same function, at the module's level, as a field of self, or as a parameter."""
    if "." in name:
        return name.startswith("self.")
    function = source.function_of(at)
    if function is source.tree:
        return True
    arguments = {argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg)}
    stored = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    top = {
        node.id
        for statement in source.tree.body
        for node in own(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return name in arguments | stored | top
