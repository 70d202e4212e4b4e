"""An optimiser for a network, from the settings: torch's own, fused, with groups; Muon is ours.

Weight decay is decoupled for every one (Loshchilov and Hutter 2019): before the update, weights shrink by
`1 - lr * weight_decay`, whatever the gradient's scale. Adam with decay is therefore AdamW. The coupled form, a penalty in
the loss, is `optim.l2`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from goodfit.base.recipe import OptimPart
from goodfit.optim.adamw import AdamW
from goodfit.optim.depth import by_depth, by_rate
from goodfit.optim.groups import Placement, place
from goodfit.optim.muon import Muon
from goodfit.optim.schedule import cycled

# Kernels that update all parameters in one pass. MPS and others take torch's default.
_FUSED = {"cpu": ("sgd", "adagrad", "adam", "adamw", "muon"), "cuda": ("sgd", "adam", "adamw", "muon")}

_DECAY = {
    "adamw": 3e-4,  # TabM (Gorishniy et al. 2025), tuned over 46 tables; images and text ask for more
    "muon": 0.01,  # Jordan 2024, and about what Gorishniy et al. 2026 found by tuning
}
_MOMENTUM = {"sgd": 0.9, "muon": 0.95, "rmsprop": 0.0}  # Sutskever et al. 2013; Jordan 2024; torch
_BETA1 = 0.9  # Kingma and Ba 2015
_BETA2 = {"rmsprop": 0.99}  # torch's alpha; RMSprop has no bias correction, 0.999 would keep its first steps ten times too long


def build(network: nn.Module, settings: OptimPart, *, lr: float) -> torch.optim.Optimizer:
    """The optimiser that `settings` names (AdamW when none), with base rate `lr`.

    Groups carry `role` (`weight` is decayed and penalised, `free` is not), and `lr_factor` where a group's rate is another:
    a loop sets `group["lr"] = lr * group.get("lr_factor", 1)`, and `cycled` where `schedule.cycle_momentum` has a say. Plain numbers, so that a new
    rate neither waits for the device nor recompiles.
    """
    name = settings.name or "adamw"
    placements = place(network)
    device = placements[0].parameter.device.type if placements else "cpu"
    fused = name in _FUSED.get(device, ())
    decay = _DECAY.get(name, 0.0) if settings.weight_decay is None else settings.weight_decay
    momentum = _MOMENTUM.get(name, 0.0) if settings.momentum is None else settings.momentum
    beta2 = _BETA2.get(name, 0.999) if settings.beta2 is None else settings.beta2
    decline = None if settings.layer_decay == 1.0 else settings.layer_decay
    betas, eps = (_BETA1 if settings.beta1 is None else settings.beta1, beta2), settings.eps
    if name == "muon":
        groups = _muon_groups(placements, decay, settings.muon_lr, lr)
        groups = by_rate(groups if decline is None else by_depth(groups, network, decline), network)
        return Muon(groups, lr, momentum=momentum, nesterov=settings.nesterov, betas=betas, eps=eps, fused=fused)
    groups = _groups(placements, decay, apart=bool(decay or settings.l1 or settings.l2))
    groups = by_rate(groups if decline is None else by_depth(groups, network, decline), network)
    if (share := cycled(settings)) is not None:
        groups = [group | {"cycled": share} for group in groups]
    if name in ("adam", "adamw"):
        if device == "cpu" and len({placement.parameter.dtype for placement in placements}) == 1:
            return AdamW(groups, lr, betas=betas, eps=eps)
        adam = torch.optim.AdamW if decay else torch.optim.Adam
        return adam(groups, lr, betas=betas, eps=eps, weight_decay=0.0, fused=fused or None)
    for group in groups:
        group["decay"] = group.pop("weight_decay")
    optimizer: torch.optim.Optimizer
    if name == "sgd":
        optimizer = torch.optim.SGD(groups, lr, momentum=momentum, nesterov=settings.nesterov and momentum > 0, fused=fused or None)
        if momentum:  # from the start: torch's fused kernel wants all buffers or none, though a gradient may come late
            for placement in placements:
                optimizer.state[placement.parameter]["momentum_buffer"] = torch.zeros_like(placement.parameter)
    elif name == "rmsprop":
        optimizer = torch.optim.RMSprop(groups, lr, alpha=beta2, eps=eps, momentum=momentum, foreach=True)
    else:
        optimizer = torch.optim.Adagrad(groups, lr, eps=eps, fused=fused or None, foreach=None if fused else True)
    if decay:
        optimizer.register_step_pre_hook(_decay)
    return optimizer


def _decay(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    """Decoupled decay, before the update, where torch has only the coupled one."""
    for group in optimizer.param_groups:
        if group["decay"] and (moving := [p for p in group["params"] if p.grad is not None]):
            with torch.no_grad():
                torch._foreach_mul_(moving, 1 - group["lr"] * group["decay"])


def _groups(placements: list[Placement], decay: float, *, apart: bool) -> list[dict[str, Any]]:
    """Weights and free parameters; one group where nothing tells them apart, which saves a kernel call per update."""
    weights = [(p.name, p.parameter) for p in placements if not apart or p.role != "free"]
    free = [(p.name, p.parameter) for p in placements if apart and p.role == "free"]
    groups = [{"params": weights, "weight_decay": decay, "role": "weight"}, {"params": free, "weight_decay": 0.0, "role": "free"}]
    return [group for group in groups if group["params"]]


def _muon_groups(placements: list[Placement], decay: float, muon_lr: float, lr: float) -> list[dict[str, Any]]:
    hidden = [p for p in placements if p.role == "hidden"]
    rest = _groups([p for p in placements if p.role != "hidden"], decay, apart=True)
    if not hidden:
        return rest
    matrices = {
        "params": [(p.name, p.parameter) for p in hidden],
        "weight_decay": decay,
        "role": "weight",
        "muon": True,
        "blocks": [p.blocks for p in hidden],
        "rows": [p.rows for p in hidden],
        "lr": muon_lr,
        "lr_factor": muon_lr / lr,
    }
    return [matrices, *rest]
