"""Numbers: scikit-learn is the oracle for quantiles and standardisation; RealMLP's formulas are transcribed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from goodfit.base.streams import numpy_stream
from goodfit.data import encode_number
from goodfit.data.encode_number import GRID, NOISE, NumberScaler


def columns(rows: int = 6_000) -> np.ndarray:
    """[5, rows]: normal, few whole numbers, half zeros, large offset, a fifth missing."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=rows)
    return np.stack(
        [
            normal,
            rng.integers(0, 5, rows).astype(float),
            np.where(rng.random(rows) < 0.5, 0, rng.exponential(size=rows)),
            rng.normal(size=rows) * 1e3 + 1e6,
            np.where(rng.random(rows) < 0.2, np.nan, normal),
        ]
    )


def fitted(values: np.ndarray, scaling: str, seed: int = 0) -> tuple[NumberScaler, torch.Tensor]:
    names = [f"c{i}" for i in range(len(values))]
    return encode_number.fit(torch.from_numpy(values), names, scaling, values.shape[1], seed)  # type: ignore[arg-type]


def noisy(values: np.ndarray, seed: int) -> np.ndarray:
    """The noise of the encoder, transcribed for one column at a time."""
    out = values.copy()
    for i, column in enumerate(values):
        known = np.quantile(column[~np.isnan(column)], np.linspace(0, 1, GRID + 1), method="nearest")
        distance = np.abs(known - known[GRID // 2])
        out[i] += NOISE * np.quantile(distance[distance > 0], 0.75) * numpy_stream(seed, "noise", f"c{i}").standard_normal(len(column))
    return out


def test_quantiles_equal_scikit_learn() -> None:
    values = columns()
    scaler, varies = fitted(values, "quantile", seed=3)
    oracle = QuantileTransformer(n_quantiles=6_000 // 30, output_distribution="normal", subsample=None).fit(noisy(values, 3).T)
    np.testing.assert_allclose(scaler.quantiles, oracle.quantiles_.T, rtol=1e-12)
    np.testing.assert_allclose(scaler.transform(torch.from_numpy(values)), oracle.transform(values.T).T, atol=1e-8)
    assert varies.all()


def test_repeated_quantiles_equal_scikit_learn() -> None:
    values = columns()
    oracle = QuantileTransformer(n_quantiles=300, output_distribution="normal", subsample=None).fit(values.T)  # no noise: many ties
    zero = torch.zeros(5, dtype=torch.float64)
    scaler = NumberScaler("quantile", torch.from_numpy(oracle.quantiles_.T.copy()), zero, zero + 1, zero, torch.zeros(5, 0))
    probe = np.concatenate([values, values + 0.25], axis=1)
    np.testing.assert_allclose(scaler.transform(torch.from_numpy(probe)), oracle.transform(probe.T).T, atol=1e-8)


@pytest.mark.parametrize(("rows", "expected"), [(4, 4), (100, 10), (3_000, 100), (40_000, 1_000)])
def test_number_of_quantiles_follows_the_training_rows(rows: int, expected: int) -> None:
    values = np.random.default_rng(0).normal(size=(1, rows))
    assert fitted(values, "quantile")[0].quantiles.shape == (1, expected)


def test_many_columns_are_fitted_in_blocks_like_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    values = columns()
    whole, _ = fitted(values, "quantile")
    monkeypatch.setattr(encode_number, "_CELLS", 1)
    blocks, _ = fitted(values, "quantile")
    assert torch.equal(whole.quantiles, blocks.quantiles)
    assert torch.equal(whole.encode(torch.from_numpy(values)), blocks.encode(torch.from_numpy(values)))


def test_half_zeros_land_at_their_middle_rank() -> None:
    values = np.concatenate([np.zeros(3_000), np.linspace(1, 2, 3_000)])[None]
    scaled = fitted(values, "quantile")[0].transform(torch.tensor([[0.0]], dtype=torch.float64))
    assert scaled.item() == pytest.approx(-0.6745, abs=0.05)  # the normal quantile of 1/4; -5.2 without the noise


def test_tiny_units_keep_their_order() -> None:
    values = np.random.default_rng(0).normal(size=(1, 3_000)) * 1e-12
    scaled = fitted(values, "quantile")[0].transform(torch.from_numpy(values)).numpy()[0]
    assert np.corrcoef(np.argsort(np.argsort(values[0])), np.argsort(np.argsort(scaled)))[0, 1] > 0.9999


def test_standard_equals_scikit_learn() -> None:
    values = columns()
    scaler, _ = fitted(values, "standard")
    np.testing.assert_allclose(scaler.transform(torch.from_numpy(values)), StandardScaler().fit_transform(values.T).T, atol=1e-9)
    assert scaler.fill.abs().max() < 1e-2  # the mean of standardised values


def test_robust_is_median_quartiles_and_smooth_clip() -> None:
    values = columns()[:4]
    scaler, _ = fitted(values, "robust")
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=1)
    unit = (values - middle[:, None]) / (high - low)[:, None]
    np.testing.assert_allclose(scaler.transform(torch.from_numpy(values)), unit / np.sqrt(1 + (unit / 3) ** 2), rtol=1e-9, atol=1e-12)


def test_robust_uses_half_the_range_where_the_quartiles_agree() -> None:
    values = np.array([[0.0] * 20 + [4.0]])
    assert fitted(values, "robust")[0].scale.item() == 2.0


@pytest.mark.parametrize("scaling", encode_number.SCALINGS)
def test_columns_that_do_not_vary_are_marked(scaling: str) -> None:
    values = np.stack(
        [np.full(50, 0.1), np.full(50, np.nan), np.arange(50.0), np.where(np.arange(50) % 2, np.nan, 7.0), np.full(50, -np.inf)]
    )
    assert fitted(values, scaling)[1].tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("scaling", encode_number.SCALINGS)
def test_missing_values_get_the_mean(scaling: str) -> None:
    values = columns()
    scaler, _ = fitted(values, scaling)
    scaled = scaler.transform(torch.from_numpy(values))
    filled = scaler.encode(torch.from_numpy(values))
    assert torch.equal(filled[4][scaled[4].isnan()].unique(), scaler.fill[4:])
    np.testing.assert_allclose(scaler.fill, scaled.nanmean(dim=1), atol=2e-2)


@pytest.mark.parametrize("scaling", encode_number.SCALINGS)
@settings(max_examples=60, deadline=None)
@given(
    train=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=40),
    new=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=40),
)
@example(train=[-1.7e308] * 2 + [1.7e308] * 9, new=[-1.7e308, 0.0, 0.5, 1.7e308])  # their difference overflows
def test_any_numbers_become_finite_and_keep_their_order(scaling: str, train: list[float], new: list[float]) -> None:
    scaler, varies = fitted(np.array([train]), scaling)
    assert (
        varies.item() or len({value for value in train if np.isfinite(value)}) < 2 or np.ptp([v for v in train if np.isfinite(v)]) < 1e-290
    )
    if not varies.item():
        return
    encoded = scaler.encode(torch.tensor([new], dtype=torch.float64)).float()
    assert encoded.isfinite().all()
    known = sorted(value for value in new if value == value)
    scaled = scaler.transform(torch.tensor([known], dtype=torch.float64))[0]
    assert (scaled.diff() >= -1e-12).all()


def test_bins_are_quantiles_of_the_scaled_training_values() -> None:
    values = columns()
    scaler, _ = fitted(values, "quantile")
    scaled = scaler.transform(torch.from_numpy(values)).numpy()
    for edges, column in zip(scaler.bins(16), scaled, strict=True):
        known = column[~np.isnan(column)]
        assert (edges.diff() > 0).all()
        assert edges[0] == pytest.approx(known.min(), abs=1e-6)
        assert edges[-1] == pytest.approx(known.max(), abs=1e-6)
    np.testing.assert_allclose(scaler.bins(16)[0], np.quantile(scaled[0], np.linspace(0, 1, 17), method="nearest"), atol=1e-2)
    assert len(scaler.bins(16)[1]) == 5  # five different values: an edge at each
    assert len(scaler.bins(GRID)[0]) == GRID + 1


def test_a_heavy_value_takes_one_edge_and_leaves_the_rest() -> None:
    """Nine tenths zeros: with plain quantiles, five of 48 bins would be left for the other tenth."""
    stream = np.random.default_rng(0)
    values = np.where(stream.random((1, 20_000)) < 0.9, 0.0, stream.exponential(1.0, (1, 20_000)))
    scaler, _ = fitted(values, "quantile")
    (edges,) = scaler.bins(48)
    zero = scaler.transform(torch.zeros(1, 1, dtype=torch.float64)).float().item()
    assert len(edges) >= 45
    assert int((edges > zero + 1e-6).sum()) >= 44


@given(
    values=st.lists(st.integers(0, 40), min_size=2, max_size=300).filter(lambda values: len(set(values)) > 1),
    count=st.integers(1, 60),
)
def test_edges_rise_and_hold_both_ends(values: list[int], count: int) -> None:
    column = torch.tensor(sorted(values), dtype=torch.float32)
    edges = encode_number._edges(column, count)
    assert (edges.diff() > 0).all()
    assert edges[0] == column[0]
    assert edges[-1] == column[-1]
    assert 2 <= len(edges) <= count + 1
    assert set(edges.tolist()) <= set(column.tolist())
    if len(set(values)) <= count + 1:
        assert len(edges) >= min(len(set(values)), 2)
