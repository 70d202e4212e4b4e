"""Ends and density of spectra beside numpy's and scipy's eigenvalues."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from tests.curvature.landscapes import NAMES, landscape, matrix_with
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.curvature.density import spectral_density
from goodfit.curvature.lanczos import eigenvector, ends, warm_start, within
from goodfit.curvature.products import Product, dense_product, hessian_product

HELD = pytest.mark.parametrize("basis", [True, False], ids=["held", "short"])


def broad(size: int = 1500) -> Tensor:
    """A bulk around 0, as networks have it, with a few eigenvalues above and one below."""
    random = torch.Generator().manual_seed(1)
    bulk = torch.randn(size - 5, generator=random, dtype=torch.float64) * 0.1
    return torch.cat([bulk, torch.tensor([-1.2, 3.0, 4.0, 6.0, 9.0], dtype=torch.float64)])


def diagonal_product(values: Tensor) -> Product:
    return Product(len(values), values.dtype, values.device, lambda out, v: out.addcmul_(values, v))


@pytest.mark.parametrize("name", NAMES)
@HELD
def test_ends_are_those_of_the_dense_hessian(name: str, basis: bool) -> None:
    given = landscape(name)
    values = np.linalg.eigvalsh(given.hessian().numpy())
    found = ends(hessian_product(given.objective(5, 5)), tolerance=1e-6, basis=basis)
    assert found.done
    norm = max(abs(values[0]), abs(values[-1]))
    assert abs(found.low - values[0]) < 1e-6 * norm
    assert abs(found.high - values[-1]) < 1e-6 * norm


@HELD
def test_eigenvectors(basis: bool) -> None:
    given = landscape("mlp, softmax")
    dense = given.hessian()
    values, vectors = torch.linalg.eigh(dense)
    product = hessian_product(given.objective())
    found = ends(product, tolerance=1e-8, basis=basis)
    for end, at in (("low", 0), ("high", -1)):
        v = eigenvector(product, found, end)  # type: ignore[arg-type]
        assert abs(float(v @ vectors[:, at])) == pytest.approx(1, abs=1e-5)
        torch.testing.assert_close(dense @ v, values[at] * v, rtol=0, atol=1e-4 * float(values[-1]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@HELD
def test_errors_cover_the_truth_and_the_search_ends_early(dtype: torch.dtype, basis: bool) -> None:
    values = broad()
    product = diagonal_product(values.to(dtype))
    low, high = float(values.min()), float(values.max())
    for seed in range(10):
        found = ends(product, seed=seed, basis=basis)
        assert found.done
        assert found.steps < 40
        assert abs(found.low - low) <= 0.01 * abs(low)
        assert abs(found.high - high) <= 0.01 * high
        assert low - 1e-5 <= found.low
        assert found.high <= high + 1e-5
        assert found.low - low <= 3 * found.low_error + 1e-5
        assert high - found.high <= 3 * found.high_error + 1e-5


def test_where_an_end_is_likely_at_the_edge_of_a_bulk() -> None:
    """The law 1 / k^2: what is likely is nearer than any vector's value, and off by no more than two thirds of the error."""
    values = torch.linspace(-1, 1, 20_001, dtype=torch.float64)
    for seed in range(5):
        for steps in (12, 20, 30):
            found = ends(diagonal_product(values), until=lambda _: False, steps=steps, seed=seed)
            low, high = found.likely
            assert abs(low + 1) < 0.5 * (found.low + 1)
            assert abs(high - 1) < 0.5 * (1 - found.high)
            assert abs(low + 1) <= 2 / 3 * found.low_error
            assert abs(high - 1) <= 2 / 3 * found.high_error


def test_a_warm_start_of_a_vector_with_one_large_number() -> None:
    """More numbers than a byte's largest squared: what stands out is kept as it is, and is no infinity."""
    values = torch.full((400_000,), 1e-3)
    values[5] = 7.0
    begin = warm_start(diagonal_product(values), steps=6)
    assert begin.isfinite().all()
    assert float(torch.linalg.vector_norm(begin)) == pytest.approx(1, abs=1e-3)
    assert abs(float(begin[5])) > 0.5


def test_as_many_products_as_scipy_or_fewer() -> None:
    values = broad()
    calls = 0

    def times(v: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return values.numpy() * v.ravel()

    other = eigsh(LinearOperator((len(values),) * 2, times, dtype=np.float64), k=2, which="BE", tol=0.01, return_eigenvectors=False)
    found = ends(diagonal_product(values), basis=False)
    assert found.low == pytest.approx(other.min(), rel=0.02)
    assert found.high == pytest.approx(other.max(), rel=0.02)
    assert found.steps <= calls


def test_many_steps_without_the_vectors_make_copies_and_no_harm() -> None:
    values = broad(400)
    found = ends(diagonal_product(values), until=lambda _: False, steps=350, basis=False)
    assert found.low == pytest.approx(float(values.min()), rel=1e-10)
    assert found.high == pytest.approx(float(values.max()), rel=1e-10)
    assert not found.done
    assert found.steps == 350
    vector = eigenvector(diagonal_product(values), found)
    assert abs(float(vector[values.argmin()])) == pytest.approx(1, abs=1e-6)


def test_sums_over_a_million_numbers_keep_the_ends_where_they_are() -> None:
    values = torch.linspace(-0.3, 1, 1_000_000)
    values[3] = 3.0
    found = ends(diagonal_product(values), until=lambda _: False, steps=60, basis=False)
    assert found.high == pytest.approx(3.0, rel=1e-5)  # by single sums, 2e-4 off


def test_a_warm_start_saves_steps_and_claims_no_chances() -> None:
    values = broad(1000)
    matrix = matrix_with(values)
    random = torch.Generator().manual_seed(5)
    noise = 0.002 * torch.randn(1000, 1000, generator=random, dtype=torch.float64)
    product, few = dense_product(matrix), dense_product(matrix + noise + noise.T)
    cold = ends(product, tolerance=1e-3, basis=False)
    begin = warm_start(few)
    warm = ends(product, tolerance=1e-3, basis=False, begin=begin)
    assert warm.steps < 0.7 * cold.steps
    for found in (cold, warm):
        assert found.low == pytest.approx(float(values.min()), rel=1e-3)
        assert found.high == pytest.approx(float(values.max()), rel=1e-3)
    assert warm.missed(1e9) == 1.0
    v = eigenvector(product, warm, begin=begin)
    assert float(v @ matrix @ v) == pytest.approx(warm.low, rel=1e-6)


@pytest.mark.parametrize("steps", [20, 26, 30])  # all vectors kept, just so, and the first ones made again
def test_a_warm_start_is_the_sum_of_both_vectors(steps: int) -> None:
    product = dense_product(matrix_with(broad(600)))
    found = ends(product, steps=steps, until=lambda _: False, basis=False)
    both = eigenvector(product, found, "low"), eigenvector(product, found, "high")
    begin = warm_start(product, steps=steps)
    for vector in both:
        assert abs(float(begin @ vector)) == pytest.approx(math.sqrt(0.5), abs=0.02)
    assert float(torch.linalg.vector_norm(begin)) == pytest.approx(1)


def test_one_number_no_curvature_and_few_eigenvalues() -> None:
    one = ends(dense_product(torch.tensor([[-3.0]])))
    assert (one.low, one.high, one.steps, one.missed(1e-9)) == (-3.0, -3.0, 1, 0.0)
    none = ends(dense_product(torch.zeros(20, 20)))
    assert (none.low, none.high, none.low_error, none.done) == (0.0, 0.0, 0.0, True)
    few = ends(dense_product(matrix_with(torch.tensor([-1.0] * 10 + [2.0] * 20).double())))
    assert few.low == pytest.approx(-1)
    assert few.high == pytest.approx(2)
    assert few.steps <= 3
    same = ends(dense_product(torch.eye(50).double() * 4))
    assert (same.low, same.high) == (pytest.approx(4), pytest.approx(4))


@pytest.mark.parametrize(("seed", "other"), [(0, 1)])
def test_a_seed_gives_the_same_bits(seed: int, other: int) -> None:
    product = dense_product(matrix_with(broad(300)))  # signs squared are 1: a diagonal matrix would not tell probes apart
    assert ends(product, seed=seed) == ends(product, seed=seed)
    assert ends(product, seed=seed).low != ends(product, seed=other).low
    one, two = spectral_density(product, seed=seed), spectral_density(product, seed=seed)
    assert torch.equal(one.nodes, two.nodes)
    assert torch.equal(one.weights, two.weights)
    assert not torch.equal(one.nodes, spectral_density(product, seed=other).nodes)


def test_global_random_numbers_are_left_alone() -> None:
    before = torch.get_rng_state()
    product = hessian_product(landscape("mlp, softmax").objective())
    torch.set_rng_state(before)
    spectral_density(product, probes=1, steps=3)
    eigenvector(product, ends(product))
    assert torch.equal(before, torch.get_rng_state())


def test_the_chance_of_a_miss_is_a_bound() -> None:
    """One eigenvalue below a bulk: over many starts and few steps it is missed by as much less often than stated."""
    values = torch.linspace(0, 1, 60, dtype=torch.float64)
    values[0] = -0.15
    product = diagonal_product(values)
    for steps in (4, 6, 8, 12):
        tries = [ends(product, seed=seed, steps=steps, until=lambda _: False) for seed in range(60)]
        for by in (0.02, 0.1):
            share = sum(found.low - float(values.min()) > by for found in tries) / len(tries)
            assert share <= max(found.missed(by) for found in tries) + 0.05
    assert ends(product, until=lambda _: False, steps=50).missed(0.1) < 1e-8
    assert ends(product, until=lambda _: False, steps=3).missed(0.0) == 1.0


def test_an_end_near_zero_ends_the_search() -> None:
    values = torch.cat([torch.zeros(500), torch.linspace(0.5, 10, 40)]).double()
    found = ends(diagonal_product(values), basis=False)
    assert found.done
    assert abs(found.low) <= 0.01
    assert within(found, 0.01)
    assert not within(found, 1e-14)


@pytest.mark.parametrize("name", ["mlp, softmax", "gru, squared"])
def test_the_density_of_a_hessian(name: str) -> None:
    given = landscape(name)
    values = torch.linalg.eigvalsh(given.hessian())
    found = spectral_density(hessian_product(given.objective()), probes=100, steps=20)
    assert torch.allclose(found.weights.sum(1), torch.ones(100).double())
    trace, error = found.trace()
    assert abs(trace - float(values.sum())) < 4 * error
    for f in (torch.exp, torch.square):
        mean, error = found.mean(f)
        assert abs(mean - float(f(values).mean())) < 4 * error
        assert error < 0.1 * abs(mean)
    width = 0.05 * float(values[-1] - values[0])
    at = torch.linspace(float(values[0]) - 4 * width, float(values[-1]) + 4 * width, 400, dtype=torch.float64)
    bells = torch.exp(-((at.unsqueeze(1) - values) ** 2) / (2 * width**2)) / (width * math.sqrt(2 * math.pi))
    density = found.density(at, width=width)
    assert torch.trapezoid(density, at) == pytest.approx(1, abs=1e-3)
    assert (density - bells.mean(1)).abs().max() < 0.05 * bells.mean(1).max()
    share, error = found.below(-width)
    assert abs(share - float((values < -width).double().mean())) < 4 * error + 0.01


def test_the_density_of_a_large_matrix_needs_few_probes() -> None:
    values = broad(20_000)
    found = spectral_density(diagonal_product(values.float()), probes=4, steps=40)
    assert found.mean(torch.square)[0] == pytest.approx(float(values.square().mean()), rel=0.02)
    assert found.below(0.0)[0] == pytest.approx(float((values < 0).double().mean()), abs=0.12)  # a node's weight
    assert math.isnan(spectral_density(diagonal_product(values), probes=1, steps=4).trace()[1])
    assert float(found.density(torch.tensor([0.0]))) > float(found.density(torch.tensor([2.0])))


def test_what_is_refused() -> None:
    product = diagonal_product(broad(50))
    with pytest.raises(InputError, match="steps=0"):
        ends(product, steps=0)
    with pytest.raises(InputError, match="probes=0"):
        spectral_density(product, probes=0)
    with pytest.raises(InputError, match="above 0"):
        spectral_density(product, probes=1).density(torch.zeros(1), width=0.0)
    with pytest.raises(InputError, match="not finite"):
        ends(Product(3, torch.float32, torch.device("cpu"), lambda out, v: out.fill_(math.inf)))
