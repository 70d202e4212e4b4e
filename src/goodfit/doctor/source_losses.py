"""Edits of the loss: its class or function, its reduction, the weights of its classes, what is done to the output and the target first."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from goodfit.doctor.program import Place
from goodfit.doctor.source import Change, Edit, Source, own
from goodfit.doctor.source_calls import argument, around, bracketed, named

# torch's losses: the class, the function.
FORMS = {
    "CrossEntropyLoss": "cross_entropy", "NLLLoss": "nll_loss", "MSELoss": "mse_loss", "L1Loss": "l1_loss", "SmoothL1Loss": "smooth_l1_loss",
    "HuberLoss": "huber_loss", "BCELoss": "binary_cross_entropy", "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "KLDivLoss": "kl_div", "PoissonNLLLoss": "poisson_nll_loss", "HingeEmbeddingLoss": "hinge_embedding_loss", "MultiMarginLoss": "multi_margin_loss",
    "MultiLabelSoftMarginLoss": "multilabel_soft_margin_loss", "MultiLabelMarginLoss": "multilabel_margin_loss", "SoftMarginLoss": "soft_margin_loss",
    "GaussianNLLLoss": "gaussian_nll_loss", "CosineEmbeddingLoss": "cosine_embedding_loss", "MarginRankingLoss": "margin_ranking_loss",
    "TripletMarginLoss": "triplet_margin_loss",
}  # fmt: skip
_CLASSES = {function: made for made, function in FORMS.items()}
_STAYS = {"reduction"}  # of a loss's settings, what means the same in another


def replace_loss(place: Place, old: str, new: str, output: str = "{}", target: str = "{}") -> Edit | None:
    """Another loss: `nn.MSELoss()` where it was made, or `F.mse_loss(` where it is called.

    place: where the loss is computed. old, new: functions' or classes' names without their module, `mse_loss` or `MSELoss`. output, target: what is done to the
    arguments where the loss is computed, such as `{}.squeeze(-1)` or `{}.float()`.
    """
    source = Source.read(place.file)
    if source is None:
        return None
    called = loss_call(source, place, old)
    made = maker(source, place, old)
    new_function, new_class = FORMS.get(new, new), _CLASSES.get(new, new)
    changes: list[Change] = []
    if made is not None:
        name, imports = source.spelled(f"torch.nn.{new_class}", made.func)
        changes += [Change(*source.span(made), f"{name}({', '.join(_staying(source, made.keywords))})"), *imports]
    elif called is not None and named(source, called, (_function(old),)):
        name, imports = source.spelled(f"torch.nn.functional.{new_function}", called.func)
        changes += [Change(*source.span(called.func), name), *imports]
        for word in called.keywords:
            if word.arg not in _STAYS | {"input", "target"}:
                return None  # what another loss's setting would mean is not known
    else:
        return None
    if (output, target) != ("{}", "{}"):
        fitted = None if called is None else _fitted(source, called, output, target)
        if fitted is None:
            return None
        changes += fitted
    return source.edit(changes)


def replace_by_hand(place: Place, new: str, output: str = "{}", target: str = "{}", *, turned: bool = False) -> Edit | None:
    """A mean of squares or amounts that is written out, by a loss of torch: `((out - y) ** 2).mean()` -> `F.cross_entropy(out, y)`.

    turned: the target stands first. None unless exactly one such mean stands at the place.
    """
    source = Source.read(place.file)
    if source is None:
        return None
    nodes = [node for statement in source.statements_at(place.line) for node in own(statement) if isinstance(node, ast.Call)]
    found = [(node, pair) for node in nodes if (pair := _mean_of_differences(source, node)) is not None]
    if len(found) != 1:
        return None
    whole, (left, right) = found[0]
    given, wanted = (right, left) if turned else (left, right)
    name, imports = source.spelled(f"torch.nn.functional.{FORMS.get(new, new)}", nodes[0].func)
    written = ", ".join(
        template.format(source.code(one) if template == "{}" else bracketed(source, one))
        for one, template in ((given, output), (wanted, target))
    )
    return source.edit([Change(*source.span(whole), f"{name}({written})"), *imports])


def remove_sign(place: Place) -> Edit | None:
    """`loss = -criterion(out, y)` -> `loss = criterion(out, y)`; None unless one sign stands at the place before something other than a number."""
    source = Source.read(place.file)
    if source is None:
        return None
    signs = [
        node
        for statement in source.statements_at(place.line)
        for node in own(statement)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant)
    ]
    if len(signs) != 1:
        return None
    return source.edit([Change(source.span(signs[0])[0], source.span(signs[0].operand)[0], "")]) if _bare(source, signs[0]) else None


def _bare(source: Source, sign: ast.UnaryOp) -> bool:
    """Whether nothing but the sign stands before its operand."""
    return source.text[source.span(sign)[0] : source.span(sign.operand)[0]].strip() == "-"


def _mean_of_differences(source: Source, call: ast.Call) -> tuple[ast.expr, ast.expr] | None:
    """`a` and `b` of `((a - b) ** 2).mean()`, `torch.mean(torch.abs(a - b))`, `(a - b).pow(2).mean()`."""
    inner = _taken(source, call, ("mean",))
    if isinstance(inner, ast.Call):
        inner = _taken(source, inner, ("pow", "square", "abs"))
    elif isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Pow):
        inner = inner.left
    else:
        return None
    return (inner.left, inner.right) if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub) else None


def _taken(source: Source, call: ast.Call, names: tuple[str, ...]) -> ast.expr | None:
    """What a function of one of these names is given, as a method or from torch."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in names or call.keywords:
        return None
    if source.qualified(call.func).startswith("torch."):
        return call.args[0] if call.args else None
    return call.func.value if all(isinstance(given, ast.Constant) for given in call.args) else None


def fit_arguments(place: Place, loss: str, output: str = "{}", target: str = "{}") -> Edit | None:
    """Something done to the output or the target of a loss before it is computed: `output="{}.squeeze(-1)"`, `target="{}.unsqueeze(1)"`."""
    source = Source.read(place.file)
    called = None if source is None else loss_call(source, place, loss)
    return None if source is None or called is None else source.edit(_fitted(source, called, output, target))


def set_loss_argument(place: Place, loss: str, name: str, value: str) -> Edit | None:
    """A setting of the loss, where it was made or, of a function, where it is called: `reduction`, `"mean"` in quotes."""
    source = Source.read(place.file)
    if source is None:
        return None
    made = maker(source, place, loss)
    if made is not None:
        return source.edit(argument(source, made, f"torch.nn.{_class(loss)}", name, value))
    called = loss_call(source, place, loss)
    if called is None or not named(source, called, (_function(loss),)):
        return None
    return source.edit(argument(source, called, f"torch.nn.functional.{_function(loss)}", name, value))


def mean_for_sum(place: Place) -> Edit | None:
    """The mean in place of the sum at a place, for a loss written by hand: `((out - y) ** 2).sum()` -> `.mean()`, `torch.sum(e)` -> `torch.mean(e)`.

    None unless exactly one sum over everything stands there.
    """
    source = Source.read(place.file)
    calls = [] if source is None else [call for call in source.calls_at(place) if named(source, call, ("torch.sum",))]
    if source is None or len(calls) != 1 or calls[0].keywords or not isinstance(calls[0].func, ast.Attribute):
        return None
    whole = source.qualified(calls[0].func) == "torch.sum"
    if len(calls[0].args) != whole:
        return None  # over one dimension, or Python's own
    end = source.span(calls[0].func)[1]
    return source.edit([Change(end - len("sum"), end, "mean")])


def weigh_classes(place: Place, loss: str, weights: Sequence[float]) -> Edit | None:
    """`weight=torch.tensor([...])` of cross-entropy, on the output's device where the call shows it."""
    source = Source.read(place.file)
    if source is None:
        return None
    called, made = loss_call(source, place, loss), maker(source, place, loss)
    on = ""
    if made is None and called is not None and called.args and isinstance(called.args[0], ast.Name):
        on = f", device={called.args[0].id}.device"
    tensor, imports = source.spelled("torch.tensor")
    written = f"{tensor}([{', '.join(repr(float(f'{weight:.4g}')) for weight in weights)}]{on})"
    call, callee = (made, f"torch.nn.{_class(loss)}") if made is not None else (called, f"torch.nn.functional.{_function(loss)}")
    changes = None if call is None else argument(source, call, callee, "weight", written)
    return None if changes is None else source.edit([*changes, *imports])


def weaken_penalty(place: Place, factor: float) -> Edit | None:
    """What is added to a loss from the weights, `factor` times as strong: `loss + 0.5 * sum(w.norm() for w in model.parameters())` -> `loss + 0.01 * (0.5 * ...)`.

    It is found by `parameters()`, in the sum itself or in the making of a name that is added. None unless something else is added to it in one sum.
    """
    source = Source.read(place.file)
    if source is None:
        return None
    names = _of_weights(source)
    found: list[tuple[ast.AST, ast.expr]] = []
    for node in ast.walk(source.tree):
        if any(isinstance(above, ast.For) and _over_weights(above.iter) for above in source.above(node)):
            continue  # where the penalty itself is summed
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and _penal(node.value, names):
            if source.code(node.target) not in names:
                found.append((node, node.value))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and not _is_sum(source.parent(node)):
            terms = list(_terms(node))
            penal = [term for term in terms if _penal(term, names)]
            if penal and len(penal) < len(terms):
                found += [(node, term) for term in penal]
    if len({id(whole) for whole, _ in found}) != 1:
        return None
    return source.edit([change for _, term in found for change in around(source, term, f"{factor:g} * {{}}")])


def _of_weights(source: Source) -> set[str]:
    """Names that hold something made of weights: `l2 = sum(w.pow(2).sum() for w in net.parameters())`, or summed in a loop over them."""
    names: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            made = any(isinstance(part, ast.comprehension) and _over_weights(part.iter) for part in ast.walk(node.value))
            if (
                made
                and any(isinstance(part, ast.Call) and _last(part) in _SUMS for part in ast.walk(node.value))
                and not _is_sum(node.value)
            ):
                names.add(node.targets[0].id)
        elif isinstance(node, ast.For) and _over_weights(node.iter):
            for inner in ast.walk(node):
                target = inner.target if isinstance(inner, ast.AugAssign) else inner.targets[0] if isinstance(inner, ast.Assign) else None
                if isinstance(target, ast.Name):
                    names.add(target.id)
    return names


_SUMS = frozenset({"sum", "norm", "mean", "stack"})


def _last(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""


def _over_weights(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Call) and _last(part) in ("parameters", "named_parameters") for part in ast.walk(node))


def _penal(node: ast.AST, names: set[str]) -> bool:
    return _over_weights(node) or any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node))


def _is_sum(node: ast.AST | None) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)


def _terms(node: ast.expr) -> Iterator[ast.expr]:
    """What a sum adds."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _terms(node.left)
        yield from _terms(node.right)
    else:
        yield node


def loss_call(source: Source, place: Place, loss: str) -> ast.Call | None:
    """The call at a place that computes a loss: the function, a name that was given an instance of the class, or an instance called at once."""
    calls = [call for call in source.calls_at(place) if len(call.args) + len(call.keywords) >= 2]
    functions = [call for call in calls if named(source, call, (_function(loss),))]
    if functions:
        return functions[0] if len(functions) == 1 else None
    instances = [call for call in calls if isinstance(call.func, ast.Call) and named(source, call.func, (_class(loss),))]
    written = {source.code(target) for made in _made(source, loss) for target in _targets(source, made)}
    written |= {name.removeprefix("self.") for name in written}
    instances += [call for call in calls if source.code(call.func).removeprefix("self.") in written]
    if not instances:  # handed to a function under another name: a call of a plain name whose arguments look like those of a loss
        instances = [call for call in calls if isinstance(call.func, ast.Name | ast.Attribute) and _plays_a_loss(source.code(call.func))]
    return instances[0] if len(instances) == 1 else None


def maker(source: Source, place: Place, loss: str) -> ast.Call | None:
    """The call that made a loss: at its place, under the name that is called there, or the only one of its class in the file."""
    if any(named(source, call, (_function(loss),)) for call in source.calls_at(place)):
        return None
    made = _made(source, loss)
    called = [source.code(call.func) for call in source.calls_at(place)]
    here = [one for one in made if one.lineno == place.line or any(source.code(target) in called for target in _targets(source, one))]
    found = here or made
    return found[0] if len(found) == 1 else None


def _made(source: Source, loss: str) -> list[ast.Call]:
    return [node for node in ast.walk(source.tree) if isinstance(node, ast.Call) and named(source, node, (_class(loss),))]


def _targets(source: Source, made: ast.Call) -> list[ast.expr]:
    """What the call's result is assigned to."""
    statement = source.statement_of(made)
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign) else []


def _plays_a_loss(written: str) -> bool:
    last = written.rpartition(".")[2].lower()
    return "loss" in last or "criterion" in last or last in ("crit", "objective", "cost")


def _fitted(source: Source, call: ast.Call, output: str, target: str) -> list[Change] | None:
    words = {word.arg: word.value for word in call.keywords}
    changes = []
    for position, name, template in ((0, "input", output), (1, "target", target)):
        given = call.args[position] if position < len(call.args) else words.get(name)
        if template == "{}":
            continue
        if given is None or isinstance(given, ast.Starred):
            return None
        changes += around(source, given, template)
    return changes


def _staying(source: Source, keywords: Sequence[ast.keyword]) -> list[str]:
    return [source.code(word) for word in keywords if word.arg in _STAYS]


def _function(loss: str) -> str:
    return FORMS.get(loss, loss)


def _class(loss: str) -> str:
    return _CLASSES.get(loss, loss)
