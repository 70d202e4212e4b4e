"""What travels along the edges of a graph: gathered, weighted, summed and normalised. N nodes, E edges, D features, H heads.

`edges` is int64 [2, E]: sources above, targets below. Sums are those of sorted bags (`embedding_bag`), forward and backward: no message of an
edge lies in memory where weights and nodes say it all, the same bits come out twice, and on a CPU it takes an eighth of the time of a gather
with `index_add` (13,767 nodes, 76,000 edges, 64 features, forward and backward: 1.5 ms for 12.5). Under torch.compile, torch.export and
torch.func it is a gather and `index_add`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from goodfit.base.errors import InputError
from goodfit.nn.prepared import prepared, traced
from goodfit.nn.shapes import expect


class Ends:
    """One end of each edge: `index` [E] is the node there, of `nodes` in all.

    order: [E] the edges sorted by that node, None where they are sorted. start: [nodes + 1] where each node's begin in that order.
    """

    def __init__(self, index: Tensor, nodes: int, *, ascending: bool = False) -> None:
        self.index, self.nodes = index, nodes
        self.order: Tensor | None = None
        self.start: Tensor | None = None
        if not traced():
            self.order = None if ascending else index.argsort(stable=True)
            places = torch.arange(nodes + 1, device=index.device)
            self.start = torch.searchsorted(index if self.order is None else index[self.order], places)

    def take(self, x: Tensor) -> Tensor:
        """Each edge's node of x: [N, ...] -> [E, ...]."""
        return x.index_select(0, self.index) if self.start is None or traced() else _Take.apply(x, self)

    def total(self, messages: Tensor) -> Tensor:
        """The sum over each node's edges: [E, ...] -> [N, ...], 0 where a node has none."""
        if self.start is None or traced():
            return messages.new_zeros(self.nodes, *messages.shape[1:]).index_add(0, self.index, messages)
        return _Total.apply(messages, self)

    def largest(self, messages: Tensor, empty: float) -> Tensor:
        """The largest over each node's edges: [E, ...] -> [N, ...], `empty` where a node has none."""
        place = self.index.view(-1, *[1] * (messages.dim() - 1)).expand_as(messages)
        return messages.new_full((self.nodes, *messages.shape[1:]), empty).scatter_reduce(0, place, messages, "amax", include_self=False)


class Flow:
    """Edges from `source` to `target`, sorted by target. given: [E] where each stood, None where they stand as they came.

    With own loops, each node has an edge to itself behind the given ones, and `replaced` [E] is True at given loops, which those replace; None
    where none is given.
    """

    def __init__(
        self, source: Tensor, target: Tensor, sources: int, targets: int, *, ascending: bool, replaced: Tensor | None = None
    ) -> None:
        self.given = None if ascending or traced() else target.argsort(stable=True)
        self.replaced = replaced
        if self.given is not None:
            source, target = source[self.given], target[self.given]
            self.replaced = None if replaced is None else replaced[self.given]
        self.source = Ends(source, sources)
        self.target = Ends(target, targets, ascending=ascending or self.given is not None)
        # The targets in the order of the sources: the way back of a gradient.
        self.back = None if self.source.order is None else target[self.source.order]

    def arranged(self, per_edge: Tensor) -> Tensor:
        """What belongs to the edges as they came, [E, ...], in the order of the flow."""
        return per_edge if self.given is None else per_edge.index_select(0, self.given)


def flow(edges: Tensor, nodes: int, *, loops: bool = False) -> Flow:
    """The edges among `nodes` nodes, sorted and checked; made once for a tensor that is not changed meanwhile.

    loops: with an edge from each node to itself, which takes the place of those that are given.
    Raises InputError where `edges` is not int64 [2, E] or names a node that does not exist.
    """
    return prepared(edges, (nodes, loops), lambda: _flow(edges, nodes, loops))


def _flow(edges: Tensor, nodes: int, loops: bool) -> Flow:
    expect("a graph's edges", edges, 2, "E")
    if edges.dtype != torch.int64:
        raise InputError(f"a graph's edges are numbers of nodes in int64; {edges.dtype} was given", value=edges.dtype)
    if not traced() and edges.numel():
        low, high = (int(end) for end in edges.aminmax())
        if low < 0 or high >= nodes:
            raise InputError(
                f"a graph's edges must join nodes 0 to {nodes - 1}; {low if low < 0 else high} is named", value=low if low < 0 else high
            )
    source, target = edges.unbind()
    if not loops:
        return Flow(source, target, nodes, nodes, ascending=False)
    own = torch.arange(nodes, device=edges.device)
    given = source == target
    replaced = torch.cat([given, torch.zeros_like(own, dtype=torch.bool)]) if traced() or bool(given.any()) else None
    return Flow(torch.cat([source, own]), torch.cat([target, own]), nodes, nodes, ascending=False, replaced=replaced)


def weighted_total(x: Tensor, weight: Tensor | None, flow: Flow) -> Tensor:
    """Each target's sum over its edges of weight times the source's vector: [N, D] and weight [E] -> [N, D], or by heads [N, H, D] and [E, H].

    weight: in the order of the flow; None for 1.
    """
    weight = None if weight is None else weight.to(x.dtype)
    if flow.back is not None and not traced():
        return _Weighted.apply(x, weight, flow)
    messages = flow.source.take(x)
    if weight is not None:
        messages = messages * weight.view(*weight.shape, *[1] * (x.dim() - weight.dim()))
    return flow.target.total(messages)


def edge_softmax(scores: Tensor, flow: Flow) -> Tensor:
    """The softmax over each target's edges: [E, H] -> [E, H], in float32 at least. Replaced loops take no part."""
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if flow.replaced is not None:
        scores = scores.masked_fill(flow.replaced.unsqueeze(1), -torch.inf)
    peak = flow.target.largest(scores.detach(), 0.0)
    mass = (scores - flow.target.take(peak)).exp()
    return mass / flow.target.take(flow.target.total(mass))


def degrees(edges: Tensor, nodes: int, weights: Tensor | None = None) -> Tensor:
    """The weights that reach each node, its own loop included: [N]. A node's own loop weighs the largest given one, 1 where none is given.

    >>> degrees(torch.tensor([[0, 1], [1, 1]]), 2)
    tensor([1., 2.])
    """
    along = flow(edges, nodes, loops=True)
    return along.target.total(_with_loops(along, weights, torch.get_default_dtype() if weights is None else weights.dtype))


def symmetric(along: Flow, weights: Tensor | None, degree: Tensor | None, dtype: torch.dtype) -> Tensor:
    """D^-1/2 (A + I) D^-1/2 of a flow with own loops (Kipf and Welling 2017): the weight of each edge, [E], 0 where a degree is not positive.

    weights: [E] of the edges as they came, None for 1. degree: [N] of the whole graph where the edges are a sample of it, as `degrees` gives.
    """
    weight = _with_loops(along, weights, torch.promote_types(dtype, torch.float32))
    degree = along.target.total(weight) if degree is None else degree.to(weight.dtype)
    positive = degree > 0
    root = torch.where(positive, degree, 1).rsqrt() * positive
    return along.source.take(root) * weight * along.target.take(root)


def _with_loops(along: Flow, weights: Tensor | None, dtype: torch.dtype) -> Tensor:
    """The weights of the edges and of each node's own loop, [E + N] in the order of the flow; 0 at replaced loops."""
    own = along.source.index.numel() - along.source.nodes
    if weights is None:
        return along.source.index.new_ones(own + along.source.nodes, dtype=dtype) if along.replaced is None else (~along.replaced).to(dtype)
    expect("the weights of a graph's edges", weights, own)
    weight = along.arranged(torch.cat([weights.to(dtype), weights.new_ones(along.source.nodes, dtype=dtype)]))
    if along.replaced is None:
        return weight
    looped = along.target.largest(weight.masked_fill(~along.replaced, -torch.inf), -torch.inf)
    loop = torch.where(looped.isinf(), 1, looped)
    given = torch.arange(weight.numel(), device=weight.device) if along.given is None else along.given
    return torch.where(given >= own, along.target.take(loop), weight.masked_fill(along.replaced, 0))


class _Take(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, ends: Ends) -> Tensor:
        ctx.ends = ends
        return x.index_select(0, ends.index)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Total.apply(grad, ctx.ends), None


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, messages: Tensor, ends: Ends) -> Tensor:
        ctx.ends = ends
        order = torch.arange(len(messages), device=messages.device) if ends.order is None else ends.order
        assert ends.start is not None
        return _bags(messages, order, ends.start, None)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Take.apply(grad, ctx.ends), None


class _Weighted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, along: Flow) -> Tensor:
        ctx.along = along
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        assert along.target.start is not None
        return _bags(x, along.source.index, along.target.start, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (x, weight), along = ctx.saved_tensors, ctx.along
        to_x = to_weight = None
        if ctx.needs_input_grad[0]:
            turned = None if weight is None else weight.index_select(0, along.source.order)
            to_x = _bags(grad, along.back, along.source.start, turned)
        if ctx.needs_input_grad[1]:
            to_weight = _products(grad, along.target.index, x, along.source.index)
        return to_x, to_weight, None


def _products(a: Tensor, at: Tensor, b: Tensor, bt: Tensor) -> Tensor:
    """Each edge's a[at] . b[bt], [E] or [E, H]; head by head, since what lies in between is then small enough to stay in the cache."""
    if a.dim() == 3:
        return torch.stack([_products(a[:, head], at, b[:, head], bt) for head in range(a.shape[1])], 1)
    return (a.index_select(0, at) * b.index_select(0, bt)).sum(-1)


def _bags(x: Tensor, index: Tensor, start: Tensor, weight: Tensor | None) -> Tensor:
    """Sums of rows of x, bag by bag: bag b holds x[index[start[b] : start[b + 1]]], times weight [E], or [E, H] for x [N, H, D]."""
    if weight is not None and weight.dim() == 2:
        return torch.stack([_bags(x[:, head], index, start, weight[:, head]) for head in range(weight.shape[1])], 1)
    bags = start.numel() - 1
    if not bags or not index.numel():
        return x.new_zeros(bags, *x.shape[1:])
    weight = None if weight is None else weight.contiguous()
    out = F.embedding_bag(index, x.reshape(len(x), -1).contiguous(), start, mode="sum", per_sample_weights=weight, include_last_offset=True)
    return out.view(bags, *x.shape[1:])
