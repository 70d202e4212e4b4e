"""Threads, determinism and torch's generator for the time of a run, then as they were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def computing(device: torch.device, threads: int | None) -> Iterator[None]:
    """Compute with this many threads, and with the same bits twice wherever the device can."""
    before, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    if threads:
        torch.set_num_threads(threads)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs for the same bits twice
        torch.use_deterministic_algorithms(True, warn_only=True)
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic)
        torch.set_rng_state(state)
