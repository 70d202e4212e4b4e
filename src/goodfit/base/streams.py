"""Named random streams, all derived from one seed.

A stream is a pure function of (seed, names): nothing needs to be saved to resume it, and no stream disturbs another.
The names in use: init, order, augmentation, dropout, noise, neighbours, split, search, bootstrap.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream `names` under `seed`.

    BLAKE2b of the names, so that neighbouring seeds and positions give unrelated streams.

    >>> derive(0, "order", 1) == derive(0, "order", 1), derive(0, "order", 1) == derive(0, "order", 2)
    (True, False)
    """
    plain = tuple(name if isinstance(name, str) else int(name) for name in names)  # numpy's integers print unlike Python's
    text = repr((int(seed), *plain)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def torch_stream(seed: int, *names: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """A fresh torch generator for the stream."""
    generator = torch.Generator(device=device)
    generator.manual_seed(derive(seed, *names))
    return generator


def numpy_stream(seed: int, *names: str | int) -> np.random.Generator:
    """A fresh numpy generator for the stream."""
    return np.random.default_rng(derive(seed, *names))
