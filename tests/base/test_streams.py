"""Streams are pure functions of their names, and unrelated to one another."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.base.streams import derive, numpy_stream, torch_stream

NAMES = st.lists(st.text(max_size=8) | st.integers(-(2**70), 2**70), max_size=4)


@settings(deadline=None)
@given(seed=st.integers(0, 2**53 - 1), names=NAMES)
def test_a_seed_that_every_generator_takes(seed: int, names: list[str | int]) -> None:
    number = derive(seed, *names)
    assert 0 <= number < 2**63
    assert number == derive(seed, *names)
    assert torch_stream(seed, *names).initial_seed() == number
    assert numpy_stream(seed, *names).integers(2**60) == numpy_stream(seed, *names).integers(2**60)


@settings(deadline=None)
@given(seed=st.integers(0, 2**20), names=NAMES, other=NAMES)
def test_different_names_give_different_seeds(seed: int, names: list[str | int], other: list[str | int]) -> None:
    assert (derive(seed, *names) == derive(seed, *other)) == (names == other)
    assert derive(seed, *names) != derive(seed + 1, *names)


def test_names_are_not_run_together() -> None:
    assert (
        len(
            {
                derive(0, "ab", "c"),
                derive(0, "a", "bc"),
                derive(0, "abc"),
                derive(0, "1"),
                derive(0, 1),
                derive(1),
                derive(11),
                derive(1, 1),
            }
        )
        == 8
    )


def test_numbers_of_any_library_are_the_same_name() -> None:
    assert derive(0, "order", 3) == derive(np.int64(0), "order", np.int32(3)) == derive(0, "order", int(torch.tensor(3)))  # type: ignore[arg-type]


def test_the_same_in_another_process() -> None:
    code = "from goodfit.base.streams import derive; print(derive(7, 'order', 3))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "5", "PATH": ""}
    )
    assert int(other.stdout) == derive(7, "order", 3)


def test_neighbouring_streams_are_uncorrelated() -> None:
    draws = np.stack([numpy_stream(0, "order", step).standard_normal(2_000) for step in range(20)])
    correlation = np.corrcoef(draws) - np.eye(20)
    assert np.abs(correlation).max() < 0.12  # 5 standard deviations of 1/sqrt(2000)
    bits = np.array([derive(0, step) >> np.arange(63) & 1 for step in range(4_000)])
    assert np.abs(bits.mean(0) - 0.5).max() < 0.04
