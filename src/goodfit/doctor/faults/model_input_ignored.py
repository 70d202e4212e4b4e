"""`model.input-ignored`: the answers do not depend on what goes in, or not on a part of it.

The signal is exact: other rows' inputs give the very same answers, for weights moved at random (so that a last layer of zeros is not mistaken for it), and
no rectifier is dead altogether (`activation.dead`). Columns count as ignored where the gradient at them is 0 for every row of a batch and is not at others.
A whole input that is handed over and not used is looked into however well the rest does.
Proof: a way from the ignored inputs to the head, of one hidden layer and trained along with the rest, must gain on rows held back; inputs that say nothing about the target
are left aside rightly. Source: the wiring bugs of Humbatova et al. 2020 (missing or wrong connections between layers).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.doctor import source_blocks
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.layers import file_of, owner
from goodfit.doctor.program import Data, Part, tensors_of
from goodfit.doctor.replay import Copies, run_tape
from goodfit.doctor.short import Setup, entered, fresh

CODE = "model.input-ignored"
SHAKEN = 0.1  # spread of what is added to every weight; enough that no zero and no symmetry stays
FEWEST_COLUMNS = 0.05  # of an input's columns: fewer ignored ones are a border or padding
HIDDEN = 32  # units of the way: enough for what no straight line tells apart
MOST_WORDS = 20_000  # of a vocabulary: the way has a row for each


def suspect(case: Case) -> Suspicion | None:
    """Answers for other inputs, and gradients at the inputs."""
    view = case.view
    if view.meeting is None or view.pool is None or view.kind == "unknown" or not view.inputs():
        return None
    numbers = [number for number in view.inputs() if number != view.meeting.target]
    if not numbers or any(one.dead >= 0.999 for one in case.vitals.begun):
        return None
    ignored = [number for number in numbers if all(_unmoved(case, number, seed) for seed in (0, 1))]
    if ignored:
        whole = len(ignored) == len(numbers)
        names = "what goes in" if whole else f"{len(ignored)} of its {len(numbers)} inputs"
        return _suspicion(
            case,
            ignored[0],
            None,
            f"The network's answers do not depend on {names}.",
            {"inputs": len(numbers), "ignored": len(ignored)},
            certain=whole,
            always=True,
        )
    columns = _columns(case, numbers[0])
    if columns is None:
        return None
    count = int(columns.sum())
    return _suspicion(
        case, numbers[0], columns, f"{count} of the {len(columns)} numbers that go in for a row never reach the answer.",
        {"columns": len(columns), "ignored": count}, certain=False,
    )  # fmt: skip


def _answer(case: Case, copies: Copies, data: list[Tensor]) -> Any:
    meeting = case.view.meeting
    with torch.random.fork_rng(devices=[]), entered(case.setup):
        torch.manual_seed(0)
        return run_tape(case.view.tape, copies, data, until=meeting.output if meeting else None)


def _shaken(case: Case, seed: int) -> Copies:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        copies = fresh(case.view, case.setup)
    copies.set_modes(case.view.tape, False)
    with torch.no_grad():
        for weight in copies.parameters():
            generator = torch.Generator(weight.device).manual_seed(seed)
            if weight.is_floating_point():
                weight.add_(SHAKEN * torch.randn(weight.shape, generator=generator, device=weight.device, dtype=weight.dtype))
    return copies


def _unmoved(case: Case, number: int, seed: int) -> bool:
    """Whether this input exchanged between rows leaves every answer as it is."""
    view = case.view
    rows = view.batches[0]
    data = view.data(rows)
    other = list(data)
    other[number] = view.data(rows.flip(0))[number]
    if len(rows) < 2 or torch.equal(other[number], data[number]):
        return False
    copies = _shaken(case, seed)
    with torch.no_grad():
        first, second = _answer(case, copies, data), _answer(case, copies, other)
    return isinstance(first, Tensor) and isinstance(second, Tensor) and torch.equal(first, second) and bool(torch.isfinite(first).all())


def _columns(case: Case, number: int) -> Tensor | None:
    """[F] bool, which numbers of an input never reach the answer; None where too few, or where gradients cannot tell."""
    view = case.view
    assert view.pool is not None
    slot = view.pool.slots[number]
    data = view.data(view.batches[0])
    if not data[number].is_floating_point() or slot.dim or slot.chunk > 1 or data[number].dim() < 2:
        return None
    data[number] = data[number].detach().clone().requires_grad_()
    with torch.enable_grad():
        answer = _answer(case, _shaken(case, 0), data)
        if not isinstance(answer, Tensor) or not answer.requires_grad:
            return None
        (slope,) = torch.autograd.grad(answer.float().square().sum(), data[number], allow_unused=True)
    if slope is None:
        return None
    ignored = (slope == 0).all(0).flatten()
    varies = view.pool.whole(number).float().flatten(1).std(0) > 0
    ignored &= varies.to(ignored.device)
    return ignored if FEWEST_COLUMNS * len(ignored) <= int(ignored.sum()) < len(ignored) else None


def _suspicion(
    case: Case, number: int, columns: Tensor | None, message: str, evidence: dict[str, Any], *, certain: bool, always: bool = False
) -> Suspicion | None:
    surgery = _way(case, number, columns)
    if surgery is None:
        return None

    def change(setup: Setup) -> Setup:
        return replace(setup, name="with a way from the inputs to the head", surgery=(*setup.surgery, surgery))

    file, name = file_of(case), owner(case)
    remedy = Remedy(
        "Use the input in forward: follow it from the argument to what is returned.", change,
        lambda: source_blocks.use_unused(file, name) if file else None,
    )  # fmt: skip
    return Suspicion(
        CODE, 0.95 if certain else 0.4, evidence, (remedy,), certain=certain, always=always,
        would_have="no gain by a way from the ignored inputs to the head", message=message,
    )  # fmt: skip


def _way(case: Case, number: int, columns: Tensor | None) -> Callable[[list[nn.Module]], None] | None:
    """A surgery that adds a small network of an input to what the head gives (to the network's answer, where no head is found)."""
    view = case.view
    assert view.pool is not None
    at = next(
        ((node.call, place) for node in view.tape.nodes if isinstance(node.call, Part) for place, leaf in enumerate(tensors_of((node.args, dict(node.kwargs))))
         if isinstance(leaf, Data) and leaf.number == number),
        None,
    )  # fmt: skip
    if at is None:
        return None
    part, position = at
    whole = view.pool.whole(number)
    words = not whole.is_floating_point()
    if words and (int(whole.min()) < 0 or int(whole.max()) >= MOST_WORDS):
        return None
    some = whole[view.trained].float().flatten(1)
    middle, spread = some.mean(0), some.std(0).clamp_min(1e-6)
    head = case.head.at if case.head is not None and case.head.at.network == part.network else part

    def change(networks: list[nn.Module]) -> None:
        network, target = networks[part.network].get_submodule(part.path), networks[head.network].get_submodule(head.path)
        given: list[Tensor] = []
        way: list[nn.Module] = []

        def enter(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given[:] = [leaf for leaf in (*args, *kwargs.values()) if isinstance(leaf, Tensor)][position : position + 1]

        def leave(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            if not given or not isinstance(output, Tensor):
                return output
            flat = given[0].flatten(1)
            if not words:
                flat = (flat.float() - middle.to(flat.device)) / spread.to(flat.device)
                flat = flat if columns is None else flat * columns.to(flat.device)
            return output + way[0](flat).reshape(len(flat), *output.shape[1:]) if len(output) == len(flat) else output

        outputs = case.head.units if case.head is not None and head is case.head.at else _outputs(case)
        made: nn.Module = (
            nn.EmbeddingBag(int(whole.max()) + 1, outputs)
            if words
            else nn.Sequential(nn.Linear(some.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))
        )
        network.add_module("way_for_ignored_inputs", made.to(whole.device))
        way.append(made)
        network.register_forward_pre_hook(enter, with_kwargs=True)
        target.register_forward_hook(leave)

    return change


def _outputs(case: Case) -> int:
    answer = case.trail.answer
    return 1 if answer is None or answer.dim() < 2 else answer[0].numel()
