"""`norm.batch`: batch norm judges by running statistics that are not those of the data, or is trained on batches too small to have any.

Two signals. The program's own final networks do better on rows held back once their running statistics are taken anew from training rows: they
lagged, or came from batches of few rows. That is an experiment by itself, and must gain 0.04 of skill. Batches of 8 rows or fewer: the same network with
group norm in place of batch norm must do better; tried only where the outcome is bad. Sources: Ioffe & Szegedy 2015; Wu & He 2018 (error rises below 16
rows, sharply below 8); Singh & Shrivastava 2019 on statistics at evaluation.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from goodfit.doctor import source_layers
from goodfit.doctor.case import MARGIN, Case, Proof, Remedy, Suspicion
from goodfit.doctor.layers import file_of
from goodfit.doctor.program import Part
from goodfit.doctor.replay import Copies, run_tape
from goodfit.doctor.short import Outcome, Setup, score
from goodfit.doctor.trail import place

CODE = "norm.batch"
TINY = 8  # rows
TINIEST = 4  # rows, whose spread is known to a third: suspected before rates and widths are tried
RECOUNTED = 2048  # rows that statistics are taken from: their means are known to 2 % of the spread
AT_ONCE = 64  # rows, or the program's batch where that is larger
GROUPS = (8, 4, 2, 1)


def suspect(case: Case) -> Suspicion | None:
    """Batch norm that was trained in training mode."""
    view = case.view
    layers = [
        (Part(number, path), part)
        for number, network in enumerate(case.program.networks)
        for path, part in network.named_modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm)
    ]
    if not layers or not all(view.modes) or view.pool is None or not case.program.updates:
        return None
    counted = [part for _, part in layers if part.running_mean is not None]
    proof = _recounted(case) if counted and case.setup is case.first else None
    if proof is not None:
        return Suspicion(
            CODE, 0.45, {"layers": len(counted), "batch": view.batch_size}, always=True, probe=lambda case: proof, would_have="the same score with statistics taken anew",
            message="The running statistics of batch norm are not those of the data: with others, of the same networks, the program's answers are better.",
        )  # fmt: skip
    if view.batch_size > TINY:
        return None
    places, file = [at for at, _ in layers], file_of(case)
    shared = [_groups(part) for _, part in layers if not isinstance(part, nn.BatchNorm1d)]
    remedy = Remedy(
        "Use group norm in place of batch norm, or larger batches.", lambda setup: change(setup),
        lambda: source_layers.group_norms(file, min(shared, default=1)) if file else None,
    )  # fmt: skip

    def change(setup: Setup) -> Setup:
        return replace(setup, name="with group norm", surgery=(*setup.surgery, lambda networks: _grouped(networks, places)))

    return Suspicion(
        CODE, 0.5 if view.batch_size > TINIEST else 0.7, {"layers": len(layers), "batch": view.batch_size}, (remedy,),
        would_have="the same score with group norm", message=f"Batch norm is trained on batches of {view.batch_size} rows, whose means say little.",
    )  # fmt: skip


def _recounted(case: Case) -> Proof | None:
    """The final networks with their statistics against the same with statistics of training rows."""
    view = case.view
    outcomes = []
    for anew in (False, True):
        copies = Copies(case.program.finals, case.program.loose_finals or case.program.loose)
        if anew:
            _recount(case, copies)
        points, loss = score(view, case.first, copies, view.held)
        outcomes.append((Outcome(case.first, 0, [], points, None, loss, float("nan"), True, 0, 0.0),))
    before, after = outcomes
    if before[0].held is None:
        return None
    gain = case.gain(before, after)
    if not gain.clears(MARGIN):
        return None
    levels = case.level(before), case.level(after)
    return Proof(
        gain, f"skill {levels[0]:.3f} with the running statistics and {levels[1]:.3f} with those of training rows",
        Remedy("Use larger batches or group norm, or take the statistics anew over training rows before evaluating (momentum=None).", lambda setup: setup),
        case.setup, before, after, confidence=0.95,
    )  # fmt: skip


def _recount(case: Case, copies: Copies) -> None:
    view = case.view
    copies.set_modes(view.tape, False)
    for network in copies.networks:
        for part in network.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
                part.reset_running_stats()
                part.momentum = None  # the mean of all batches
                part.train()
    rows = view.trained[torch.randperm(len(view.trained), generator=torch.Generator().manual_seed(0))[:RECOUNTED]]
    size = max(view.batch_size, AT_ONCE)
    with torch.no_grad():
        for some in rows.split(size):
            if len(some) == min(size, len(rows)):
                run_tape(view.tape, copies, view.data(some), until=view.meeting.output if view.meeting else None)


def _grouped(networks: list[nn.Module], places: list[Part]) -> None:
    for at in places:
        old = networks[at.network].get_submodule(at.path)
        assert isinstance(old, nn.modules.batchnorm._BatchNorm)
        new = nn.GroupNorm(_groups(old), old.num_features, affine=old.affine)
        if old.affine:
            new.load_state_dict({"weight": old.weight, "bias": old.bias})
        place(networks, at, new)


def _groups(norm: nn.modules.batchnorm._BatchNorm) -> int:
    """Groups of its channels; one where a channel is a number and no picture."""
    fitting = (count for count in GROUPS if norm.num_features % count == 0 and (count == 1 or norm.num_features >= 2 * count))
    return 1 if isinstance(norm, nn.BatchNorm1d) else next(fitting)
