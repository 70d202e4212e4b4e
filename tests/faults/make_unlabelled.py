"""Inputs for what needs no target, sound and broken; see `make_inputs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from make_inputs import _npz, builds, content, png

_PIXELS = np.random.default_rng(1).integers(0, 255, (40, 8, 8), np.uint8)
_LABEL = np.arange(40) % 2


def _loose(count: int, *, cut: bool = False) -> Callable[[Path], None]:
    """A folder of pictures without classes."""

    def build(folder: Path) -> None:
        (folder / "pictures").mkdir()
        for i in range(count):
            whole = png(8, 8, seed=i)
            (folder / "pictures" / f"{i:02d}.png").write_bytes(whole[: len(whole) // 2] if cut and i == 5 else whole)
        (folder / "pictures" / "README.txt").write_text("pictures without classes")

    return build


builds("gallery-sound", content(lambda: _npz(image=_PIXELS, label=_LABEL), "data.npz"))
builds("gallery-beside-columns", content(lambda: _npz(image=_PIXELS, age=_LABEL + 0.5), "data.npz"))
builds("gallery-two-columns", content(lambda: _npz(front=_PIXELS, back=_PIXELS[::-1]), "data.npz"))
builds("gallery-loose", _loose(20))
builds("gallery-one-picture", _loose(1))
builds("gallery-no-picture", _loose(0))
builds("gallery-picture-cut", _loose(20, cut=True))
