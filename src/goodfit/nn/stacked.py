"""Layers of K networks computed as one: for each kind of layer its form over [K, B, ...] with weights [K, ...].

K members, B rows, I inputs, O outputs, C channels. A form gives for member k what the layer gives for its rows with its weights. Layers without a
form are left to vmap; so are those that hooks or parametrizations reach into.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.conv import _ConvNd

from goodfit.nn.draws import Draws
from goodfit.nn.dropout import Dropout
from goodfit.nn.norm import BatchNorm1d, BatchNorm2d, RMSNorm


@dataclass
class Part:
    """A layer of the network, with what its K members hold there.

    own: its weights and buffers [K, ...] by their names in the layer. rates: the members' dropout probabilities. parts: of a chain, its layers.
    """

    layer: nn.Module
    form: Form
    path: str
    own: dict[str, Tensor] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)
    draws: Draws | None = None
    parts: list[Part] = field(default_factory=list)

    def __call__(self, x: Tensor) -> Tensor:
        return self.form(self, x)


Form = Callable[[Part, Tensor], Tensor]


def part_of(layer: nn.Module, path: str) -> Part | None:
    """The layer's stacked form, None where it has none. A sequence of layers that all have one is a chain, computed without vmap between them."""
    if _watched(layer):
        return None
    if type(layer).forward is nn.Sequential.forward:
        parts = [part_of(child, f"{path}.{name}" if path else name) for name, child in layer.named_children()]
        found = [part for part in parts if part is not None]
        return Part(layer, _chain, path, parts=found) if len(found) == len(parts) else None
    for kind, form in FORMS.items():
        if isinstance(layer, kind) and type(layer).forward is kind.forward and _plain(layer):
            return Part(layer, form, path)
    return None


def _watched(layer: nn.Module) -> bool:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(layer, name) for name in hooks) or hasattr(layer, "parametrizations")


def _plain(layer: nn.Module) -> bool:
    """Whether it is the layer as torch makes it, in a way that its form covers."""
    if isinstance(layer, _ConvNd):
        return layer.padding_mode == "zeros" and set(layer._parameters) == {"weight", "bias"}
    if isinstance(layer, nn.Embedding):
        return layer.max_norm is None and not layer.scale_grad_by_freq and not layer.sparse
    if isinstance(layer, nn.MaxPool1d | nn.MaxPool2d):
        return not layer.return_indices
    return set(layer._parameters) <= {"weight", "bias"}


def _chain(part: Part, x: Tensor) -> Tensor:
    for inner in part.parts:
        x = inner.form(inner, x)
    return x


def _itself(part: Part, x: Tensor) -> Tensor:
    """What works on each element, whatever the shape."""
    found: Tensor = part.layer(x)
    return found


def _linear(part: Part, x: Tensor) -> Tensor:
    weight, bias = part.own["weight"], part.own.get("bias")  # K O I
    rows = x if x.dim() == 3 else x.reshape(x.shape[0], -1, x.shape[-1])  # K B ... I -> K n I
    out = torch.bmm(rows, weight.mT) if bias is None else torch.baddbmm(bias.unsqueeze(1), rows, weight.mT)
    return out if x.dim() == 3 else out.view(*x.shape[:-1], weight.shape[1])


def _dropout(part: Part, x: Tensor) -> Tensor:
    if not part.layer.training:
        return x
    assert part.draws is not None
    return part.draws.dropped(x, part.rates)


def _torch_dropout(part: Part, x: Tensor) -> Tensor:
    if not part.layer.training:
        return x
    assert part.draws is not None
    return part.draws.torch_dropped(x, part.rates)


def _feature_dropout(part: Part, x: Tensor) -> Tensor:
    if not part.layer.training:
        return x
    assert part.draws is not None
    return part.draws.torch_dropped(x, part.rates, feature=True)


def _scaled(part: Part, x: Tensor, dims: int, first: int) -> Tensor:
    """x * weight + bias, of weights [K, *shape] that stand at dimensions `first` on of x [K, ...]."""
    weight, bias = part.own.get("weight"), part.own.get("bias")
    if weight is not None:
        shape = (weight.shape[0], *(1,) * (first - 1), *weight.shape[1:], *(1,) * (x.dim() - first - dims))
        weight = weight.view(shape).to(x.dtype)
        x = x * weight if bias is None else torch.addcmul(bias.view(shape).to(x.dtype), x, weight)
    return x


def _layer_norm(part: Part, x: Tensor) -> Tensor:
    layer = part.layer
    assert isinstance(layer, nn.LayerNorm)
    dims = len(layer.normalized_shape)
    return _scaled(part, F.layer_norm(x, layer.normalized_shape, None, None, layer.eps), dims, x.dim() - dims)


def _rms_norm(part: Part, x: Tensor) -> Tensor:
    layer = part.layer
    shape = (layer.width,) if isinstance(layer, RMSNorm) else layer.normalized_shape
    return _scaled(part, F.rms_norm(x, shape, None, layer.eps), len(shape), x.dim() - len(shape))  # type: ignore[arg-type]


def _group_norm(part: Part, x: Tensor) -> Tensor:
    layer = part.layer
    assert isinstance(layer, nn.GroupNorm)
    K, B = x.shape[:2]
    return _scaled(part, F.group_norm(x.flatten(0, 1), layer.num_groups, None, None, layer.eps).unflatten(0, (K, B)), 1, 2)


def _batch_norm(part: Part, x: Tensor) -> Tensor:
    layer, own = part.layer, part.own
    assert isinstance(layer, _NormBase)
    K, B, C = x.shape[:3]
    mean, var = own.get("running_mean"), own.get("running_var")
    by_batch = layer.training or mean is None
    if by_batch and isinstance(layer, BatchNorm1d | BatchNorm2d) and x[0].numel() <= C:
        by_batch = False  # one row has no variance
    share = 0.0 if layer.momentum is None else layer.momentum
    if layer.training and by_batch and mean is not None and (count := own.get("num_batches_tracked")) is not None:
        count.add_(1)
        share = 1.0 / float(count[0]) if layer.momentum is None else layer.momentum  # of members that are as old as each other
    folded = x.transpose(0, 1).reshape(B, K * C, *x.shape[3:])  # K B C ... -> B KC ...
    weight, bias, mean, var = (None if t is None else t.reshape(-1) for t in (own.get("weight"), own.get("bias"), mean, var))  # K C -> KC
    out = F.batch_norm(folded, mean, var, weight, bias, by_batch, share, layer.eps)
    return out.view(B, K, C, *x.shape[3:]).transpose(0, 1)


_CONVOLUTIONS = {nn.Conv1d: F.conv1d, nn.Conv2d: F.conv2d, nn.Conv3d: F.conv3d}


def _convolution(part: Part, x: Tensor) -> Tensor:
    layer = part.layer
    assert isinstance(layer, _ConvNd)
    weight, bias = part.own["weight"], part.own.get("bias")
    K, B, C = x.shape[:3]
    folded = x.transpose(0, 1).reshape(B, K * C, *x.shape[3:])  # K B C H W -> B KC H W
    convolve = next(function for kind, function in _CONVOLUTIONS.items() if isinstance(layer, kind))
    out = convolve(
        folded,
        weight.flatten(0, 1),
        None if bias is None else bias.flatten(),
        layer.stride,
        layer.padding,
        layer.dilation,
        K * layer.groups,
    )
    return out.view(B, K, weight.shape[1], *out.shape[2:]).transpose(0, 1)


def _by_channel(part: Part, x: Tensor) -> Tensor:
    """Pooling, which treats each channel by itself."""
    K, B, C = x.shape[:3]
    if x.is_contiguous():
        found: Tensor = part.layer(x.flatten(0, 1))
        return found.unflatten(0, (K, B))
    folded = part.layer(x.transpose(0, 1).reshape(B, K * C, *x.shape[3:]))
    return folded.view(B, K, C, *folded.shape[2:]).transpose(0, 1)


def _flatten(part: Part, x: Tensor) -> Tensor:
    layer = part.layer
    assert isinstance(layer, nn.Flatten)
    first, last = (dim + 1 if dim >= 0 else dim for dim in (layer.start_dim, layer.end_dim))
    return x.flatten(first, last)


def _embedding(part: Part, codes: Tensor) -> Tensor:
    layer, weight = part.layer, part.own["weight"]  # K V D
    assert isinstance(layer, nn.Embedding)
    K, V, D = weight.shape
    start = torch.arange(K, device=codes.device).mul_(V).view(K, *(1,) * (codes.dim() - 1))
    out = F.embedding(codes + start, weight.reshape(K * V, D))
    if layer.padding_idx is not None:  # whose row learns nothing
        pad = layer.padding_idx % V
        out = torch.where((codes == pad).unsqueeze(-1), out.detach(), out)
    return out


_ELEMENTWISE = (
    nn.Identity, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SELU, nn.ELU, nn.CELU, nn.Tanh, nn.Sigmoid, nn.SiLU, nn.Mish, nn.Softplus, nn.ReLU6,
    nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.LogSigmoid, nn.Softsign,
)  # fmt: skip
_POOLS = (
    nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
)  # fmt: skip

FORMS: dict[type[nn.Module], Form] = {
    nn.Linear: _linear,
    Dropout: _dropout,
    nn.Dropout: _torch_dropout,
    nn.Dropout1d: _feature_dropout,
    nn.Dropout2d: _feature_dropout,
    nn.Dropout3d: _feature_dropout,
    nn.LayerNorm: _layer_norm,
    RMSNorm: _rms_norm,
    nn.RMSNorm: _rms_norm,
    nn.GroupNorm: _group_norm,
    _BatchNorm: _batch_norm,
    BatchNorm1d: _batch_norm,
    BatchNorm2d: _batch_norm,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.Conv3d: _convolution,
    nn.Embedding: _embedding,
    nn.Flatten: _flatten,
    **dict.fromkeys(_POOLS, _by_channel),
    **dict.fromkeys(_ELEMENTWISE, _itself),
}

# What stands alone between other code is as fast, or nearly so, by vmap's own rule.
LEFT_ALONE: tuple[type[nn.Module], ...] = (*_ELEMENTWISE, *_POOLS, nn.Flatten)
