"""Both ends of a symmetric matrix's spectrum, from products alone.

P parameters, k steps. Lanczos, "An iteration method for the solution of the eigenvalue problem" (1950): k products give a tridiagonal matrix [k, k] whose extreme
eigenvalues, the Ritz values, move outwards to those of the matrix. Without the vectors of earlier steps, rounding makes copies of ends that have been found, which do
no harm to ends (Paige 1980; Parlett, "The symmetric eigenvalue problem", 1998, ch. 13), and three vectors [P] are enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.base.streams import torch_stream
from goodfit.curvature.products import Product

STEPS = 300  # a spectrum without a gap at its end needs about 1 / sqrt(tolerance) times the logarithm of P: some hundred
TOLERANCE = 0.01  # of an end: enough to choose a learning rate or to tell a saddle
_FAINT = 0.1  # of the larger end: what is smaller need not be known to `tolerance` of itself, or an end at 0 would never be done
_BASIS = 1 << 24  # numbers of all k vectors that are held without asking: 128 MiB in float64; the ends then come with no copies
_SOON = 32  # steps up to which each is looked at; later only every eighth, which costs less than the products


@dataclass(frozen=True)
class Ends:
    """The lowest and the highest eigenvalue of a matrix [P, P], found by `steps` products.

    low and high lie inside the spectrum: no eigenvector could give a Ritz value beyond its ends. low_error and high_error: about how far out the true ends lie, from
    the residuals r = |Hx - theta x|: an eigenvalue lies within r of theta for certain, and within r^2 / gap where theta is the nearest to one end (Temple 1928, Kato
    1949), with the gap taken between Ritz values. done: what was to be reached was reached within the steps.
    diagonal [k] and beside [k]: the tridiagonal matrix and, last, what the next step would start from.
    """

    low: float
    high: float
    low_error: float
    high_error: float
    steps: int
    done: bool
    size: int
    seed: int
    basis: bool
    diagonal: tuple[float, ...]
    beside: tuple[float, ...]

    @property
    def norm(self) -> float:
        """The larger of the two ends in size."""
        return max(abs(self.low), abs(self.high))

    def missed(self, by: float) -> float:
        """The chance, at most, that an end lies further than `by` beyond the one found, over the random starts; for each end.

        1.648 sqrt(P) exp(-sqrt(by / (high - low + by)) (2k - 1)): Kuczynski and Wozniakowski, "Estimating the largest eigenvalue by the power and Lanczos algorithms with
        a random start" (1992), theorem 4.2, for the matrix moved so that its other end is 0. It holds for exact arithmetic and any spectrum whatever. 0 where the steps
        ended by themselves: then nothing was left.
        """
        if self.beside[-1] == 0:
            return 0.0
        if by <= 0:
            return 1.0
        spread = self.high + self.high_error - self.low + self.low_error
        return min(1.0, 1.648 * math.sqrt(self.size) * math.exp(-math.sqrt(by / (spread + by)) * (2 * self.steps - 1)))


Until = Callable[[Ends], bool]


def ends(
    product: Product,
    *,
    tolerance: float = TOLERANCE,
    steps: int = STEPS,
    seed: int = 0,
    until: Until | None = None,
    basis: bool | None = None,
) -> Ends:
    """Both ends of the spectrum of `product`, from a random start that is a pure function of `seed`.

    tolerance: the error of each end that ends the search, of the end's own size, or of a tenth of the other's where that is larger. until: asks for something else
    than the tolerance: looks at what is found, and says whether it is enough. steps: at most. basis: hold the vectors of all steps and keep new ones orthogonal
    to them; by default where they are few numbers. Without, three vectors [P] are held, the product's own among them.

    >>> from goodfit.curvature.products import dense_product
    >>> found = ends(dense_product(torch.diag(torch.tensor([-1.0, 2.0, 5.0]).double())))
    >>> round(found.low, 6), round(found.high, 6)
    (-1.0, 5.0)

    Raises InputError where a product is not finite.
    """
    enough = until or (lambda found: within(found, tolerance))
    hold = product.size * steps <= _BASIS if basis is None else basis
    diagonal: list[float] = []
    beside: list[float] = []
    before = False
    for alpha, beta, _ in recurrence(product, start(product, seed, "ends"), steps, hold=hold):
        diagonal.append(alpha)
        beside.append(beta)
        count = len(diagonal)
        last = beta == 0 or count == steps
        if count > _SOON and count % 8 and not last:
            continue
        low, low_error, high, high_error = _outermost(diagonal, beside, float(torch.finfo(product.dtype).eps))
        found = Ends(low, high, low_error, high_error, count, beta == 0, product.size, seed, hold, tuple(diagonal), tuple(beside))
        ready = beta == 0 or enough(found)
        if last or (ready and before):  # twice, as a Ritz value may rest for a moment on its way out
            return replace(found, done=ready)
        before = ready
    raise InputError(f"the search for ends needs at least one step and got steps={steps}", value=steps)


def within(found: Ends, tolerance: float) -> bool:
    """Whether both ends are known to `tolerance` of themselves, or of a tenth of the larger one."""
    sizes = [max(abs(end), _FAINT * found.norm) for end in (found.low, found.high)]
    return found.low_error <= tolerance * sizes[0] and found.high_error <= tolerance * sizes[1]


def eigenvector(product: Product, found: Ends, end: Literal["low", "high"] = "low") -> Tensor:
    """The unit vector [P] that belongs to an end: the same steps once more, summed up as the tridiagonal matrix says. Its sign is as it comes.

    As many products again, and one vector [P] more, in place of keeping all of them.
    """
    _, vectors = tridiagonal(found.diagonal, found.beside)
    parts = vectors[:, 0 if end == "low" else -1]
    out = torch.zeros(product.size, dtype=product.dtype, device=product.device)
    steps = recurrence(product, start(product, found.seed, "ends"), found.steps, hold=found.basis)
    for part, (_, _, v) in zip(parts, steps, strict=True):
        out.add_(v, alpha=float(part))
    return out.div_(torch.linalg.vector_norm(out))


def start(product: Product, seed: int, *names: str | int) -> Tensor:
    """A random direction [P], uniform over the sphere: the same numbers on every device."""
    random = torch_stream(seed, "curvature", *names)
    return torch.randn(product.size, dtype=product.dtype, generator=random).to(product.device)


def recurrence(product: Product, v: Tensor, steps: int, *, hold: bool = False) -> Iterator[tuple[float, float, Tensor]]:
    """Steps of Lanczos from v [P], which is overwritten: the diagonal entry, the one beside it, and the vector of the step, which is overwritten too.

    hold: keep all vectors and every new one orthogonal to them. The entry beside the diagonal is 0, and the steps end, where they would leave rounding behind.
    """
    v.div_(torch.linalg.vector_norm(v))
    behind = torch.zeros_like(v)
    kept = torch.empty(min(steps, product.size), product.size, dtype=v.dtype, device=v.device) if hold else None  # k P
    eps = torch.finfo(v.dtype).eps
    scale = beta = 0.0
    for count in range(steps):
        behind.mul_(-beta)
        product.add_(behind, v)  # H v - beta * the vector before: three vectors in all
        alpha = float(torch.dot(v, behind))
        behind.add_(v, alpha=-alpha)
        if kept is not None:
            kept[count] = v
            held = kept[: count + 1]
            for _ in range(2):  # once leaves what rounding of the first left (Kahan, in Parlett 1998)
                behind.addmv_(held.T, held @ behind, alpha=-1)
        beta = float(torch.linalg.vector_norm(behind))
        if not math.isfinite(alpha + beta):
            raise InputError("the product of the matrix and a vector is not finite: the loss bends beyond all numbers here")
        scale = max(scale, abs(alpha), beta)
        if beta <= 10 * eps * scale or (kept is not None and count + 1 == product.size):
            beta = 0.0
        yield alpha, beta, v
        if beta == 0:
            return
        behind.div_(beta)
        v, behind = behind, v


def tridiagonal(diagonal: Sequence[float], beside: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues [k], rising, and eigenvectors [k, k] of the tridiagonal matrix."""
    inner = beside[: len(diagonal) - 1]
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(inner, 1) + np.diag(inner, -1))
    return values, vectors


def _outermost(diagonal: Sequence[float], beside: Sequence[float], eps: float) -> tuple[float, float, float, float]:
    """The lowest Ritz value and its error, the highest and its."""
    values, vectors = tridiagonal(diagonal, beside)
    residuals = beside[-1] * np.abs(vectors[-1])
    rounding = 10 * eps * max(abs(values[0]), abs(values[-1]))
    low = _error(values, residuals, rounding)
    high = _error(-values[::-1], residuals[::-1], rounding)
    return float(values[0]), max(low, rounding), float(values[-1]), max(high, rounding)


def _error(values: np.ndarray, residuals: np.ndarray, rounding: float) -> float:
    """Of the lowest: its residual, or that squared over the distance to the next which is no copy of it."""
    own = float(residuals[0])
    for value, residual in zip(values[1:], residuals[1:], strict=True):
        if value - values[0] > 100 * rounding:
            gap = float(value - residual - values[0])
            return min(own, own**2 / gap) if gap > 0 else own
    return own
