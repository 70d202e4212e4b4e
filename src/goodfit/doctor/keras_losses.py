"""Keras' losses as the recorder writes them down: by the functions of torch that compute the same.

The loss that is trained on is Keras' own, to the bit. What is written on the tape is its counterpart in torch, so that an answer, a target and their kind are
read as in any other program. Losses that have none are written as the operations that Keras makes of them.

B rows, C classes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.doctor.tape import Tracer

MEANS = {"sum_over_batch_size", "mean", "mean_with_sample_weight"}  # the same without weights of rows
SMALLEST = 1e-7  # keras.config.epsilon() as it comes: probabilities are kept so far from 0 and 1


def write_loss(tracer: Tracer, loss: Any, target: Any, answer: Any, result: Any) -> None:
    """Writes down what `loss` made of an answer [B, C] or [B, ...] and a target; nothing where it has no counterpart in torch."""
    options = dict(getattr(loss, "_fn_kwargs", {}))
    name = getattr(getattr(loss, "fn", None), "__name__", "")
    answer = answer.float()
    target = torch.as_tensor(target, device=answer.device)
    logits = bool(options.pop("from_logits", False))
    match name:
        case "sparse_categorical_crossentropy":
            codes = target.reshape(len(target)).long()
            if logits:
                tracer.told(F.cross_entropy, (answer, codes), {}, result)
            else:
                tracer.told(F.nll_loss, (_logs(answer), codes), {}, result)
        case "categorical_crossentropy":
            tracer.told(F.cross_entropy, (answer if logits else _logs(answer), target.float()), {}, result)
        case "binary_crossentropy":
            function = F.binary_cross_entropy_with_logits if logits else F.binary_cross_entropy
            tracer.told(function, _alike(answer, target), {}, result)
        case "mean_squared_error":
            tracer.told(F.mse_loss, _alike(answer, target), {}, result)
        case "mean_absolute_error":
            tracer.told(F.l1_loss, _alike(answer, target), {}, result)
        case "huber":
            tracer.told(F.huber_loss, _alike(answer, target), {"delta": float(options.get("delta", 1.0))}, result)


def readable(loss: Any, target: Any, answer: Any, weights: Any) -> bool:
    """Whether `write_loss` has a counterpart for this call: a plain mean over rows, of answers and targets that fit."""
    options = dict(getattr(loss, "_fn_kwargs", {}))
    function = getattr(loss, "fn", None)
    if (
        weights is not None
        or not isinstance(answer, Tensor)
        or not isinstance(target, Tensor)
        or getattr(answer, "_keras_mask", None) is not None
    ):
        return False
    if not str(getattr(function, "__module__", "")).startswith("keras.") or getattr(loss, "reduction", None) not in MEANS:
        return False
    name = getattr(function, "__name__", "")
    usual = not options.get("label_smoothing") and options.get("axis", -1) == -1 and options.get("ignore_class") is None
    if name == "sparse_categorical_crossentropy":
        return usual and answer.dim() == 2 and target.numel() == len(answer) == len(target)
    if name == "categorical_crossentropy":
        return usual and answer.dim() == 2 and target.shape == answer.shape
    if name in {"binary_crossentropy", "mean_squared_error", "mean_absolute_error", "huber"}:
        return usual and target.numel() == answer.numel() and abs(target.dim() - answer.dim()) <= 1 and len(target) == len(answer)
    return False


def _alike(answer: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """[B] targets beside [B, 1] answers are seen as [B, 1]."""
    return answer, target.float().reshape(answer.shape)


def _logs(probabilities: Tensor) -> Tensor:
    """[B, C] -> [B, C]: their logarithms, as Keras takes them."""
    shares = probabilities / probabilities.sum(-1, keepdim=True)
    return torch.log(torch.clamp(shares, SMALLEST, 1 - SMALLEST))
