"""`gradient.vanishing`: little of the gradient reaches the first layers, or little of the input the last ones.

Signal, of four or more layers of weights (or a plain recurrent one): the gradient against the weights is a hundred times smaller in the first third of the layers than in the last (Glorot and
Bengio 2010), or fresh answers differ between rows by less than a thousandth of their size: with torch's own initial values deep stacks of ReLU let the input fade, not the gradient.
For a recurrent layer: the gradient at the first steps is a ten-thousandth of that at the last (Hochreiter 1991; Bengio et al. 1994).
Proof: shortcuts, norms, other activations, or a gated layer do better, and beyond the best rate. Adam hides small gradients, so often nothing is gained, and nothing is said.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.doctor import source_blocks, source_layers
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.faults.activation_saturated import beyond_rate, swap
from goodfit.doctor.layers import SQUASHING, Layer, blocks, calls, file_of, owner, spread_over_rows, weighted
from goodfit.doctor.replay import Copies
from goodfit.doctor.short import fresh, loss_of
from goodfit.doctor.source import together
from goodfit.doctor.surgery import Surgery, normalised, replaced, shortcut

CODE = "gradient.vanishing"
FEWEST = 4  # layers of weights: in fewer, nothing can shrink a hundredfold by depth
RATIO = 1e-2  # of the gradients against their weights, first to last; fresh networks of a few layers have 0.1 to 10
FLAT = 1e-3  # of the answers' size; fresh networks of a few layers have 0.05 to 1
FADED = 1e-4  # of the gradient at the last step
PLAIN = 2  # power of these bounds, beyond which nothing else explains so little
MANY = 6  # blocks, whose sum may grow too large to be trained at the program's rate: then each adds its share only
LEAST_WIDTH = 8  # units that a norm is put behind: among fewer it takes away what they say


def suspect(case: Case) -> Suspicion | None:
    """Small at the front, or answers that are all alike."""
    chain = weighted(case)
    ratio, spread, faded = 1.0, 1.0, 1.0
    if len(chain) >= FEWEST:
        ratio = depth_ratio(case, chain)
        answers = case.vitals.answers
        spread = spread_over_rows(answers) if answers is not None and answers.dim() and len(answers) > 1 else 1.0
    plain = [layer for layer in chain if type(layer.module) is nn.RNN]
    if plain:
        faded = over_time(case, plain[0])
    if ratio >= RATIO and spread >= FLAT and faded >= FADED:
        return None
    remedies = list(_remedies(case, chain, plain))
    if not remedies:
        return None
    plainly = ratio < RATIO**PLAIN or spread < FLAT**PLAIN or faded < FADED**PLAIN
    return Suspicion(
        CODE, 0.65 if plainly else 0.55, {"gradient_first_to_last": ratio, "spread_of_fresh_answers": round(spread, 6), "gradient_at_the_first_step_to_the_last": faded}, tuple(remedies),
        probe=lambda case: beyond_rate(case, CODE, *remedies), would_have="the same with norms and shortcuts",
        message="The gradient fades over the steps of the sequence." if plain and faded < FADED else "Almost nothing of the gradient, or of the input, gets through the layers.",
    )  # fmt: skip


def depth_ratio(case: Case, chain: list[Layer]) -> float:
    """Gradient against weight, median of the first third of the layers over that of the last."""
    if not case.vitals.gradients:
        return 1.0
    several = len(case.program.networks) > 1
    found = []
    for layer in chain:
        name = f"{layer.path}.weight" if layer.path else "weight"
        name = f"{layer.network}.{name}" if several else name
        gradient, weight = case.vitals.gradients[0].get(name), case.vitals.weights[0].get(name)
        if gradient is not None and weight:
            found.append(gradient / weight)
    third = len(found) // 3
    if not third:
        return 1.0
    first, last = sorted(found[:third])[third // 2], sorted(found[-third:])[third // 2]
    return first / last if last > 0 else 1.0


def over_time(case: Case, layer: Layer) -> float:
    """The gradient at what goes into a recurrent layer at its first step, against the step where it is largest."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        copies: Copies = fresh(case.view, case.setup)
        copies.set_modes(case.view.tape)
        module = copies.networks[layer.network].get_submodule(layer.path)
        taken: list[Tensor] = []

        def keep(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
            if not isinstance(given[0], Tensor):
                return None
            taken.append(given[0].detach().requires_grad_())
            return (taken[0], *given[1:])

        hook = module.register_forward_pre_hook(keep)
        loss = loss_of(case.view, case.setup, copies, case.view.batches[0])
        hook.remove()
        if not taken or taken[0].dim() != 3:
            return 1.0
        (gradient,) = torch.autograd.grad(loss, taken[0], allow_unused=True)
    if gradient is None:
        return 1.0
    steps = gradient.norm(dim=-1).mean(0 if getattr(module, "batch_first", False) else 1)
    return float(steps[0] / steps.max()) if float(steps.max()) > 0 else 1.0


def _remedies(case: Case, chain: list[Layer], plain: list[Layer]) -> list[Remedy]:
    found: list[Remedy] = []
    if plain:
        found.append(
            Remedy("Use nn.GRU in place of nn.RNN: its gates carry the gradient over many steps.", _with(gated(plain), "gated layers"))
        )
    hidden, file, kind = hidden_layers(case), file_of(case), owner(case)
    if len(chain) < FEWEST or not hidden:
        return found
    alike = [layer.at for layer in hidden if layer.given == layer.made]
    own = [block for block in blocks(case) if not type(block.module).__module__.startswith("torch.")]
    for parts in ((1, len(own)) if len(own) >= MANY else (1,)) if own else ():
        name, share = type(own[0].module).__name__, "" if parts == 1 else f" / {parts}"
        found.append(
            Remedy(
                f"Add to what each {name} gives what goes into it: return x + ...{share} in its forward.",
                _with(shortcut([block.at for block in own], parts), "shortcuts"),
                lambda parts=parts, name=name: source_blocks.add_shortcut(file, name, parts) if file else None,  # type: ignore[misc]
            )
        )
    found.append(
        Remedy(
            "Put a norm (nn.BatchNorm or nn.LayerNorm) behind every hidden layer.",
            _with(normalised(hidden), "norms"),
            lambda: source_layers.insert_norms(file, kind) if file else None,
        )
    )
    if alike:
        found.append(
            Remedy(
                "Put a norm behind every hidden layer, and add to each that keeps the shape what goes into it.",
                _with(normalised(hidden), "norms and shortcuts", shortcut(alike)),
                lambda: together([source_layers.insert_norms(file, kind), source_blocks.add_loop_shortcuts(file, kind)]) if file else None,
            )
        )
    if any(call.hidden and call.name in SQUASHING for call in calls(case)):
        found.append(swap(case, SQUASHING))
    return found


def hidden_layers(case: Case) -> list[Layer]:
    """Layers wide enough that a norm can stand behind them, but the last and recurrent ones."""
    chain = weighted(case)[:-1]
    return [
        layer
        for layer in chain
        if not isinstance(layer.module, nn.RNNBase | nn.RNNCellBase) and _width(layer) >= LEAST_WIDTH and layer.calls == 1
    ]


def _with(surgery: Surgery, name: str, *more: Surgery) -> Any:
    return lambda setup: replace(setup, name=name, surgery=(*setup.surgery, surgery, *more))


def _width(layer: Layer) -> int:
    return layer.made[-1] if isinstance(layer.module, nn.Linear) else layer.made[1] if len(layer.made) > 2 else layer.made[-1]


def gated(plain: list[Layer]) -> Surgery:
    """GRUs of the same sizes in place of plain recurrent layers: they take and give the same."""

    def change(networks: list[nn.Module]) -> None:
        for layer in plain:
            old = layer.module
            assert isinstance(old, nn.RNN)
            new = nn.GRU(
                old.input_size,
                old.hidden_size,
                num_layers=old.num_layers,
                bias=old.bias,
                batch_first=old.batch_first,
                dropout=old.dropout,
                bidirectional=old.bidirectional,
            )
            replaced(networks, layer.network, layer.path, new.to(next(old.parameters()).device))

    return change
