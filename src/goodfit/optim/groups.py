"""Which parameter is decayed, and which one Muon orthogonalises: three roles, found from the kind of layer.

| role | weight decay and penalties | Muon | what |
|---|---|---|---|
| hidden | yes | yes | matrices between hidden layers: linear maps, convolutions, recurrent and attention weights, stacks |
| weight | yes | no (AdamW) | output heads, the first convolution, adapters, other arrays of two or more dimensions |
| free | no | no (AdamW) | biases, norms, scales, embeddings |

Decay pulls towards zero: wrong for a norm's scale, whose neutral value is one, and for embeddings, where a rare level is
decayed at every update but learned at few. Heads and embeddings by AdamW is the advice of Jordan (2024, Muon) and of
Gorishniy et al. (2026, arXiv 2604.15297), who leave the dense map behind the embeddings to Muon.

A layer that knows better says so in a class attribute: `roles = {"weight": "free"}`, `matrices = {"weight": 3}` for three
matrices stored one above the other, `incoming = {"weight": (-2,)}` for a matrix [..., in, out], `lr_factor = 28.0` for a module that learns at
28 times the rate (`optim.depth`). (A mark on the Parameter itself,
`parameter.no_decay = True`, is honoured too, but `copy.deepcopy` of a network drops it.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

Role = Literal["hidden", "weight", "free"]
HEADS = frozenset({"head", "heads", "classifier"})  # names of submodules that make the network's output


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a trainable parameter belongs, and why.

    blocks, rows: the parameter is `blocks` matrices of `rows` rows each. incoming: the dimensions along which a unit's
    incoming weights lie, () where the parameter is no weight matrix.
    """

    name: str
    parameter: nn.Parameter
    role: Role
    reason: str
    blocks: int = 1
    rows: int = 1
    incoming: tuple[int, ...] = ()


def place(network: nn.Module) -> list[Placement]:
    """The role of every trainable parameter, each once, in the order of `network.parameters()`.

    >>> [(p.name, p.role) for p in place(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, 2)))][::2]
    [('0.weight', 'hidden'), ('2.weight', 'hidden'), ('3.weight', 'weight')]
    """
    modules = dict(network.named_modules())
    embeddings = [path for path, module in modules.items() if _embeds(module)]
    first_convolution = next((module for module in modules.values() if isinstance(module, _ConvNd)), None)
    named_heads = any(HEADS.intersection(path.split(".")) for path in modules)
    placements = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        path, _, local = name.rpartition(".")
        module = modules[path]
        blocks, rows = _matrices(module, local, parameter)
        role, reason = _role(module, local, parameter, any(path == inner or path.startswith(inner + ".") for inner in embeddings))
        if role == "hidden" and not reason:
            if HEADS.intersection(name.split(".")):
                role, reason = "weight", "output head"
            elif module is first_convolution:
                role, reason = "weight", "first convolution, which reads pixels"
            elif min(rows, parameter.numel() // (blocks * rows)) == 1:
                role, reason = "weight", "a matrix of one row or column, which has nothing to orthogonalise"
            else:
                reason = f"{blocks} hidden matrices" if blocks > 1 else "hidden matrix"
        placements.append(Placement(name, parameter, role, reason, blocks, rows, _incoming(module, local, parameter)))
    last = next((index for index in reversed(range(len(placements))) if placements[index].role == "hidden"), None)
    if last is not None and not named_heads:
        placements[last] = replace(placements[last], role="weight", reason="output head (the last matrix)")
    return placements


def explain(network: nn.Module) -> dict[str, str]:
    """Each trainable parameter's role and the reason, for `describe`.

    >>> explain(nn.Linear(2, 1))
    {'weight': 'weight: a matrix of one row or column, which has nothing to orthogonalise', 'bias': 'free: bias or scale'}
    """
    return {placement.name: f"{placement.role}: {placement.reason}" for placement in place(network)}


def _embeds(module: nn.Module) -> bool:
    return isinstance(module, nn.EmbeddingBag) or type(module).__name__.endswith(("Embedding", "Embeddings", "Positions"))


def _role(module: nn.Module, local: str, parameter: nn.Parameter, in_embedding: bool) -> tuple[Role, str]:
    """The role by the kind of layer; an empty reason with "hidden" means: a matrix, its place in the network still to be looked at."""
    asked = getattr(module, "roles", {}).get(local)
    if asked is not None:
        assert asked in get_args(Role), f"{type(module).__name__}.roles[{local!r}] is {asked!r}"
        return asked, "the layer says so"
    if getattr(parameter, "no_decay", False):
        return "free", "the parameter is marked no_decay"
    if isinstance(module, _NormBase | nn.LayerNorm | nn.GroupNorm) or type(module).__name__.endswith("Norm"):
        return "free", "norm"
    if in_embedding:
        return "free", "embedding"
    if parameter.ndim <= 1 or "bias" in local:
        return "free", "bias or scale"
    if parameter.numel() == 0:
        return "free", "empty"
    if "weight" in local:
        return "hidden", ""
    return "weight", "an array that is no layer's weight matrix"


_GATES: dict[type[nn.Module], int] = {nn.GRU: 3, nn.GRUCell: 3, nn.LSTM: 4, nn.LSTMCell: 4}


def _matrices(module: nn.Module, local: str, parameter: nn.Parameter) -> tuple[int, int]:
    """(blocks, rows): how the parameter is made of matrices.

    Gates of a recurrent layer, the three projections of attention, the groups of a convolution and the members of a
    stack [K, out, in] are matrices of their own: orthogonalised together, one would take another's share.
    """
    if parameter.ndim < 2:
        return 1, parameter.numel()
    asked = getattr(module, "matrices", {}).get(local)
    if asked is not None:
        blocks = asked
    elif isinstance(module, _ConvNd):
        blocks = module.groups
    elif isinstance(module, nn.MultiheadAttention) and local == "in_proj_weight":
        blocks = 3
    elif parameter.ndim == 3:
        blocks = parameter.shape[0]
    else:
        blocks = _GATES.get(type(module), 1) if "hr" not in local else 1  # hr: the projection of an LSTM's output
    rows = parameter.shape[0] if isinstance(module, _ConvNd) or parameter.ndim != 3 else parameter.shape[0] * parameter.shape[1]
    return blocks, rows // blocks


def _incoming(module: nn.Module, local: str, parameter: nn.Parameter) -> tuple[int, ...]:
    """The dimensions along which the incoming weights of a unit lie."""
    if "weight" not in local or parameter.ndim < 2:
        return ()
    asked: tuple[int, ...] | None = getattr(module, "incoming", {}).get(local)
    if asked is not None:
        return asked
    return tuple(range(1, parameter.ndim)) if isinstance(module, _ConvNd) else (-1,)
