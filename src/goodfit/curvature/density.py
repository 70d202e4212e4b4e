"""How the eigenvalues of a symmetric matrix are spread, from products alone.

P parameters, R probes, k steps. Stochastic Lanczos quadrature: Golub and Welsch 1969; Bai, Fahey and Golub, "Some large-scale matrix computation problems" (1996);
Ubaru, Chen and Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature" (2017). For networks: Ghorbani, Krishnan and Xiao, "An investigation into
neural net optimization via Hessian eigenvalue density" (2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.base.streams import torch_stream
from goodfit.curvature.lanczos import recurrence, tridiagonal
from goodfit.curvature.products import Product

PROBES = (
    8  # the error falls with their root; for P above 10,000 one probe is within a percent of most averages (Ghorbani et al. 2019 take 10)
)
STEPS = 64  # moments up to degree 127 are exact for each probe: details of about a hundredth of the spectrum's width show
_WIDTH = 0.01  # of the spectrum, that of the bell put on each node: about what the steps can tell apart


@dataclass(frozen=True)
class Spectrum:
    """The eigenvalues of a matrix [P, P] as weighted points.

    nodes: float64 [R, k], in the unit of the loss per squared unit of weight. weights: float64 [R, k], not negative, 1 in sum for each probe: the share of all
    eigenvalues that a node stands for. A probe that ended sooner has weights of 0 at its end.
    """

    nodes: Tensor
    weights: Tensor
    size: int

    def mean(self, f: Callable[[Tensor], Tensor]) -> tuple[float, float]:
        """The mean of f over all eigenvalues, and its standard error over the probes (nan for one). f: float64 [R, k] -> [R, k]."""
        per_probe = (f(self.nodes) * self.weights).sum(1)  # R
        probes = len(per_probe)
        error = float(per_probe.std(correction=1)) / math.sqrt(probes) if probes > 1 else math.nan
        return float(per_probe.mean()), error

    def trace(self) -> tuple[float, float]:
        """The sum of all eigenvalues, and its standard error: Hutchinson's estimate (1990)."""
        mean, error = self.mean(lambda nodes: nodes)
        return self.size * mean, self.size * error

    def below(self, at: float) -> tuple[float, float]:
        """The share of eigenvalues below `at`, and its standard error; at=0 gives the share of directions that bend down.

        Besides, right to within the weights of the two nodes next to `at` (Chebyshev, Markov and Stieltjes, in Golub and Meurant 2010): within a bulk, of a few tenths.
        """
        return self.mean(lambda nodes: (nodes < at).to(nodes.dtype))

    def density(self, at: Tensor, *, width: float | None = None) -> Tensor:
        """The density at the points `at` [m], [m] float64, of integral 1: a Gaussian bell of standard deviation `width` on every node.

        width: by default a hundredth of the distance between the outermost nodes, or where there is none, of the node's size.
        """
        low, high = float(self.nodes.min()), float(self.nodes.max())
        bell = width if width is not None else _WIDTH * ((high - low) or abs(high) or 1.0)
        if not bell > 0:
            raise InputError(f"the width of a density must be above 0, and is {bell}", value=bell)
        from_node = (at.to(self.nodes).reshape(-1, 1, 1) - self.nodes) / bell  # m R k
        bells = torch.exp(-from_node.square() / 2) / (bell * math.sqrt(2 * math.pi))
        return (bells * self.weights).sum(2).mean(1)


def spectral_density(product: Product, *, probes: int = PROBES, steps: int = STEPS, seed: int = 0) -> Spectrum:
    """The spectrum of `product` from `probes` random vectors of signs, each a pure function of `seed` and its number, by `steps` products each.

    The estimate of the mean of f over the eigenvalues has no bias for polynomials of degree below 2k. Its standard deviation per probe is about
    sqrt(2 / P) times the root mean square of f. Three vectors [P] are held. Copies that rounding makes share the weight of the node they copy (Greenbaum 1989).

    >>> from goodfit.curvature.products import dense_product
    >>> found = spectral_density(dense_product(torch.diag(torch.tensor([-1.0, 2.0, 5.0]).double())))
    >>> round(found.trace()[0], 6)  # the matrix is diagonal, and squared signs are 1: exact
    6.0
    """
    if probes < 1 or steps < 1:
        raise InputError(f"a density needs at least one probe and one step, and got probes={probes}, steps={steps}")
    nodes, weights = torch.zeros(probes, steps, dtype=torch.float64), torch.zeros(probes, steps, dtype=torch.float64)
    for probe in range(probes):
        random = torch_stream(seed, "curvature", "density", probe)
        signs = torch.randint(0, 2, (product.size,), generator=random).to(product.device, product.dtype).mul_(2).sub_(1)
        pairs = [(alpha, beta) for alpha, beta, _ in recurrence(product, signs, steps)]
        values, vectors = tridiagonal([alpha for alpha, _ in pairs], [beta for _, beta in pairs])
        count = len(values)
        nodes[probe, :count] = torch.from_numpy(values)
        nodes[probe, count:] = float(values[-1])
        weights[probe, :count] = torch.from_numpy(vectors[0] ** 2)
    return Spectrum(nodes, weights, product.size)
