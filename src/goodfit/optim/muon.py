"""Muon: momentum, orthogonalised, for hidden matrices; AdamW for everything else, in one optimiser.

Jordan 2024, https://kellerjordan.github.io/posts/muon/. We differ in that matrices of one shape are orthogonalised in one
batch, that convolutions, gates, projections and stacks [K, out, in] are taken as the matrices they are made of, and that
the optimiser has one state for both kinds of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from goodfit.optim.newton_schulz import orthogonalise


class Muon(torch.optim.Optimizer):
    """Groups with `muon=True` are orthogonalised, the others follow AdamW.

    A muon group holds `blocks` and `rows`, lists with a number for each parameter: it is made of `blocks` matrices with
    `rows` rows (see `goodfit.optim.groups`). lr: of the AdamW groups; a group has its own as `lr`. The step of a matrix
    has the length lr * max(1, rows / columns)**0.5 in every singular direction, whatever the size of the gradient.
    weight_decay is decoupled, per unit of the group's rate. Updates are skipped where `found_inf` is set (fused only).
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float = 1e-3,
        *,
        momentum: float = 0.95,
        nesterov: bool = True,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        fused: bool = True,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "betas": betas, "eps": eps}
        super().__init__(groups, defaults | {"weight_decay": weight_decay, "fused": fused, "muon": False})
        self._step_supports_amp_scaling = fused

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update from the gradients; parameters without one are left alone. Takes no closure."""
        assert closure is None, "Muon takes no closure: it needs the gradient once"
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        for group in self.param_groups:
            if group["muon"]:
                self._orthogonal_update(group, found_inf)
            else:
                self._adamw_update(group, found_inf)

    def _orthogonal_update(self, group: dict[str, Any], found_inf: Tensor | None) -> None:
        taken = [index for index, parameter in enumerate(group["params"]) if parameter.grad is not None]
        if not taken:
            return
        parameters: list[Tensor] = [group["params"][index] for index in taken]
        gradients: list[Tensor] = [parameter.grad for parameter in parameters]  # type: ignore[misc]
        buffers = [self._state(parameter, "momentum_buffer") for parameter in parameters]
        keep: float | Tensor = 1.0
        if found_inf is not None:  # a gradient equal to the buffer leaves the buffer as it is
            keep = 1.0 - found_inf
            gradients = [torch.where(found_inf > 0, b, g) for g, b in zip(gradients, buffers, strict=True)]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        updates = torch._foreach_lerp(gradients, buffers, group["momentum"]) if group["nesterov"] else buffers
        if group["weight_decay"]:
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"] * keep)
        shapes: dict[tuple[int, int], list[int]] = {}
        matrices = []
        for position, (index, update) in enumerate(zip(taken, updates, strict=True)):
            rows = group["rows"][index]
            matrix = update.reshape(group["blocks"][index], rows, -1)
            shapes.setdefault((rows, matrix.shape[2]), []).append(position)
            matrices.append(matrix)
        for (rows, columns), positions in shapes.items():
            batch = matrices[positions[0]] if len(positions) == 1 else torch.cat([matrices[position] for position in positions])
            steps = orthogonalise(batch).mul_(keep * max(1.0, rows / columns) ** 0.5)
            parts = steps.split([group["blocks"][taken[position]] for position in positions])
            for position, part in zip(positions, parts, strict=True):
                parameters[position].add_(part.reshape(parameters[position].shape), alpha=-group["lr"])

    def _adamw_update(self, group: dict[str, Any], found_inf: Tensor | None) -> None:
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not parameters:
            return
        for parameter in parameters:
            if "step" not in self.state[parameter]:
                device = parameter.device if group["fused"] else "cpu"
                self.state[parameter]["step"] = torch.zeros((), dtype=torch.float32, device=device)
        adamw(
            parameters,
            [parameter.grad for parameter in parameters],
            [self._state(parameter, "exp_avg") for parameter in parameters],
            [self._state(parameter, "exp_avg_sq") for parameter in parameters],
            [],
            [self.state[parameter]["step"] for parameter in parameters],
            foreach=not group["fused"],
            fused=group["fused"],
            found_inf=found_inf,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def _state(self, parameter: Tensor, name: str) -> Tensor:
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        value: Tensor = state[name]
        return value
