"""Frozen records that the parts hand to each other."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from goodfit.base.errors import printable


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, encoded, on the training device.

    inputs: keyword arguments of the network, each of first dimension B.
    target: [B] or [B, ...], encoded. weight: [B] per-sample weights, or None for all 1.
    rows: [B] int64 positions in the encoded data.
    """

    inputs: dict[str, Tensor]
    target: Tensor
    weight: Tensor | None
    rows: Tensor

    def __len__(self) -> int:
        return self.rows.shape[0]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One update. `loss` is the mean over the batch in the task's unit (nats for classes), still on its device."""

    step: int
    epoch: int
    loss: Tensor
    lr: float
    rows: int


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One evaluation on the validation rows, at the end of an epoch or where the time ran out."""

    epoch: int
    step: int
    train_loss: float
    valid: dict[str, float]
    score: float
    improved: bool
    lr: float
    seconds: float
    rows_per_second: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StackStepRecord:
    """One update of all members of a stack. members: their numbers; loss [K] (the mean over each batch), lr, rows and epochs in that order."""

    step: int
    members: tuple[int, ...]
    loss: Tensor
    lr: tuple[float, ...]
    rows: tuple[int, ...]
    epochs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """One evaluation of one member of a stack."""

    member: int
    record: EpochRecord


@dataclass(frozen=True, slots=True)
class MemberEnd:
    """A member left its stack after `step` updates. failed: because it could not go on, `reason` says why."""

    member: int
    step: int
    reason: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong that was found, with its evidence.

    code: from the vocabulary of faults, such as `data.leak`. severity: `remark`, `warning` or `error`.
    evidence: numbers. rows and columns: where (rows 1-based, the first 20). remedy: what to change, in words.
    edit: the same as a change to a file (`file`, `line`, `before`, `after`, `diff`) or to a recipe (`settings`), where it is one.
    probe: the experiment: `name`, `would_have` (what it would have shown, had the suspicion been wrong), `showed`, `curves`. gain: what the remedy
    was worth on held-back rows, as a share of what was to be gained: 1 is all.
    """

    code: str
    severity: str
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    remedy: str = ""
    confidence: float = 1.0
    probe: dict[str, Any] | None = None
    gain: float | None = None
    edit: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("message", "remedy"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
