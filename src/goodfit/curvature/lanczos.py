"""Both ends of a symmetric matrix's spectrum, from products alone.

P parameters, k steps. Lanczos, "An iteration method for the solution of the eigenvalue problem" (1950): k products give a tridiagonal matrix [k, k] whose extreme
eigenvalues, the Ritz values, move outwards to those of the matrix. Without the vectors of earlier steps, rounding makes copies of ends that have been found, which do
no harm to ends (Paige 1980; Parlett, "The symmetric eigenvalue problem", 1998, ch. 13), and three vectors [P] are enough.
"""

from __future__ import annotations

import math
from collections import deque
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
FEW_STEPS = 36  # of a warm start: rough ends are enough; on an eighth of the rows six products of the whole, and sums of vectors
_KEPT = 26  # of their vectors: with a graph of few rows, on a plain network, the memory of less than three gradients
TOLERANCE = 0.01  # of an end: enough to choose a learning rate or to tell a saddle
_FAINT = 0.1  # of the larger end: what is smaller need not be known to `tolerance` of itself, or an end at 0 would never be done
_LEFT = 2 / 3  # of an end's error: by the law 1 / k^2 what is left, when half of the last movement is the error
_BYTE = torch.float8_e4m3fn  # of vectors kept for a start: 3 % of noise, in all directions alike, which the first steps take away
_BASIS = 1 << 24  # numbers of all k vectors that are held without asking: 128 MiB in float64; the ends then come with no copies
_PIECE = 1 << 16  # numbers of one sum: rounding stays at that of a single product
_SOON = 64  # steps up to which each is looked at; later only every eighth, which costs less than the products


@dataclass(frozen=True)
class Ends:
    """The lowest and the highest eigenvalue of a matrix [P, P], found by `steps` products.

    low and high lie inside the spectrum: no vector could give a Ritz value beyond its ends. low_error and high_error: about how far out the true ends lie, the least of
    three: the residual r = |Hx - theta x|, within which an eigenvalue lies for certain; r^2 / gap (Temple 1928, Kato 1949), with the gap taken between Ritz values;
    and half of how far the end has moved over the second half of the steps: where the error falls as 1 / k^2, as it does at the edge of a bulk
    (Kuczynski and Wozniakowski 1992), a third is what is left, and less where it falls faster. An end that has not begun to show by then is not seen: `missed` says how likely that is.
    done: what was to be reached was reached within the steps. diagonal [k] and beside [k]: the tridiagonal matrix and, last, what the next step would start from.
    random: whether the start was; else `missed` knows nothing.
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
    random: bool
    diagonal: tuple[float, ...]
    beside: tuple[float, ...]

    @property
    def norm(self) -> float:
        """The larger of the two ends in size."""
        return max(abs(self.low), abs(self.high))

    @property
    def likely(self) -> tuple[float, float]:
        """Where the two ends are likely to lie, outside of what any vector gives: two thirds of the error further out.

        The error is half of an end's last movement, and where the error falls as 1 / k^2 a third of the movement is left. Whatever the law, if the errors
        hold, these are off by at most two thirds of them.
        """
        return self.low - _LEFT * self.low_error, self.high + _LEFT * self.high_error

    def missed(self, by: float) -> float:
        """The chance, at most, that an end lies further than `by` beyond the one found, over the random starts; for each end.

        1.648 sqrt(P) exp(-sqrt(by / (high - low + by)) (2k - 1)): Kuczynski and Wozniakowski, "Estimating the largest eigenvalue by the power and Lanczos algorithms with
        a random start" (1992), theorem 4.2, for the matrix moved so that its other end is 0. It holds for exact arithmetic and any spectrum whatever. 0 where the steps
        ended by themselves: then nothing was left.
        """
        if self.beside[-1] == 0 and self.random:
            return 0.0
        if by <= 0 or not self.random:
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
    begin: Tensor | None = None,
) -> Ends:
    """Both ends of the spectrum of `product`, from a random start that is a pure function of `seed`.

    tolerance: the error of each end that ends the search, of the end's own size, or of a tenth of the other's where that is larger. until: asks for something else
    than the tolerance: looks at what is found, and says whether it is enough. steps: at most. basis: hold the vectors of all steps and keep new ones orthogonal
    to them; by default where they are few numbers. Without, three vectors [P] are held, the product's own among them.

    >>> from goodfit.curvature.products import dense_product
    >>> found = ends(dense_product(torch.diag(torch.tensor([-1.0, 2.0, 5.0]).double())))
    >>> round(found.low, 6), round(found.high, 6)
    (-1.0, 5.0)

    begin: [P], where to start in place of a random direction (`warm_start`). Raises InputError where a product is not finite.
    """
    enough = until or (lambda found: within(found, tolerance))
    hold = product.size * steps <= _BASIS if basis is None else basis
    diagonal: list[float] = []
    beside: list[float] = []
    before = False
    for alpha, beta, _ in recurrence(product, start(product, seed, "ends") if begin is None else begin.clone(), steps, hold=hold):
        diagonal.append(alpha)
        beside.append(beta)
        count = len(diagonal)
        last = beta == 0 or count == steps
        if count > _SOON and count % 8 and not last:
            continue
        low, low_error, high, high_error = _outermost(diagonal, beside, float(torch.finfo(product.dtype).eps))
        found = Ends(
            low, high, low_error, high_error, count, beta == 0, product.size, seed, hold, begin is None, tuple(diagonal), tuple(beside)
        )
        ready = beta == 0 or enough(found)
        if last or (ready and before):  # twice, as a Ritz value may rest for a moment on its way out
            return replace(found, done=ready)
        before = ready
    raise InputError(f"the search for ends needs at least one step and got steps={steps}", value=steps)


def within(found: Ends, tolerance: float) -> bool:
    """Whether both ends are known to `tolerance` of themselves, or of a tenth of the larger one."""
    sizes = [max(abs(end), _FAINT * found.norm) for end in (found.low, found.high)]
    return found.low_error <= tolerance * sizes[0] and found.high_error <= tolerance * sizes[1]


def eigenvector(product: Product, found: Ends, end: Literal["low", "high"] = "low", *, begin: Tensor | None = None) -> Tensor:
    """The unit vector [P] that belongs to an end: the same steps once more, summed up as the tridiagonal matrix says. Its sign is as it comes.

    begin: that of `ends`. As many products again, and one vector [P] more, in place of keeping all of them.
    """
    _, vectors = tridiagonal(found.diagonal, found.beside)
    return _summed(
        product, vectors[:, 0 if end == "low" else -1], start(product, found.seed, "ends") if begin is None else begin.clone(), found.basis
    )


def warm_start(few: Product, *, steps: int = FEW_STEPS, seed: int = 0) -> Tensor:
    """A start for `ends`, [P]: the sum of both ends' vectors for a matrix that is like the one asked for and cheaper, such as that of an eighth of the rows.

    `steps` products of `few`, whose last vectors are kept in a byte a number, and some again for the first ones. At the start of training, where few rows bend the
    loss as all do, `ends` then needs a third of the steps; later on it gains nothing. Hierarchies of samples in this manner: Byrd, Chin, Neveitt and Nocedal,
    "On the use of stochastic Hessian information in optimization" (2011).
    """
    pairs: list[tuple[float, float]] = []
    kept: deque[tuple[Tensor, float]] = deque(maxlen=_KEPT)
    for alpha, beta, own in recurrence(few, start(few, seed, "ends"), steps):
        pairs.append((alpha, beta))
        largest = float(torch.linalg.vector_norm(own, math.inf))
        scale = min(math.sqrt(few.size), torch.finfo(_BYTE).max / largest)  # usual numbers near 1, none beyond the largest
        kept.append(((own * scale).to(_BYTE), scale))
    _, vectors = tridiagonal([alpha for alpha, _ in pairs], [beta for _, beta in pairs])
    parts = vectors[:, 0] + vectors[:, -1]
    out = torch.zeros(few.size, dtype=few.dtype, device=few.device)
    for part in parts[: -len(kept) - 1 : -1]:
        small, scale = kept.pop()
        out.add_(small.to(few.dtype), alpha=float(part) / scale)
    if len(parts) > _KEPT:
        early = parts[: len(parts) - _KEPT]
        for part, (_, _, own) in zip(early, recurrence(few, start(few, seed, "ends"), len(early)), strict=True):
            out.add_(own, alpha=float(part))
    return out.div_(math.sqrt(_dot(out, out)))


def _summed(product: Product, parts: np.ndarray, v: Tensor, hold: bool) -> Tensor:
    """The vectors of the steps from v, times `parts` [k], as a unit vector."""
    out = torch.zeros(product.size, dtype=product.dtype, device=product.device)
    for part, (_, _, own) in zip(parts, recurrence(product, v, len(parts), hold=hold), strict=True):
        out.add_(own, alpha=float(part))
    return out.div_(math.sqrt(_dot(out, out)))


def start(product: Product, seed: int, *names: str | int) -> Tensor:
    """A random direction [P], uniform over the sphere: the same numbers on every device."""
    random = torch_stream(seed, "curvature", *names)
    return torch.randn(product.size, dtype=product.dtype, generator=random).to(product.device)


def recurrence(product: Product, v: Tensor, steps: int, *, hold: bool = False) -> Iterator[tuple[float, float, Tensor]]:
    """Steps of Lanczos from v [P], which is overwritten: the diagonal entry, the one beside it, and the vector of the step, which is overwritten too.

    hold: keep all vectors and every new one orthogonal to them. The entry beside the diagonal is 0, and the steps end, where they would leave rounding behind.
    """
    v.div_(math.sqrt(_dot(v, v)))
    behind = torch.zeros_like(v)
    kept = torch.empty(min(steps, product.size), product.size, dtype=v.dtype, device=v.device) if hold else None  # k P
    eps = torch.finfo(v.dtype).eps
    scale = beta = 0.0
    for count in range(steps):
        behind.mul_(-beta)
        product.add_(behind, v)  # H v - beta * the vector before: three vectors in all
        alpha = _dot(v, behind)
        behind.add_(v, alpha=-alpha)
        if kept is not None:
            kept[count] = v
            held = kept[: count + 1]
            for _ in range(2):  # once leaves what rounding of the first left (Kahan, in Parlett 1998)
                behind.addmv_(held.T, held @ behind, alpha=-1)
        beta = math.sqrt(max(0.0, _dot(behind, behind)))
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


def _dot(a: Tensor, b: Tensor) -> float:
    """a^T b in pieces that float64 adds up: one sum over a million float32 is off by 1e-4, which grows from step to step."""
    return float(torch.stack([torch.dot(x, y) for x, y in zip(a.split(_PIECE), b.split(_PIECE), strict=True)]).double().sum())


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
    low, high = _error(values, residuals, rounding), _error(-values[::-1], residuals[::-1], rounding)
    half = len(diagonal) // 2
    if half >= 4:  # fewer say nothing of how an end moves
        earlier, _ = tridiagonal(diagonal[:half], beside[:half])
        low, high = min(low, float(earlier[0] - values[0]) / 2), min(high, float(values[-1] - earlier[-1]) / 2)
    return float(values[0]), max(low, rounding), float(values[-1]), max(high, rounding)


def _error(values: np.ndarray, residuals: np.ndarray, rounding: float) -> float:
    """Of the lowest: its residual, or that squared over the distance to the next which is no copy of it."""
    own = float(residuals[0])
    for value, residual in zip(values[1:], residuals[1:], strict=True):
        if value - values[0] > 100 * rounding:
            gap = float(value - residual - values[0])
            return min(own, own**2 / gap) if gap > 0 else own
    return own
