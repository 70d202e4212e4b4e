"""Running a network over rows without learning: decoded predictions, in the order of the rows."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from goodfit.base.protocols import Batches, Task, run


@torch.no_grad()
def predict_rows(
    network: nn.Module, batches: Batches, task: Task, *, bfloat16: bool = False, channels_last: bool = False, double: bool = False
) -> dict[str, np.ndarray]:
    """Decoded predictions for all rows of `batches`, sorted by row: {name: [rows, ...]}, in the precision of `Task.decode`.

    bfloat16: under autocast. channels_last: images in that memory format. double: inputs in float64, for a network that is.
    The network is put in evaluation mode for the pass, and back into the mode that it was in.
    """
    was_training = network.training
    network.eval()
    parts: list[dict[str, torch.Tensor]] = []
    rows = []
    for position in range(len(batches)):
        batch = batches.batch(0, position)
        inputs = batch.inputs
        if channels_last:
            inputs = {name: t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for name, t in inputs.items()}
        if double:
            inputs = {name: t.double() if t.is_floating_point() else t for name, t in inputs.items()}
        with torch.autocast(batch.rows.device.type, dtype=torch.bfloat16) if bfloat16 else nullcontext():
            output = run(task, network, inputs, None)
        parts.append(task.decode(output))
        rows.append(batch.rows)
    network.train(was_training)
    if not parts:
        return {}
    order = torch.argsort(torch.cat(rows), stable=True).cpu()
    return {name: _together([part[name] for part in parts]).cpu()[order].numpy() for name in parts[0]}


def _together(parts: list[torch.Tensor]) -> torch.Tensor:
    """Below each other; where rows differ in length, as those of tokens do, filled up with -1."""
    longest = max(part.shape[1] if part.dim() > 1 else 0 for part in parts)
    return torch.cat(
        [part if part.dim() < 2 or part.shape[1] == longest else F.pad(part, (0, longest - part.shape[1]), value=-1) for part in parts]
    )
