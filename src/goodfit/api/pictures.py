"""Pictures from the generator of a run, and their files.

n pictures, C channels, H and W pixels, Z numbers of noise.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from goodfit.api.run import Run
from goodfit.base.errors import InputError
from goodfit.base.files import write_bytes
from goodfit.base.streams import numpy_stream
from goodfit.bundle.bundle import Member
from goodfit.data.picture_grid import eight_bits, enlarging, grid, png

AT_ONCE = 256  # pictures
GOLDEN = (5**0.5 - 1) / 2  # whose multiples fall most evenly between 0 and 1
MOST = 100_000  # files in a folder, beyond which file systems and people get slow


@torch.no_grad()
def drawn(member: Member, number: int, seed: int, device: str | torch.device = "cpu") -> np.ndarray:
    """uint8 [number, C, H, W]. Picture i is a function of the seed and i: more of them begin with the same ones."""
    network = member.network.to(device)
    was_training = network.training
    network.eval()
    about = member.model["inputs"]["noise"]
    shares = about.get("shares") or []
    noise = numpy_stream(seed, "noise").standard_normal((number, int(about["size"]) - len(shares)), dtype=np.float32)
    if shares:
        noise = np.concatenate([noise, np.eye(len(shares), dtype=np.float32)[_classes(number, shares)]], axis=1)
    parts = [eight_bits(network(noise=part.to(device))) for part in torch.from_numpy(noise).split(AT_ONCE)]
    network.train(was_training)
    return np.concatenate(parts)


def _classes(number: int, shares: list[float]) -> np.ndarray:
    """[number] classes in proportion to their shares, evenly mixed, the first ones the same for any number (Weyl's sequence of 1916)."""
    place = ((np.arange(number) + 0.5) * GOLDEN) % 1
    return np.minimum(np.searchsorted(np.cumsum(shares), place, side="right"), len(shares) - 1)


def generate_pictures(
    run: str | Path | Run, *, number: int = 64, seed: int = 0, out: str | Path | None = None, device: str | None = None
) -> dict[str, Any]:
    """Write `number` pictures as 0001.png, ... and all of them as grid.png into the new folder `out` ("pictures" when None), whole or not at all.

    Returns {"output", "number", "seed"}. Raises InputError for a run that makes no pictures, and for a folder that is not empty.
    """
    opened = run if isinstance(run, Run) else Run(run)
    bundle = opened.bundle
    if bundle.target.kind != "generation":
        raise InputError(
            f"pictures are made by a run of the task generation; {opened.folder} learned {bundle.target.kind}", file=opened.folder
        )
    if not 1 <= number <= MOST:
        raise InputError(f"--number must lie from 1 to {MOST:,}; {number} was given", value=number)
    if seed < 0:
        raise InputError(f"--seed must be at least 0; {seed} was given", value=seed)
    path = Path("pictures" if out is None else out)
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise InputError(f"--out must be a new folder; {path} {'is a file' if path.is_file() else 'is not empty'}: give another", file=path)
    if not path.absolute().parent.is_dir():
        raise InputError(f"the folder of --out must exist; {path.absolute().parent} does not", file=path)
    pictures = drawn(bundle.members[0], number, seed, device or "cpu")
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        digits = max(4, len(str(number)))
        for index, picture in enumerate(pictures):
            write_bytes(part / f"{index + 1:0{digits}d}.png", png(picture))
        write_bytes(part / "grid.png", png(grid(pictures, max(1, round(number**0.5))), factor=enlarging(pictures.shape[2])))
        if path.exists():
            path.rmdir()
        part.rename(path)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InputError(f"{path} cannot be written ({error.strerror or error}); give another --out", file=path) from error
    return {"output": str(path), "number": number, "seed": seed}
