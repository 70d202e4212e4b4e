"""`init.bad`: weights begin where they cannot learn from: units that are all alike, or values far too large or too small.

Signal, of a layer's weights W as they were before the first update: rows of W that are equal, and taken alike by the next layer (such units stay alike: exact), or r = rms(W) sqrt(inputs) outside of
0.03 to 3 (torch's own is 0.58, Glorot's 1, He's 1.41), or a mean that is not near 0, or hidden biases of 1 and more. Proof: these layers with torch's own initial values.
A last layer of zeros, or one layer of zeros in each branch, is sound practice (Goyal et al. 2017, Zhang et al. 2019), as are trained weights, whatever their size: these gain nothing by the remedy.
Neighbours: `gradient.vanishing` and `activation.saturated` are often its work, and this repair comes before a change of the network. Source: Glorot and Bengio 2010.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.doctor import source_initial, source_networks
from goodfit.doctor.case import MARGIN, Case, Proof, Remedy, Suspicion
from goodfit.doctor.layers import TURNED, Raw, begun, file_of, matrices, weighted
from goodfit.doctor.rates import at_best_rates, margin
from goodfit.doctor.source import Edit
from goodfit.doctor.surgery import redrawn, reset

CODE = "init.bad"
LEAST, MOST = 0.03, 3.0  # of rms(W) sqrt(inputs): twenty times below torch's own and twice He's
WILD = 3.0  # times beyond these bounds the sign is taken for exact
LEAN = 1.0  # of the mean against the spread, for 8 and more inputs: drawn around 0 it is under a half
ENOUGH = 0.5  # of what is missing
BIAS = 1.0  # mean size of hidden biases; torch draws them below 1 / sqrt(inputs), the forget gate of an LSTM is begun at 1 by some


def suspect(case: Case) -> Suspicion | None:
    """Layers that begin oddly."""
    chain, own = weighted(case), matrices(case)
    copies = begun(case)
    reasons: dict[str, str] = {}
    places: list[tuple[int, str]] = []
    raw: list[Raw] = []
    exact = False
    found = [copies.networks[layer.network].get_submodule(layer.path) for layer in chain]
    for number, (layer, module) in enumerate(zip(chain, found, strict=True)):
        behind = found[number + 1] if number + 1 < len(found) else None
        w = getattr(behind, "weight", None)
        reason, sure = _odd(
            module,
            behind is None,
            _by_unit(behind, w.detach().float()) if behind is not None and isinstance(w, Tensor) and w.dim() > 1 else None,
        )
        if reason is not None and hasattr(module, "reset_parameters"):
            reasons[layer.path or type(module).__name__] = reason
            places.append(layer.at)
            exact |= sure
    held = [copies.networks[one.network].get_parameter(one.name).detach().float() for one in own]
    held = [w if one.entering == 1 else w.t() for w, one in zip(held, own, strict=True)]
    for number, (one, w) in enumerate(zip(own, held, strict=True)):
        reason, sure = _odd_weight(w, number == len(own) - 1, held[number + 1] if number + 1 < len(held) else None)
        if reason is not None:
            reasons[one.name] = reason
            raw.append(one)
            exact |= sure
    if not places and not raw:
        return None
    remedies = [_remedy(places, raw, "the layers named", case)]
    if len(places) + len(raw) < len(chain) + len(own):
        remedies.append(_remedy([layer.at for layer in chain if hasattr(layer.module, "reset_parameters")], own, "all layers", case))
    return Suspicion(
        CODE, 0.85 if exact else 0.6, {"layers": dict(list(reasons.items())[:20])}, tuple(remedies[:1] if exact else remedies), certain=exact, margin=MARGIN, probe=lambda case: _probe(case, remedies, exact),
        would_have="the same from torch's own initial values", message=f"Weights begin where they learn badly: {next(iter(reasons))} {next(iter(reasons.values()))}.",
    )  # fmt: skip


def _probe(case: Case, remedies: list[Remedy], exact: bool) -> Proof | None:
    """At the program's rate; where that does not bring most of what is missing, each at its best: weights that begin otherwise may need another rate."""
    proofs = [case.best(Suspicion(CODE, 1.0, {}, (remedy,), certain=exact, margin=MARGIN)) for remedy in remedies]
    behind = (case.level([case.outcome()]) or 0.0) < (case.references.best or 1.0) - MARGIN
    if behind and not any(proof is not None and proof.gain is not None and proof.gain.share > ENOUGH for proof in proofs):
        proofs.append(at_best_rates(case, remedies[-1], Suspicion(CODE, 1.0, {}, margin=max(MARGIN, margin(case)))))
    return max((proof for proof in proofs if proof is not None), key=lambda proof: proof.gain.value if proof.gain else 0.0, default=None)


def _remedy(places: list[tuple[int, str]], raw: list[Raw], which: str, case: Case) -> Remedy:
    file = file_of(case)

    def change(setup: Any) -> Any:
        return replace(setup, name="torch's own initial values", surgery=(*setup.surgery, reset(places), redrawn(raw)))

    return Remedy(
        f"Leave the initial values of {which} as torch draws them; take away what sets them.",
        change,
        lambda: _edit(case, file, raw) if file else None,
    )


def _edit(case: Case, file: str, raw: list[Raw]) -> Edit | None:
    """What sets the values taken away; matrices of the user's own modules drawn as torch would."""
    if not raw:
        return source_networks.remove_initialisation(file)
    own = []
    for one in raw:
        at, _, name = one.name.rpartition(".")
        own.append((type(case.program.networks[one.network].get_submodule(at)).__name__, name, one.entering))
    return source_initial.draw_usual(file, own)


def _odd(module: nn.Module, last: bool, behind: Tensor | None) -> tuple[str | None, bool]:
    """What is odd about a layer's weights, and whether that is exact. last: the layer that gives the answer, whose units differ by their targets.

    behind: the weights of the next layer, [units, inputs].
    """
    for name, weight in module.named_parameters(recurse=False):
        w = weight.detach().float()
        if not bool(torch.isfinite(w).all()):
            return "has weights that are no numbers", True
        if w.dim() > 1:
            found = _odd_weight(_by_unit(module, w), last, behind)
            if found[0] is not None:
                return found
        elif (
            not last
            and name.startswith("bias")
            and w.numel()
            and float(w.abs().mean()) >= BIAS
            and not isinstance(module, nn.RNNBase | nn.RNNCellBase)
        ):
            return f"has biases of {float(w.mean()):.3g}", float(w.abs().mean()) >= WILD * BIAS
    return None, False


def _by_unit(module: nn.Module, w: Tensor) -> Tensor:
    """[units, inputs of each]"""
    return (w.transpose(0, 1) if isinstance(module, TURNED) else w).flatten(1)


def _odd_weight(w: Tensor, last: bool, behind: Tensor | None) -> tuple[str | None, bool]:
    units, inputs = w.shape
    size = float(w.square().mean().sqrt()) * math.sqrt(inputs)
    if units > 1 and not last and bool((w == w[:1]).all()):
        return f"has {units} units that begin alike, all at {float(w[0].mean()):.3g}", _alike(behind, units)
    if last and size == 0:
        return None, False
    if size > MOST:
        return f"begins {size / 0.577:.3g} times as large as torch's own values", size > WILD * MOST
    if size < LEAST:
        return f"begins {0.577 / max(size, 1e-12):.3g} times as small as torch's own values", size < LEAST / WILD and not last
    if inputs >= 8 and units >= 4 and float(w.mean().abs()) > LEAN * float(w.std()):
        return f"begins with values around {float(w.mean()):.3g} instead of 0", False
    return None, False


def _alike(behind: Tensor | None, units: int) -> bool:
    """Whether the next layer takes all these units alike too: else its gradients part them."""
    if behind is None or behind.shape[1] % units:
        return False
    taken = behind.reshape(behind.shape[0], units, -1)
    return bool((taken == taken[:, :1]).all())
