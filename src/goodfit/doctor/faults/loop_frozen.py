"""`loop.frozen`: weights that the answers depend on and that no update ever changes.

The signal is exact: the weights end as they began, moving them moves the answers, and the reason is found: their layers stand in a plain list, which torch
does not register; the optimiser was not given them; their gradients are switched off; or the graph between them and the loss is cut.
Whether that is a fault is another matter: a pretrained body is often frozen on purpose. Weights that still look as torch draws them (uniform within
1/sqrt(inputs), or normal with spread 1 in an embedding) were trained by nobody, and leaving them so by accident costs what the duel shows. Weights that
are not of that look were loaded or trained before: they are tried only where the outcome is bad, and must gain 0.1. Gradients that were switched off by
hand are a declared intention even for fresh weights (random features): tried where the outcome is bad, and not at all where the same networks were trained
before and got a new head since. Source: TrainCheck (Jiang et al. 2025).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.doctor import source_calls, source_networks, source_wiring
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.joined import CUTS, Joined
from goodfit.doctor.program import Part, Place
from goodfit.doctor.replay import Copies, run_tape
from goodfit.doctor.short import Setup, loss_of
from goodfit.doctor.source import Source

CODE = "loop.frozen"
UNDECLARED_MARGIN = (
    0.03  # of skill: twice that of other exact signals, since random features that are left so on purpose also gain a little by training
)
TRAINED_MARGIN = 0.1  # of skill: unfreezing a pretrained body often gains a few points, and leaving it frozen is no fault


@dataclass(frozen=True, slots=True)
class _Lying:
    """A weight that does not move. why: `hidden`, `unknown`, `off` or `cut`."""

    network: int
    name: str
    why: str
    fresh: bool | None


def suspect(case: Case) -> Suspicion | None:
    """Weights that did not move, and why."""
    if not case.program.updates or case.setup.every_weight or not case.program.optimizers:
        return None
    found = [*_hidden(case), *_registered(case)]
    found = [one for one in found if not _moved(case, one)]
    whys = [why for why in ("hidden", "unknown", "cut", "off") if any(one.why == why for one in found)]
    if not found or not _matter(case, found):
        return None
    why = whys[0]
    lying = [one for one in found if one.why == why]
    looks = {one.fresh for one in lying}
    fresh = True if True in looks else None if None in looks and False not in looks else False
    certain = why == "hidden" or (fresh is True and why != "off")
    margin = None if why == "hidden" else UNDECLARED_MARGIN if certain else TRAINED_MARGIN if fresh is False else None
    message, words = _told(case, why, lying)
    return Suspicion(
        CODE, 0.95 if certain else 0.45, {"weights": [one.name for one in lying][:20], "count": len(lying), "reason": why, "as_torch_draws_them": fresh},
        (Remedy(words, lambda setup: _mended(case, setup, why), lambda: _edit(case, why, lying)),), certain=certain, margin=margin,
        would_have="the same score when they are trained", message=message,
    )  # fmt: skip


def _mended(case: Case, setup: Setup, why: str) -> Setup:
    setup = replace(setup, name="with all weights trained")
    if why == "hidden":
        return replace(setup, surgery=(*setup.surgery, register))
    if why == "cut":
        return replace(setup, around=(*setup.around, Joined), every_weight=True)
    return replace(setup, every_weight=True)


def register(networks: list[nn.Module]) -> None:
    """Every layer and tensor that a module holds unregistered becomes part of it; where it was found it stays."""
    for network in networks:
        for module, name, found in list(unregistered(network)):
            if isinstance(found, nn.Module):
                module.add_module(f"found_{name}", found)
            elif vars(module).get(name) is found:
                del vars(module)[name]
                module.register_parameter(name, nn.Parameter(found.detach()))


def unregistered(network: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module | Tensor]]:
    """(holder, name, layer or leaf tensor) of all that a network holds in plain lists and attributes."""
    known = {id(module) for module in network.modules()}
    for module in list(network.modules()):
        for name, value in vars(module).items():
            if name.startswith("_") and name[1:] in {"modules", "parameters", "buffers"}:
                continue
            for number, leaf in enumerate(_leaves(value)):
                if isinstance(leaf, nn.Module) and id(leaf) not in known and any(True for _ in leaf.parameters()):
                    known.add(id(leaf))
                    yield module, f"{name}_{number}", leaf
            if isinstance(value, Tensor) and value.is_leaf and value.requires_grad and not isinstance(value, nn.Parameter):
                yield module, name, value


def _leaves(value: Any, deep: int = 3) -> Iterator[Any]:
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, dict) and deep:
        for inner in value.values():
            yield from _leaves(inner, deep - 1)
    elif isinstance(value, list | tuple) and deep:
        for inner in value:
            yield from _leaves(inner, deep - 1)


def _hidden(case: Case) -> list[_Lying]:
    return [
        _Lying(number, f"{name}{'.' + inner if inner else ''}", "hidden", _looks_fresh(weight))
        for number, network in enumerate(case.program.networks)
        for _, name, found in unregistered(network)
        for inner, weight in (found.named_parameters() if isinstance(found, nn.Module) else [("", found)])
    ]


def _registered(case: Case) -> list[_Lying]:
    """Weights of the networks that the first backward pass leaves without a gradient, or that the optimisers do not know."""
    view = case.view
    copies = Copies(view.program.networks, view.program.loose)
    copies.set_modes(view.tape, view.modes[0])
    with torch.random.fork_rng(devices=[]):
        loss_of(view, Setup(), copies, view.batches[0]).backward()
    known = {
        id(weight) for use in view.program.optimizers for group in use.groups for at in group if (weight := copies.weight(at)) is not None
    }
    found = []
    for number, network in enumerate(copies.networks):
        for name, weight in network.named_parameters():
            why = "off" if not weight.requires_grad else "unknown" if id(weight) not in known else "cut" if weight.grad is None else ""
            if why and not (why == "off" and case.program.anew):
                found.append(_Lying(number, name, why, _looks_fresh(weight)))
    return found


def _moved(case: Case, one: _Lying) -> bool:
    """Whether the program ended with another value."""
    began, ended = (_values(networks[one.network], one) for networks in (case.program.networks, case.program.finals))
    if began is None or ended is None or began.shape != ended.shape:
        return True
    return not torch.equal(began.detach(), ended.detach().to(began.device))


def _values(network: nn.Module, one: _Lying) -> Tensor | None:
    if one.why != "hidden":
        return dict(network.named_parameters()).get(one.name)
    for _, name, found in unregistered(network):
        for inner, weight in found.named_parameters() if isinstance(found, nn.Module) else [("", found)]:
            if f"{name}{'.' + inner if inner else ''}" == one.name:
                return weight
    return None


def _matter(case: Case, found: list[_Lying]) -> bool:
    """Whether the loss depends on any of them: others, such as spare heads, are no loss."""
    view = case.view
    copies = Copies(view.program.networks, view.program.loose)
    copies.set_modes(view.tape, False)
    data, until = view.data(view.batches[0]), view.meeting.output if view.meeting else None
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        before = run_tape(view.tape, copies, data, until=until)
        for one in found:
            weight = _values(copies.networks[one.network], one)
            if weight is not None:
                weight.mul_(1.5).add_(0.1)
        torch.manual_seed(0)
        after = run_tape(view.tape, copies, data, until=until)
    return isinstance(before, Tensor) and isinstance(after, Tensor) and not torch.allclose(before.float(), after.float(), equal_nan=True)


def _looks_fresh(weight: Tensor) -> bool | None:
    """Whether a weight looks as torch draws linear layers, convolutions, recurrent layers and embeddings; None where one cannot tell, as with a bias."""
    if weight.dim() < 2 or weight.numel() < 16:
        return None
    flat = weight.detach().float()
    spread, largest = float(flat.std()), float(flat.abs().max())
    if spread == 0:
        return None
    for fan in {
        math.prod(flat.shape[1:]),
        flat.shape[0] // 4,
        flat.shape[0] // 3,
        flat.shape[0],
    }:  # inputs; hidden size of an LSTM, a GRU, a plain RNN
        bound = 1 / math.sqrt(max(fan, 1))
        if largest <= bound * 1.0001 and abs(spread * math.sqrt(3) / bound - 1) < 0.2:
            return True
    return abs(spread - 1) < 0.1 and abs(float(flat.mean())) < 0.1


def _told(case: Case, why: str, lying: list[_Lying]) -> tuple[str, str]:
    names = ", ".join(one.name for one in lying[:3]) + (" and others" if len(lying) > 3 else "")
    match why:
        case "hidden":
            return (
                f"Layers stand where torch does not register them ({names}): no optimiser sees their weights.",
                "Put them into an nn.ModuleList (a tensor into an nn.Parameter).",
            )
        case "unknown":
            own = {(one.network, one.name) for one in lying}
            every = {(number, name) for number, network in enumerate(case.program.networks) for name, _ in network.named_parameters()}
            if own == every:
                return (
                    "The optimiser was given other weights than those of the network that is trained.",
                    "Give the optimiser the parameters of this network.",
                )
            return f"The optimiser was not given the weights {names}.", "Give the optimiser all of the network's parameters."
        case "cut":
            return (
                f"The graph between the weights {names} and the loss is cut: they have no gradient.",
                "Leave out detach, .data, no_grad or numpy between them and the loss.",
            )
    return f"The gradients of the weights {names} are switched off.", "Let them be trained: requires_grad_(True)."


def _edit(case: Case, why: str, lying: list[_Lying]) -> Any:
    match why:
        case "hidden":
            return _registering(case, case.program.networks[lying[0].network])
        case "unknown":
            return _handed_over(case, lying)
        case "off":
            file = getattr(case.program.places.get("model"), "file", None)
            return source_wiring.unfreeze(file) if file else None
    return _joining(case, lying)


def _registering(case: Case, network: nn.Module) -> Any:
    """The plain lists of the network's class made lists of modules."""
    holders = list(unregistered(network))
    holder = holders[0][0]
    fields: dict[str, str] = {}
    for module, name, found in holders:
        if type(module) is type(holder):
            field = name if isinstance(found, Tensor) else name.rpartition("_")[0]
            held = getattr(module, field, None)
            fields[field] = "Parameter" if isinstance(found, Tensor) else "ModuleDict" if isinstance(held, dict) else "ModuleList"
    file = _file_of(type(holder)) or getattr(case.program.places.get("model"), "file", None)
    return source_networks.register(file, type(holder).__name__, fields) if file else None


def _handed_over(case: Case, lying: list[_Lying]) -> Any:
    """The optimiser given the weights that it was not: other networks, those made after it, parts of a network."""
    use = case.program.optimizers[case.view.optimizer]
    if use.place is None:
        return None
    kind, networks = use.kind.__name__, case.program.networks
    unknown = {number: {one.name for one in lying if one.network == number} for number in {one.network for one in lying}}
    whole = [number for number, names in unknown.items() if names == {name for name, _ in networks[number].named_parameters()}]
    if len(whole) == len(unknown) < len(networks):  # other networks are known to it
        source = Source.read(use.place.file)
        names = [_network_name(source, case.program.places.get(f"model {number}" if number else "model")) for number in sorted(whole)]
        return source_wiring.register_parameters(use.place, kind, [name for name in names if name]) if all(names) else None
    made = source_wiring.make_later(use.place, kind) or source_wiring.register_parameters(use.place, kind)
    if made is not None or len(unknown) != 1:
        return made
    number = next(iter(unknown))
    name = _network_name(Source.read(use.place.file), case.program.places.get(f"model {number}" if number else "model"))
    if name is None:
        return None
    if whole:  # it was given another network's
        return source_wiring.rename_argument(use.place, kind, name)
    parts = [_written(name, path) for path in _modules(networks[number], unknown[number])]
    return source_wiring.add_parameters(use.place, kind, parts) or source_wiring.rename_argument(use.place, kind, name)


def _network_name(source: Source | None, place: Place | None) -> str | None:
    return None if source is None or place is None or place.file != source.file else source_calls.assigned(source, place)


def _modules(network: nn.Module, names: set[str]) -> list[str]:
    """The outermost modules that hold these weights and no others; none where some weight stands alone."""
    found: list[str] = []
    for path, module in network.named_modules():
        inner = {f"{path}.{name}" for name, _ in module.named_parameters()}
        if path and inner and inner <= names and not any(path.startswith(f"{outer}.") for outer in found):
            found.append(path)
    covered = {name for name in names if any(name.startswith(f"{path}.") for path in found)}
    return found if covered == names else []


def _written(name: str, path: str) -> str:
    """`model.body[0]` of `body.0`."""
    return name + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split("."))


def _joining(case: Case, lying: list[_Lying]) -> Any:
    """What cuts the graph taken away: on the tape, inside of the network, or around the call of a whole network."""
    for node in case.view.tape.nodes:
        if not isinstance(node.call, Part) and node.name in CUTS and node.place is not None:
            return source_wiring.join_graph(node.place)
    for seen in case.trail.made.values():
        if seen.name in {"detach", "detach_", "data"} and seen.place is not None:
            return source_wiring.join_graph(seen.place)
    cut = {one.network for one in lying}
    for node in case.view.tape.nodes:
        if isinstance(node.call, Part) and node.call.network in cut and not node.grad and node.place is not None:
            return source_wiring.allow_gradients(node.place.file, (), node.place)
    kinds = {type(module) for number in cut for module in case.program.networks[number].modules()}
    files = {file for kind in kinds if (file := _file_of(kind)) is not None}
    names = [kind.__name__ for kind in kinds if _file_of(kind) is not None]
    return source_wiring.allow_gradients(files.pop(), names) if len(files) == 1 else None


def _file_of(kind: type) -> str | None:
    code = getattr(getattr(kind, "forward", None), "__code__", None)
    return None if code is None or "site-packages" in code.co_filename else str(code.co_filename)
