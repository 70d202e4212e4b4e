"""An autoencoder of a run at work on rows: what it reads, its codes, what it gives back, and the picture that shows both.

n rows, D numbers of a row, Z numbers of a code, C channels, H and W pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from goodfit.base.files import write_bytes
from goodfit.bundle.bundle import Bundle, Member
from goodfit.data.batches import Batches, rows_at_once
from goodfit.data.dataset import Dataset
from goodfit.data.picture_grid import eight_bits
from goodfit.evaluation.rebuilt import PAIRS, Autoencoded, pairs
from goodfit.tasks.reconstruction import Autoencoding


def autoencoded(bundle: Bundle, data: Dataset, device: str | torch.device = "cpu") -> Autoencoded:
    """The bundle's autoencoder on the rows of `data`."""
    member = bundle.members[0]
    network = cast(Autoencoding, member.network)

    def pictures(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return eight_bits(_walked(member, data, rows, "given", device)), eight_bits(_walked(member, data, rows, "rebuilt", device))

    return Autoencoded(
        matrix=lambda rows: _walked(member, data, rows, "given", device).flatten(1).numpy(),
        rebuilt=lambda rows: _walked(member, data, rows, "rebuilt", device).flatten(1).numpy(),
        pictures=pictures if "image" in member.encoder.inputs else None,
        codes=lambda rows: _walked(member, data, rows, "code", device).numpy(),
        columns=network.columns,
    )


def draw_pairs(bundle: Bundle, data: Dataset, path: Path, *, device: str | torch.device = "cpu") -> bool:
    """Write a PNG of the first rows, originals above what is given back; False where rows are no pictures, and nothing is written."""
    network = autoencoded(bundle, data, device)
    if network.pictures is None or not data.rows:
        return False
    write_bytes(path, pairs(*network.pictures(np.arange(min(PAIRS, data.rows)))))
    return True


@torch.no_grad()
def _walked(member: Member, data: Dataset, rows: np.ndarray, what: str, device: str | torch.device) -> torch.Tensor:
    """ "given": what the network reads, [n, D] or [n, C, H, W]; "rebuilt": the same as given back; "code": [n, Z]. In float32, on the CPU."""
    inputs = member.encoder.inputs
    encoded = member.encoder.encode(data, rows, with_target=False)
    size = rows_at_once(inputs)
    batches = Batches(encoded, np.arange(encoded.rows), batch_size=size, seed=0, shuffle=False, device=device, inputs=inputs)
    network = cast(Any, member.network.to(device).eval())
    parts = []
    for position in range(len(batches)):
        given = network.given(**batches.batch(0, position).inputs)
        if what != "given":
            given = network.encode(given)
        parts.append((network.decode(given) if what == "rebuilt" else given).float().cpu())
    return torch.cat(parts)
