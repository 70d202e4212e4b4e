"""Distillation: one network learns to answer as a whole ensemble does, with its doubts.

Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network" (2015). Rows without a label can be learned from too, since the ensemble labels them.

B rows, K members, C classes, O outputs.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.base.protocols import Task
from goodfit.tasks.binary import Binary
from goodfit.tasks.multiclass import Multiclass
from goodfit.tasks.outputs import for_members, mean_of_members, widened
from goodfit.tasks.regression import Regression

TEMPERATURE = 2.0  # the paper's range is 1 to 20; small students do best at the lower end
SHARE = 0.9  # of the loss that is the teacher's: the paper gives the labels "a considerably lower weight"
_FLOOR = 1e-7


def soft_loss(logits: Tensor, teacher: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """T^2 times the divergence of the student from the teacher, both at temperature T, in nats: logits and teacher's log-probabilities [..., C] -> [...].

    T^2 keeps the size of the gradient when T is changed (section 2 of the paper). 0 where both say the same.
    """
    wanted = F.log_softmax(teacher / temperature, dim=-1)
    said = F.log_softmax(logits / temperature, dim=-1)
    return temperature**2 * (wanted.exp() * (wanted - said)).sum(-1)


class Distilled:
    """A task of classes or numbers whose target holds what the teacher says beside what is true; see `taught`.

    share: of the teacher in the loss, the rest is the task's own; rows whose truth is unknown have the teacher's alone. All else is the task's.
    """

    def __init__(self, task: Task, *, temperature: float = TEMPERATURE, share: float = SHARE) -> None:
        if not isinstance(task, Binary | Multiclass | Regression):
            raise InputError(f"an ensemble is distilled for classes and numbers; the task {type(task).__name__} was given")
        if not 0 < temperature < float("inf") or not 0 <= share <= 1:
            raise InputError(f"temperature must be above 0 and share from 0 to 1; {temperature} and {share} were given")
        self.task, self.temperature, self.share = task, temperature, share
        self.outputs, self.score, self.maximise = task.outputs, task.score, task.maximise

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, O] or [B, K, O], target [B, 1 + C] of `taught` -> [B]."""
        truth, teacher = target[:, 0], target[:, 1:]
        known = torch.isfinite(truth)
        own = self.task.loss(output, torch.where(known, truth, torch.zeros_like(truth)))
        values = widened(output)
        if isinstance(self.task, Regression):
            soft = (values[..., 0] - for_members(teacher[:, 0], output)).square()
        else:
            logits = torch.cat([torch.zeros_like(values), values], -1) if isinstance(self.task, Binary) else values
            soft = soft_loss(logits, for_members(teacher, output).to(values.dtype), self.temperature)
        share = torch.where(known, self.share, 1.0).to(own.dtype)
        return share * mean_of_members(soft, output) + (1 - share) * own

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """As the task does."""
        return self.task.decode(output)

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """The task's, against what is true: target [n] or [n, 1 + C]."""
        return self.task.metrics(prediction, target if target.ndim == 1 else target[:, 0], weight)


def taught(task: Task, target: Tensor | None, prediction: dict[str, np.ndarray]) -> Tensor:
    """The target [n, 1 + C] of a `Distilled` task: what is true (NaN where it is not finite or None), and the teacher's log-probabilities or number.

    target: [n] encoded as the task has it. prediction: what the teacher decodes, {"probability": [n, C]} or {"mean": [n]} in the target's unit.
    """
    if isinstance(task, Regression):
        teacher = ((np.asarray(prediction["mean"], np.float64) - task.mean) / task.std)[:, None]
    else:
        given = np.asarray(prediction["probability"], np.float64)
        classes = max(2, task.outputs)
        if given.ndim != 2 or given.shape[1] != classes:
            raise InputError(f"the teacher must give probabilities of the {classes} classes, [n, {classes}]; {given.shape} was given")
        teacher = np.log(np.clip(given, _FLOOR, None))
    soft = torch.from_numpy(teacher).float()
    if not bool(torch.isfinite(soft).all()):
        raise InputError("what the teacher says must be finite; leave out the networks that diverged")
    truth = torch.full((len(soft),), torch.nan) if target is None else target.float()
    if len(truth) != len(soft):
        raise InputError(f"the teacher must have said something of each of the {len(truth)} rows; {len(soft)} were given")
    return torch.cat([truth[:, None], soft], dim=1)
