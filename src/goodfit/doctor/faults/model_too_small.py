"""`model.too-small`: the network cannot hold what is to be learned: a hidden layer of a few units, or none at all.

Signal: a bad outcome, also on the rows that were trained on, of a network whose narrowest hidden layer is under 16 units, or that has one layer of weights. Proof: the same network with
every hidden layer at least 64 wide (or with one hidden layer) does better on rows that neither saw, and more than the best rate brings. Capacity has limits for rates too: hence the sweep.
A narrow layer of an autoencoder is its purpose: reconstruction is left alone. Source: He and Sun 2015 for training error as the sign of it; a threshold of 16 since wider ones seldom limit.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from goodfit.doctor import source_layers
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.layers import CONVOLUTIONS, file_of, owner, weighted
from goodfit.doctor.rates import at_best_rates, margin
from goodfit.doctor.source import Edit
from goodfit.doctor.surgery import Surgery, replaced, widened

CODE = "model.too-small"
NARROW = 16  # units
WIDE = 64  # units: enough for nearly all tables and small images, and a copy costs little more
LEARNED = 0.97  # of skill on the rows trained on: a network that has them by heart is not too small


def suspect(case: Case) -> Suspicion | None:
    """Few units, and the training rows are not learned either."""
    if case.view.kind in {"reconstruction", "unknown"} or _reconstructs(case):
        return None
    trained = case.level([case.outcome()], "trained")
    chain = weighted(case)
    if trained is None or trained > LEARNED or not chain:
        return None
    narrow = narrowest(case)
    if narrow >= NARROW:
        return None
    surgery = _deepened(case) if len(chain) == 1 else widened(case, WIDE)
    if surgery is None:
        case.not_seen.append(f"{CODE}: the network has a layer of {narrow} units, but is put together so that a wider copy cannot be made.")
        return None
    words = (
        f"Put a hidden layer of {WIDE} units with a ReLU before the output."
        if len(chain) == 1
        else f"Make the hidden layers at least {WIDE} units wide."
    )
    file, kind = file_of(case), owner(case)

    def edit() -> Edit | None:
        if file is None:
            return None
        return source_layers.insert_hidden(file, WIDE, kind) if len(chain) == 1 else source_layers.widen(file, narrow, WIDE, kind)

    remedy = Remedy(words, lambda setup: replace(setup, name="wider", surgery=(*setup.surgery, surgery)), edit)
    return Suspicion(
        CODE, 0.4, {"narrowest_hidden_layer": narrow, "trained_skill": round(trained, 4)}, (remedy,), probe=lambda case: _probe(case, remedy),
        would_have="a wider network no better than this one at its best rate",
        message="The network has no hidden layer, and the target is no linear function of the inputs." if len(chain) == 1 else f"A hidden layer of {narrow} units is too narrow.",
    )  # fmt: skip


def _reconstructs(case: Case) -> bool:
    """Whether the target is an input."""
    view = case.view
    if view.meeting is None or view.pool is None:
        return False
    few = view.trained[:8]
    targets = view.targets(few).reshape(len(few), -1).float()
    data = [view.pool.whole(number)[few].reshape(len(few), -1) for number in view.inputs()]
    return any(one.is_floating_point() and one.shape == targets.shape and torch.equal(one.float(), targets) for one in data)


def narrowest(case: Case) -> int:
    """Units of the narrowest hidden layer; 0 where there is none."""
    hidden = weighted(case)[:-1]
    return min(
        (layer.made[1] if isinstance(layer.module, CONVOLUTIONS) and len(layer.made) > 1 else layer.made[-1] for layer in hidden), default=0
    )


def _deepened(case: Case) -> Surgery | None:
    """A hidden layer before the only linear one."""
    only = weighted(case)[0]
    if not isinstance(only.module, nn.Linear):
        return None
    taken, made, bias = only.module.in_features, only.module.out_features, only.module.bias is not None

    def change(networks: list[nn.Module]) -> None:
        device = next(networks[only.network].parameters(), torch.empty(0)).device
        new = nn.Sequential(nn.Linear(taken, WIDE), nn.ReLU(), nn.Linear(WIDE, made, bias=bias))
        replaced(networks, only.network, only.path, new.to(device))

    return change


def _probe(case: Case, remedy: Remedy) -> Proof | None:
    return at_best_rates(case, remedy, Suspicion(CODE, 1.0, {}, margin=margin(case)))
