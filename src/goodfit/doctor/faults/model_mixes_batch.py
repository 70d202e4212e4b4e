"""`model.mixes-batch`: the answer for a row depends on the other rows of its batch, though the network is in eval mode.

The signal is exact: the same rows in other company get other answers. Batch norm mixes rows in training by design, and without running statistics in eval
mode too: networks that hold such are left out (`norm.batch`). The common causes are an axis taken for another, each tried as a remedy: recurrent layers and
attention that are handed rows first and expect them second (`batch_first`); a softmax, a mean or a norm along the rows; a `view` that was meant to exchange
axes. Where none of these is proven but the outcome is bad and company alone changes what is answered, it is said as a warning.
Source: Tambon et al. 2023; the axis as a cause, Islam et al. 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.doctor import source_calls
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.program import Place
from goodfit.doctor.replay import Copies, ReplayError, run_tape
from goodfit.doctor.short import Setup
from goodfit.doctor.source import Edit, together
from goodfit.doctor.source_blocks import set_batch_first
from goodfit.doctor.trail import Call, Seen, changing

CODE = "model.mixes-batch"
TOLERANCE = 1e-3  # of the spread of the answers
ROUNDING = {
    torch.float64: 1e-9,
    torch.float32: 0.1,
}  # of the answers' size, the least spread that is taken for one: many layers blow rounding up a thousandfold
ALONG = frozenset({"softmax", "log_softmax", "softmin", "normalize", "cumsum", "logsumexp"})
REDUCING = frozenset({"mean", "std", "var", "sum", "amax", "amin", "norm", "nanmean"})


def suspect(case: Case) -> Suspicion | None:
    """Answers of the same rows in other company."""
    view = case.view
    if view.meeting is None or view.pool is None or len(view.batches[0]) < 4 or _normalises(case):
        return None
    mixed = _mixed(case)
    if mixed < TOLERANCE:
        return None
    remedies = tuple(
        Remedy(words, change, edit) for words, change, edit in (_first(case), _features(case), _exchanged(case)) if change is not None
    )  # fmt: skip

    def prove(case: Case) -> Proof | None:
        found = []
        for remedy in remedies:
            try:
                proof = case.duel(suspicion, remedy)
            except Exception:  # a changed axis may fail anywhere in the user's network: then it is not the cause
                continue
            if proof is not None and proof.gain is not None:
                found.append(proof)
        if found:
            return max(found, key=lambda proof: proof.gain.value if proof.gain else 0.0)
        level = case.level([case.outcome()])
        if level is None or level >= max(0.1, case.references.best - 2 * case.references.error):
            return None
        return Proof(
            None, f"in other company the answers of the same rows move by {mixed:.2g} of their spread, and the program does no better than {level:.3f}",
            Remedy("Look for an operation along the rows: dimension 0 where the features were meant, or a layer that expects its rows second.", lambda setup: setup),
            severity="warning", confidence=0.8,
        )  # fmt: skip

    suspicion = Suspicion(
        CODE, 0.92, {"moved_by_company": round(mixed, 4)}, certain=True, probe=prove, would_have="the same score with the axes exchanged",
        message="In eval mode the answer for a row depends on the other rows of its batch.",
    )  # fmt: skip
    return suspicion


def _normalises(case: Case) -> bool:
    """Batch norm without running statistics."""
    return any(
        isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is None
        for network in case.program.networks
        for part in network.modules()
    )


def _mixed(case: Case) -> float:
    """How far the answers of the same rows move with their company, in spreads of the answers: the larger of two exchanges. In float64 where the network allows it."""
    try:
        return _moved(case, torch.float64)
    except ReplayError:  # it makes numbers of float32 itself
        return _moved(case, torch.float32)


def _moved(case: Case, dtype: torch.dtype) -> float:
    view = case.view
    assert view.meeting is not None
    assert view.pool is not None
    copies = Copies(view.program.networks, view.program.loose)
    copies.set_modes(view.tape, False)
    double = dtype == torch.float64
    with torch.no_grad():  # a last layer of zeros answers the same for all
        for weight in copies.parameters():
            if not bool(weight.any()):
                weight.normal_(0, 0.1, generator=torch.Generator(weight.device).manual_seed(0))
            if double and weight.is_floating_point():
                weight.data = weight.data.double()
        for network in copies.networks if double else ():
            network.double()
    rows = view.batches[0].unique()
    half = len(rows) // 2
    if half < 2:
        return 0.0
    some, others = rows[:half], rows[half : 2 * half]
    slot = view.pool.slots[view.inputs()[0]] if view.inputs() else None

    def answers(given: Tensor, seed: int = 0) -> Tensor | None:
        data = [one.double() if double and one.is_floating_point() else one for one in view.data(given)]
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found = run_tape(view.tape, copies, data, until=view.meeting.output if view.meeting else None)
        if not isinstance(found, Tensor) or found.dim() == 0:
            return None
        if slot is not None and slot.dim and found.dim() > slot.dim and found.shape[slot.dim] == len(given):
            found = found.movedim(slot.dim, 0)
        return found.reshape(len(given), -1).to(dtype) if found.shape[0] % len(given) == 0 else None

    both, same, turned = (answers(torch.cat(pair)) for pair in ((some, others), (some, some), (others, some)))
    if both is None or same is None or turned is None:
        return 0.0
    spread = max(float(both.std()), ROUNDING[dtype] * float(both.square().mean().sqrt()), 1e-8)
    company = float((both[:half] - same[:half]).abs().max()) / spread
    again = answers(torch.cat([some, others]), seed=1)
    draws = again is None or not torch.allclose(again, both)  # answers are drawn, and draws go by place
    place = 0.0 if draws else float((both[:half] - turned[half:]).abs().max()) / spread
    return company if company == company and draws else max(company, place)


_Way = tuple[str, Callable[[Setup], Setup] | None, Callable[[], Any] | None]


def _first(case: Case) -> _Way:
    """Rows first in recurrent layers and attention, or second where they are said to be first."""
    found = [
        (number, path, part)
        for number, network in enumerate(case.program.networks)
        for path, part in network.named_modules()
        if isinstance(getattr(part, "batch_first", None), bool)
    ]
    if not found:
        return "", None, None
    places = [(number, path) for number, path, _ in found]

    def turn(networks: list[nn.Module]) -> None:
        for number, path in places:
            part: Any = networks[number].get_submodule(path)
            part.batch_first = not part.batch_first

    first = bool(found[0][2].batch_first)
    kinds = [name for number, path, part in found if (name := _written(case, number, path, part))]
    model = case.program.places.get("model")
    words = f"Give {kinds[0]} its rows where it expects them: batch_first={not first}."
    return (
        words, lambda setup: replace(setup, name="with the other axis first", surgery=(*setup.surgery, turn)),
        (lambda: set_batch_first(model.file, kinds, not first) if model is not None else None),
    )  # fmt: skip


def _written(case: Case, number: int, path: str, part: nn.Module) -> str:
    """The layer of torch as a user writes it: attention inside a transformer's layer is made by that."""
    holder = case.program.networks[number].get_submodule(path.rpartition(".")[0])
    return type(holder if isinstance(holder, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer) else part).__name__


def _features(case: Case) -> _Way:
    """What is done along the rows done along the features."""
    sizes = _sizes(case)

    def change(call: Call) -> Any:
        first = call.first
        if not isinstance(first, Tensor) or first.dim() < 2 or call.name not in ALONG | REDUCING or not _along_rows(call):
            return call.run()
        if first.shape[0] not in sizes and first.shape[0] < 2:
            return call.run()
        given = {key: value for key, value in call.kwargs.items() if key not in {"dim", "axis", "keepdim", "input"}}
        if call.name in ALONG:
            function = getattr(torch, call.name, None) or getattr(F, call.name)
            return function(first, dim=-1, **given)
        return getattr(torch, call.name)(first, dim=-1, keepdim=True, **given)

    along = [seen for seen in case.trail.made.values() if seen.name in ALONG | REDUCING]
    if not along:
        return "", None, None
    return (
        "Take the features' dimension, -1, where the rows' dimension 0 stands.",
        lambda setup: replace(setup, name="along the features", around=(*setup.around, changing(change))),
        lambda: _turned([seen for seen in along if seen.name in ALONG and _along_rows(seen)], case.program.places.get("model")),
    )  # fmt: skip


def _turned(seen: Sequence[Seen], model: Place | None) -> Edit | None:
    """Dimension -1 where each of these calls is written, in the user's lines or as a layer of torch."""
    layers = {"softmax": "Softmax", "log_softmax": "LogSoftmax", "softmin": "Softmin"}
    made = [layers[one.name] for one in seen if one.owner == layers.get(one.name)]
    edits = {
        (one.place.file, one.place.line): source_calls.set_dimension(one.place, -1, sorted(ALONG))
        for one in seen
        if one.place is not None and one.owner not in made
    }
    if made and model is not None:
        edits[model.file, 0] = source_calls.set_layer_dimension(model.file, made, -1)
    return together(list(edits.values())) if edits else None


def _along_rows(call: Call | Seen) -> bool:
    words = call.kwargs.get("dim", call.kwargs.get("axis"))
    position = 2 if call.name in {"norm", "normalize"} else 1
    dim = words if words is not None else call.args[position] if len(call.args) > position else None
    first = call.args[0] if call.args else call.kwargs.get("input")
    if not isinstance(first, Tensor):
        return False
    if isinstance(dim, list | tuple) and len(dim) == 1:
        dim = dim[0]
    return isinstance(dim, int) and not isinstance(dim, bool) and dim in {0, -first.dim()}


def _exchanged(case: Case) -> _Way:
    """`view` and `reshape` that put the rows elsewhere, as the exchange of axes that they were meant to be."""
    sizes = _sizes(case)

    def change(call: Call) -> Any:
        first = call.first
        if call.name not in {"view", "reshape"} or not isinstance(first, Tensor):
            return call.run()
        meant = tuple(call.run().shape)
        for rows in sizes:
            away = first.dim() > 1 and first.shape[0] == rows != meant[0] and rows in meant[1:]
            back = first.dim() > 1 and first.shape[0] != rows == meant[0] and rows in first.shape[1:]
            if away:
                at = meant.index(rows, 1)
                return first.reshape(rows, *meant[:at], *meant[at + 1 :]).movedim(0, at)
            if back:
                return first.movedim(first.shape.index(rows, 1), 0).reshape(meant)
        return call.run()

    if not any(seen.name in {"view", "reshape"} for seen in case.trail.made.values()):
        return "", None, None
    return (
        "Exchange axes with transpose or permute: view and reshape put the numbers of one row into another.",
        lambda setup: replace(setup, name="with axes exchanged", around=(*setup.around, changing(change))), None,
    )  # fmt: skip


def _sizes(case: Case) -> set[int]:
    """Numbers of rows that a batch may have: in training, and in the parts that are scored."""
    view = case.view
    found = {len(rows) for rows in view.batches}
    size = max(view.batch_size, 1)
    return {one for one in found | {size, len(view.held) % size, min(len(view.trained), 512) % size} if one > 1}
