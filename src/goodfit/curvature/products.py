"""Products of a vector with the Hessian, or with the Gauss-Newton matrix, of an objective: exact, and without the matrix.

P parameters, B batches, n rows, O outputs. The Hessian's product by differentiating the gradient once more: Pearlmutter, "Fast exact multiplication by the Hessian"
(1994). The Gauss-Newton matrix J^T H J, with J the outputs' derivatives and H the loss's Hessian in the outputs: Schraudolph, "Fast curvature matrix-vector products
for second-order gradient descent" (2002). Both by reverse mode alone, so that any module works whose operations have second derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from goodfit.base.errors import InputError
from goodfit.curvature.objective import Objective

_UNABLE = ("not implemented", "once_differentiable", "double backward")  # what torch says where an operation cannot be differentiated twice
Parts = Sequence[Tensor | None]  # by parameter; None where it has no part
Times = Callable[[Tensor, bool], Parts]  # a vector [P], and whether the graph must last -> the product


class Product:
    """A symmetric matrix [P, P] that is known by its products alone.

    accumulate: (out [P], v [P]) -> None, adds the matrix times v to `out`. Adding in place saves whoever sums a vector of P numbers.
    """

    def __init__(self, size: int, dtype: torch.dtype, device: torch.device, accumulate: Callable[[Tensor, Tensor], None]) -> None:
        self.size, self.dtype, self.device = size, dtype, device
        self.add_ = accumulate

    def __call__(self, v: Tensor) -> Tensor:
        """v [P] -> the matrix times v, [P]."""
        out = torch.zeros_like(v)
        self.add_(out, v)
        return out


def dense_product(matrix: Tensor) -> Product:
    """The products of a symmetric matrix [P, P] that is there.

    >>> dense_product(torch.tensor([[2.0, 0.0], [0.0, -1.0]]))(torch.tensor([1.0, 1.0])).tolist()
    [2.0, -1.0]
    """

    def accumulate(out: Tensor, v: Tensor) -> None:
        out.addmv_(matrix, v)

    return Product(len(matrix), matrix.dtype, matrix.device, accumulate)


def hessian_product(objective: Objective, *, keep: bool | None = None) -> Product:
    """The products of the objective's Hessian at the weights as they stand: d^2 L / dw^2 times v, [P] -> [P].

    keep: hold the graph of the gradient between products, which then cost about two gradients each, not three; by default with a single batch. On a plain network that
    takes about 3.5 times the memory of a gradient of all rows; cut into four batches and kept, about 2.6 times, as only one batch is worked on at a time; and cut
    and not kept, 1.4 times. Graphs are made anew where weights have changed in place. Exact but for rounding. Raises InputError where an operation has no second derivative.

    >>> w = torch.tensor([1.0, 1.0], requires_grad=True)
    >>> saddle = Objective(lambda _: w[0] ** 2 - 3 * w[1] ** 2, [w], [None])
    >>> hessian_product(saddle)(torch.tensor([1.0, 1.0])).tolist()
    [2.0, -6.0]
    """

    def graph(loss: Tensor) -> Times:
        edges, at = _edges(torch.autograd.grad(loss, objective.parameters, create_graph=True, allow_unused=True))

        def times(v: Tensor, last: bool) -> Parts:
            pieces = objective.pieces(v)
            return _pulled_back(edges, objective.parameters, [pieces[i] for i in at], last)

        return times

    return _product(objective, graph, objective.passes, keep)


def gauss_newton_product(
    output: Callable[[Any], Tensor],
    loss: Callable[[Tensor, Any], Tensor],
    over: nn.Module | Sequence[Tensor],
    batches: Sequence[Any],
    *,
    rows: Sequence[float] | None = None,
    keep: bool | None = None,
) -> Product:
    """The products of J^T H J at the weights as they stand: the Hessian without what the network's own bending adds.

    output: batch -> what the network says, any shape. loss: (output, batch) -> the losses of the rows [n], or their mean as a scalar. over, batches, rows: those of
    `Objective`. keep: as in `hessian_product`; a product then costs about 1.3 gradients, else 2.3. Where the loss is convex in the outputs, no product with
    itself is negative: v^T (J^T H J) v >= 0.
    """

    def whole(batch: Any) -> Tensor:
        return loss(output(batch), batch)

    objective = Objective(whole, over, batches, rows)

    def passes() -> Iterator[tuple[tuple[Tensor, Any], float]]:
        for number, (batch, share) in enumerate(zip(batches, objective.shares, strict=True)):
            with objective.watched(number):
                found = output(batch)
            yield (found, batch), share

    def graph(given: tuple[Tensor, Any]) -> Times:
        found, batch = given
        # J^T u is linear in u, so that its derivative by u along v is J v, whatever u.
        u = torch.zeros_like(found, requires_grad=True)
        edges, at = _edges(torch.autograd.grad(found, objective.parameters, u, create_graph=True, allow_unused=True))
        leaf = found.detach().requires_grad_()
        (pull,) = torch.autograd.grad(loss(leaf, batch).mean(), leaf, create_graph=True, materialize_grads=True)
        bends, _ = _edges([pull])

        def times(v: Tensor, last: bool) -> Parts:
            pieces = objective.pieces(v)
            (along,) = _pulled_back(edges, [u], [pieces[i] for i in at], last)
            bent = None if along is None else _pulled_back(bends, [leaf], [along], last)[0]
            if bent is None:  # no parameter reaches the output, or the loss is linear in it
                return [None] * len(objective.parameters)
            return torch.autograd.grad(found, objective.parameters, bent, retain_graph=last, allow_unused=True)

        return times

    return _product(objective, graph, passes, keep)


def curvature_by_batch(objective: Objective, v: Tensor) -> list[float]:
    """v^T H_b v / |v|^2 for the Hessian H_b of each batch: how a direction bends for one batch and for another. v [P] -> B numbers."""
    square = float(torch.linalg.vector_norm(v)) ** 2
    found = []
    pieces = objective.pieces(v)
    with torch.enable_grad(), _twice():
        for loss, _ in objective.passes():
            edges, at = _edges(torch.autograd.grad(loss, objective.parameters, create_graph=True, allow_unused=True))
            parts = _pulled_back(edges, objective.parameters, [pieces[i] for i in at], False)
            dots = (float((part * piece).sum()) for part, piece in zip(parts, pieces, strict=True) if part is not None)
            found.append(math.fsum(dots) / square)
    return found


def _product(
    objective: Objective, graph: Callable[[Any], Times], passes: Callable[[], Iterator[tuple[Any, float]]], keep: bool | None
) -> Product:
    """Sums graph(pass)(v) over the passes; a graph that is kept serves until a weight changes."""
    kept = len(objective.batches) == 1 if keep is None else keep
    held: list[tuple[Times, float]] = []
    made: tuple[int, ...] = ()

    def accumulate(out: Tensor, v: Tensor) -> None:
        nonlocal made
        into = objective.pieces(out)
        now = tuple(parameter._version for parameter in objective.parameters)
        if held and now != made:
            held.clear()
        with torch.enable_grad(), _twice():
            if kept and not held:
                held.extend((graph(one), share) for one, share in passes())
                made = now
            if kept:
                for times, share in held:
                    _add(into, times(v, True), share)
            else:
                for one, share in passes():
                    _add(into, graph(one)(v, False), share)

    return Product(objective.size, objective.dtype, objective.device, accumulate)


def _add(into: list[Tensor], parts: Parts, share: float) -> None:
    for own, part in zip(into, parts, strict=True):
        if part is not None:
            own.add_(part, alpha=share)


def _edges(gradients: Parts) -> tuple[list[GradientEdge], list[int]]:
    """Where the gradients enter the graph, and which they are: their values are not needed for a second pass and may go. Constant ones have no derivative."""
    varying = [(i, g) for i, g in enumerate(gradients) if g is not None and g.requires_grad]
    edges = [get_gradient_edge(g) for _, g in varying]
    _refuse_dead_ends(edges)
    return edges, [i for i, _ in varying]


def _refuse_dead_ends(edges: list[GradientEdge]) -> None:
    """Functions that are declared differentiable once leave an end in the graph which torch passes over in silence: the product would be wrong."""
    waiting, seen = [edge.node for edge in edges], set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.name() == "torch::autograd::Error":
            raise InputError(
                "curvature needs operations that can be differentiated twice, and one here is declared once_differentiable; write it in plain operations"
            )
        waiting.extend(after for after, _ in node.next_functions if after is not None)


def _pulled_back(edges: list[GradientEdge], inputs: Sequence[Tensor], along: list[Tensor], last: bool) -> Parts:
    """The derivative of sum_i edges_i along_i by the inputs; None for those that have no part in it."""
    if not edges:
        return [None] * len(inputs)
    return torch.autograd.grad(edges, inputs, along, retain_graph=last, allow_unused=True)


@contextmanager
def _twice() -> Iterator[None]:
    """Says in one sentence that an operation cannot be differentiated twice."""
    try:
        yield
    except RuntimeError as error:
        if not any(words in str(error) for words in _UNABLE):
            raise
        reason = str(error).splitlines()[0]
        raise InputError(
            f"curvature needs operations that can be differentiated twice, and torch says: {reason}; write that part in plain operations"
        ) from error
