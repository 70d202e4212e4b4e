"""`activation.none`: two or more layers of weights with nothing that bends between them, so that together they are one linear map.

Signal: no activation is called before the last weights, and, where inputs are numbers, f(ax + bz) - (1-a-b) f(0) = a f(x) + b f(z) of what goes into the last weights, to rounding
in float64: exact, whatever the network is made of. Pooling by maxima bends too, so a convolutional network without activations is judged by the first sign alone.
Proof: a ReLU behind every layer but the last. Linear networks on purpose (regression, principal components) gain nothing by it and are acquitted. One layer of weights is
no fault of this kind: see `model.too-small`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from goodfit.doctor import source_networks
from goodfit.doctor.case import MARGIN, Case, Remedy, Suspicion
from goodfit.doctor.layers import ATTENDING, GATED, POINTWISE, POOLING, calls, file_of, owner, weighted
from goodfit.doctor.replay import run_tape
from goodfit.doctor.short import fresh
from goodfit.doctor.surgery import bent

CODE = "activation.none"
CLOSE = 1e-6  # of the answers' size: float64 leaves 1e-12, an activation at least a hundredth
A, B = 0.7, -1.3  # any two numbers that do not sum to 1, one of them negative
FEW = 16  # rows on each side


def suspect(case: Case) -> Suspicion | None:
    """Weights on weights."""
    seen = calls(case)
    chain = weighted(case)
    if len(chain) < 2 or any(call.hidden and call.name in POINTWISE | GATED | ATTENDING for call in seen):
        return None
    pooled = any(call.hidden and call.name in POOLING for call in seen)
    error = None if pooled else deviation(case)
    if error is not None and error > CLOSE:
        return None
    places = [layer.at for layer in chain[:-1]]
    file, kind = file_of(case), owner(case)
    remedy = Remedy(
        "Put an activation, such as nn.ReLU(), behind every layer but the last.",
        lambda setup: replace(setup, name="with activations", surgery=(*setup.surgery, bent(places))),
        lambda: source_networks.insert_activations(file, kind) if file else None,
    )
    return Suspicion(
        CODE, 0.85, {"layers_with_weights": len(chain), "deviation_from_linear": error}, (remedy,), certain=True, margin=MARGIN,
        would_have="nothing gained by activations",
        message=f"No activation stands between the {len(chain)} layers of weights" + ("." if pooled else ", so they make up one linear map."),
    )  # fmt: skip


def deviation(case: Case) -> float | None:
    """How far what goes into the last weights is from linear in the inputs, against its size; None where inputs are no numbers or too few."""
    view, setup = case.view, case.setup
    rows = view.trained[: 2 * FEW]
    if view.pool is None or view.meeting is None or len(rows) < 4:
        return None
    half = len(rows) // 2
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        copies = fresh(view, setup)
        copies.set_modes(view.tape, False)
        for network in copies.networks:
            network.double()
        data = [view.data(part) for part in (rows[:half], rows[half : 2 * half])]
        if setup.prepare is not None:
            data = [setup.prepare(one) for one in data]
        numbers = [number for number in view.inputs() if number != view.meeting.target and data[0][number].is_floating_point()]
        if not numbers:
            return None
        last = weighted(case)[-1]
        taken: list[Tensor] = []
        module = copies.networks[last.network].get_submodule(last.path)
        hook = module.register_forward_pre_hook(lambda _, given: taken.append(given[0]))

        def f(x: float, z: float) -> Tensor:
            taken.clear()
            given: list[Any] = [one.double() if one.is_floating_point() else one for one in data[0]]
            for number in numbers:
                given[number] = x * data[0][number].double() + z * data[1][number].double()
            run_tape(view.tape, copies, given, until=view.meeting.output)  # type: ignore[union-attr]
            return taken[0]

        ones, others, none, both = f(1, 0), f(0, 1), f(0, 0), f(A, B)
        hook.remove()
    wanted = A * ones + B * others + (1 - A - B) * none
    return float((both - wanted).abs().max() / wanted.abs().max().clamp_min(1e-12))
