"""Edits of a network's layers: wider hidden ones, norms behind them, fewer of them, and of the batch size, where a number in the file says it.

Numbers are followed from a layer's call to the name that holds them, and to what a caller hands over; what is worked out is left alone and gives None.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from goodfit.doctor.program import Place
from goodfit.doctor.source import Change, Edit, Source
from goodfit.doctor.source_calls import named, set_argument
from goodfit.doctor.source_networks import class_of

LAYERS = ("Linear", "Conv1d", "Conv2d", "Conv3d", "RNN", "LSTM", "GRU")
NORMS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LayerNorm")
BEHIND = {"Linear": "LayerNorm", "Conv1d": "BatchNorm1d", "Conv2d": "BatchNorm2d", "Conv3d": "BatchNorm3d"}
LISTS = ("hidden", "size", "width", "dims", "units", "channels", "layers")  # names that lists of widths bear
WIDTHS = ("in_features", "out_features", "in_channels", "out_channels", "input_size", "hidden_size", "num_features", "normalized_shape")


def widen(file: str, old: int, new: int, owner: str = "Sequential") -> Edit | None:
    """Hidden layers of `old` units get `new`: the number itself wherever a layer takes or gives it, or the name that holds it.

    The first layer's inputs and the last one's outputs stay. None where `old` is not written as a number, or the same name says an input or an output.
    """
    source = Source.read(file)
    if source is None:
        return None
    calls = _layers(source, owner)
    weighted = [call for call in calls if _kind(source, call) in LAYERS]
    if not weighted:
        return None
    ends = {id(_width(weighted[0], 0)), id(_width(weighted[-1], 1))}
    kept = {source.code(end) for end in (_width(weighted[0], 0), _width(weighted[-1], 1)) if isinstance(end, ast.Name | ast.Attribute)}
    changes: list[Change] = []
    for call in calls:
        for place in range(2 if _kind(source, call) in LAYERS else 1):
            given = _width(call, place)
            if given is None or id(given) in ends:
                continue
            held = _constant(source, given)
            if held is None or held.value != old or source.code(given) in kept:
                continue
            changes.append(Change(*source.span(held), str(new)))
    return source.edit(list(dict.fromkeys(changes)) or _listed(source, old, new))


def _listed(source: Source, old: int, new: int) -> list[Change]:
    """The number in the one list of widths that the file has: by its name, or handed to a function or class of the file."""
    found: list[ast.List | ast.Tuple] = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(word in source.code(target).lower() for target in targets for word in LISTS) and isinstance(
                node.value, ast.List | ast.Tuple
            ):
                found.append(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and source.qualified(node.func) == node.func.id:
            found += [given for given in [*node.args, *(word.value for word in node.keywords)] if isinstance(given, ast.List | ast.Tuple)]
        elif isinstance(node, ast.arguments):
            found += [default for default in [*node.defaults, *node.kw_defaults] if isinstance(default, ast.List | ast.Tuple)]
    fitting = [
        one
        for one in found
        if all(_is_whole(part) for part in one.elts) and any(isinstance(part, ast.Constant) and part.value == old for part in one.elts)
    ]
    if len(fitting) != 1:
        return []
    return [Change(*source.span(part), str(new)) for part in fitting[0].elts if isinstance(part, ast.Constant) and part.value == old]


def _is_whole(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) and type(part.value) is int


def insert_norms(file: str, owner: str = "Sequential") -> Edit | None:
    """`nn.Linear(a, b)` -> `nn.Sequential(nn.Linear(a, b), nn.LayerNorm(b))` for every layer but the last of the file's network."""
    source = Source.read(file)
    if source is None:
        return None
    calls = [call for call in _layers(source, owner) if _kind(source, call) in BEHIND]
    changes: list[Change] = []
    for call in calls[:-1]:
        width = _width(call, 1)
        if width is None:
            return None
        norm, imports = source.spelled(f"torch.nn.{BEHIND[_kind(source, call)]}", call.func)
        holder, more = source.spelled("torch.nn.Sequential", call.func)
        start, end = source.span(call)
        changes += [Change(start, start, f"{holder}("), Change(end, end, f", {norm}({source.code(width)}))"), *imports, *more]
    return source.edit(changes)


def group_norms(file: str, groups: int) -> Edit | None:
    """`nn.BatchNorm2d(c)` -> `nn.GroupNorm(groups, c)` wherever the file makes one; of `nn.BatchNorm1d(c)`, whose rows may have no places, one group."""
    source = Source.read(file)
    changes: list[Change] = []
    for call in [] if source is None else [node for node in ast.walk(source.tree) if isinstance(node, ast.Call)]:
        kind = next(
            (one for one in NORMS if one.startswith("Batch") and source is not None and named(source, call, (f"torch.nn.{one}",))), ""
        )
        if not kind or source is None:
            continue
        width = _width(call, 0)
        if width is None:
            return None
        kept = [f"{word.arg}={source.code(word.value)}" for word in call.keywords if word.arg in ("eps", "affine")]
        norm, imports = source.spelled("torch.nn.GroupNorm", call.func)
        given = ", ".join([str(1 if kind == "BatchNorm1d" else groups), source.code(width), *kept])
        changes += [Change(*source.span(call), f"{norm}({given})"), *imports]
    return source.edit(list(dict.fromkeys(changes))) if source is not None and changes else None


def insert_hidden(file: str, units: int, owner: str = "Sequential") -> Edit | None:
    """The only layer, `nn.Linear(a, b)`, as `nn.Sequential(nn.Linear(a, units), nn.ReLU(), nn.Linear(units, b))`."""
    source = Source.read(file)
    calls = [] if source is None else [call for call in _layers(source, owner) if _kind(source, call) == "Linear"]
    if source is None or len(calls) != 1:
        return None
    call = calls[0]
    taken, made = _width(call, 0), _width(call, 1)
    if taken is None or made is None:
        return None
    linear = source.code(call.func)
    holder, imports = source.spelled("torch.nn.Sequential", call.func)
    relu, more = source.spelled("torch.nn.ReLU", call.func)
    written = f"{holder}({linear}({source.code(taken)}, {units}), {relu}(), {linear}({units}, {source.code(made)}))"
    return source.edit([Change(*source.span(call), written), *imports, *more])


def set_depth(file: str, old: int, new: int) -> Edit | None:
    """The one number `old` that a name with `layers`, `depth` or `blocks` in it holds, or that a `range` counts layers to, as `new`."""
    source = Source.read(file)
    if source is None:
        return None
    found = [held for held in _named(source, ("layer", "depth", "block")) if held.value == old]
    if not found:
        found = [held for held in _counted(source) if held.value == old]
    return source.edit([Change(*source.span(found[0]), str(new))]) if len(found) == 1 else None


def set_batch(loader: Place | None, file: str | None, old: int, new: int) -> Edit | None:
    """The batch size of the DataLoader made at a place, else the one number `old` that a name with `batch` in it holds."""
    if loader is not None:
        return set_argument(loader, "torch.utils.data.DataLoader", "batch_size", str(new))
    source = None if file is None else Source.read(file)
    found = [] if source is None else [held for held in _named(source, ("batch", "bs")) if held.value == old]
    return source.edit([Change(*source.span(found[0]), str(new))]) if source is not None and len(found) == 1 else None


def _layers(source: Source, owner: str) -> list[ast.Call]:
    """Calls that make layers and norms: of the class, else of the file; in the order in which they are written."""
    area = class_of(source, owner) or source.tree
    found = [node for node in ast.walk(area) if isinstance(node, ast.Call) and _kind(source, node)]
    return sorted(found, key=source.span)


def _kind(source: Source, call: ast.Call) -> str:
    return next((name for name in (*LAYERS, *NORMS) if named(source, call, (f"torch.nn.{name}",))), "")


def _width(call: ast.Call, place: int) -> ast.expr | None:
    """What a layer takes (0) or makes (1), as written."""
    words = [word.value for word in call.keywords if word.arg in WIDTHS[place::2]] if len(call.args) <= place else []
    return (
        call.args[place]
        if len(call.args) > place and not any(isinstance(given, ast.Starred) for given in call.args)
        else next(iter(words), None)
    )


def _constant(source: Source, given: ast.expr, passed: frozenset[str] = frozenset()) -> ast.Constant | None:
    """The whole number that is written, or that the name that is written holds: assigned once in the file, handed over in the one call that does, or the
    default of an argument; followed from name to name."""
    if isinstance(given, ast.Constant):
        return given if type(given.value) is int else None
    last = _last(given)
    if last is None or last in passed:
        return None
    held = [value for name, value, _ in _held(source) if name == last]
    handed = [value for name, value, default in _held(source) if name == last and not default]
    for found in (handed, held):
        constants = {id(one): one for value in found if (one := _constant(source, value, passed | {last})) is not None}
        if len(constants) == 1:
            return next(iter(constants.values()))
    return None


def _last(given: ast.expr) -> str | None:
    """The name by which something is known: `width` of `width`, `self.width`, `args.width` and `config["width"]`."""
    if isinstance(given, ast.Subscript) and isinstance(given.slice, ast.Constant) and isinstance(given.slice.value, str):
        return given.slice.value
    return given.id if isinstance(given, ast.Name) else given.attr if isinstance(given, ast.Attribute) else None


def _named(source: Source, words: tuple[str, ...]) -> list[ast.Constant]:
    """Whole numbers held by names with one of the words in them."""
    found = [(value, default) for name, value, default in _held(source) if any(word in name.lower() for word in words)]
    numbers = [(value, default) for value, default in found if isinstance(value, ast.Constant) and type(value.value) is int]
    return [value for value, default in numbers if not default] or [value for value, _ in numbers]


def _held(source: Source) -> Iterator[tuple[str, ast.expr, bool]]:
    """Names and what they are given: by assignment, in a dict, by a call of what the file defines, as a default (True) of an argument or a parser's option."""
    signatures = _signatures(source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and not isinstance(node.value, ast.Tuple):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if (name := _last(target)) is not None and _last(node.value) != name:
                    yield name, node.value, False
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            for target in node.targets:
                if isinstance(target, ast.Tuple) and len(target.elts) == len(node.value.elts):
                    for one, value in zip(target.elts, node.value.elts, strict=True):
                        if isinstance(one, ast.Name):
                            yield one.id, value, False
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value, False
        elif isinstance(node, ast.arguments):
            given = [*node.posonlyargs, *node.args]
            for argument, default in [
                *zip(given[len(given) - len(node.defaults) :], node.defaults, strict=True),
                *zip(node.kwonlyargs, node.kw_defaults, strict=True),
            ]:
                if default is not None:
                    yield argument.arg, default, True
        elif isinstance(node, ast.Call):
            yield from _handed(node, signatures)


def _handed(call: ast.Call, signatures: dict[str, list[str]]) -> Iterator[tuple[str, ast.expr, bool]]:
    """What a call hands over, by the names of the arguments; and a parser's option with its default."""
    name = _last(call.func)
    if name == "add_argument":
        default = next((word.value for word in call.keywords if word.arg == "default"), None)
        option = next((one.value for one in reversed(call.args) if isinstance(one, ast.Constant) and isinstance(one.value, str)), None)
        if option is not None and default is not None:
            yield option.lstrip("-").replace("-", "_"), default, True
    elif name in signatures or name in ("dict", "Namespace", "SimpleNamespace"):
        if not any(isinstance(one, ast.Starred) for one in call.args):
            yield from ((argument, value, False) for argument, value in zip(signatures.get(name, []), call.args, strict=False))
        yield from ((word.arg, word.value, False) for word in call.keywords if word.arg is not None)


def _signatures(source: Source) -> dict[str, list[str]]:
    """The arguments' names of each function of the file and of each class's constructor, without self."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            made = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
            fields = [one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
            found[node.name] = [one.arg for one in made.args.args[1:]] if made is not None else fields
        elif isinstance(node, ast.FunctionDef) and node.name != "__init__":
            found.setdefault(node.name, [one.arg for one in node.args.args])
    return found


def _counted(source: Source) -> Iterator[ast.Constant]:
    """Numbers in `range(n)` of loops and comprehensions that make layers."""
    for node in ast.walk(source.tree):
        holders = [node] if isinstance(node, ast.For) else node.generators if isinstance(node, ast.ListComp | ast.GeneratorExp) else []
        if not holders or not any(isinstance(inner, ast.Call) and _kind(source, inner) for inner in ast.walk(node)):
            continue
        for holder in holders:
            call = holder.iter
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range" and len(call.args) == 1:
                stop = call.args[0]
                if isinstance(stop, ast.Constant) and type(stop.value) is int:
                    yield stop
