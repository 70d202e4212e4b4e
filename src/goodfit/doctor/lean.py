"""What is still noted of a program once its first updates are recorded: each loss, each rate, and now and then an evaluation.

It runs millions of times, so it does little: a value is put aside, a rate is compared with the last.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.overrides import _get_current_function_mode

from goodfit.doctor.drafts import rates_of
from goodfit.doctor.snapshots import bare
from goodfit.doctor.tape import rows_of

if TYPE_CHECKING:
    from goodfit.doctor.record import Recorder


class Lean:
    """The doors of a recorder that has recorded enough."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.guessed: int | None = None  # rows of a call in training that was taken for an evaluation's
        self._scaled: tuple[weakref.ref[Tensor], Tensor] | None = None  # a loss times the factor of a gradient scaler, and the loss

    def listens(self, module: nn.Module, args: tuple[Any, ...]) -> bool:
        """Whether a network's call is part of an evaluation that is to be written down."""
        recorder = self._recorder
        taught = torch.is_grad_enabled() and (module.training or not recorder.teaches)
        if taught and not recorder.tracer.unusual(args):
            return False
        if recorder.evaluations.full(recorder.updates):
            return False
        known = recorder.networks.find(bare(module)) is not None
        # The user's own modes come and go: ours must not stand above one.
        if not recorder.evaluating and known and _get_current_function_mode() is None:
            recorder.listen()
        if taught and known:
            self.guessed = rows_of(args)
        elif taught and (rows := rows_of(args)) is not None:
            recorder.tracer.sizes.add(rows)  # a loss, whose rows may be words
        return recorder.evaluating

    def called(self, original: Callable[..., Any], module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A network's call in training."""
        recorder = self._recorder
        recorder.end_evaluation()
        recorder.tracer.off += 1
        try:
            return original(module, *args, **kwargs)
        finally:
            recorder.tracer.off -= 1

    def backward(self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`torch.autograd.backward`."""
        recorder = self._recorder
        if self.guessed is not None:  # and no call of a usual size has come since
            recorder.evaluations.taught()
            recorder.tracer.taught(self.guessed)
        recorder.end_evaluation()
        recorder.lighten()
        recorder.tracer.off += 1
        try:
            original(*args, **kwargs)
        finally:
            recorder.tracer.off -= 1
        first = args[0] if args else None
        if isinstance(first, Tensor) and first.ndim == 0 and (len(args) < 2 or args[1] is None) and "grad_tensors" not in kwargs:
            scaled = self._scaled
            recorder.drafts.lose(scaled[1] if scaled is not None and scaled[0]() is first else first.detach())
        else:
            recorder.drafts.lose(recorder.worth_of(args, kwargs))

    def scaled(self, result: Any, loss: Any) -> None:
        """A gradient scaler made `result` of a loss."""
        if isinstance(loss, Tensor) and isinstance(result, Tensor):
            self._scaled = weakref.ref(result), loss.detach()

    def step(self, optimizer: Optimizer) -> None:
        """An optimiser's step begins."""
        recorder = self._recorder
        if id(optimizer) in recorder.inner:
            return
        recorder.end_evaluation()
        if recorder.evaluations.pending:
            recorder.evaluations.close(recorder.updates)
        recorder.updates += 1
        recorder.tracer.step += 1
        recorder.drafts.late += 1
        recorder.drafts.late_in_eval += not any(root.module.training for root in recorder.networks.roots)
        recorder.drafts.rate(recorder.drafts.optimizer(optimizer, None).number, rates_of(optimizer))
