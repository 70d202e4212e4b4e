"""The usual loss of each kind of answer, whatever the program's own: cross-entropy for one of C classes, a yes or no each for labels, squares for numbers.

B rows, C classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.doctor.task import Answers

FEW_CODES = 50  # distinct whole numbers that may be names of classes; more are counts or measurements
FAMILY = {
    "classes": frozenset({"cross_entropy", "nll_loss", "inside"}),
    "one-hot": frozenset({"cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"}),
    "binary": frozenset({"binary_cross_entropy", "binary_cross_entropy_with_logits", "soft_margin_loss", "inside"}),
    "multilabel": frozenset({"binary_cross_entropy", "binary_cross_entropy_with_logits", "multilabel_soft_margin_loss", "inside"}),
    "regression": frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "gaussian_nll_loss", "poisson_nll_loss", "inside"}),
    "reconstruction": frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "inside"}),
}  # fmt: skip


def usual_loss(answers: Answers) -> tuple[str, Callable[[Tensor, Tensor], Tensor]] | None:
    """Its name among torch's functions, and itself: (answer, target) -> nats or squares, a mean. Classes stand last in the answer, or second."""
    match answers.kind:
        case "classes":
            return "cross_entropy", lambda output, target: class_loss(output, target, answers.ignored)
        case "one-hot":
            return "cross_entropy", lambda output, target: class_loss(output, target.argmax(-1))
        case "binary" | "multilabel":
            return "binary_cross_entropy_with_logits", lambda output, target: F.binary_cross_entropy_with_logits(
                output.reshape(target.shape), (target > answers.middle).to(output.dtype)
            )
        case "regression" | "reconstruction":
            return "mse_loss", lambda output, target: F.mse_loss(output.reshape(target.shape), target.to(output.dtype))
    return None


def class_loss(output: Tensor, target: Tensor, ignored: int = -100) -> Tensor:
    """Cross-entropy of [..., C] or [B, C, ...] with as many codes as there are answers."""
    codes = target.reshape(-1).long()
    if output.dim() > 2 and output[:, 0].numel() == len(codes) != output[..., 0].numel():
        output = output.movedim(1, -1)
    return F.cross_entropy(output.reshape(len(codes), -1), codes, ignore_index=ignored)


def class_codes(targets: Tensor) -> int:
    """How many classes whole numbers name: 3 for 0, 1, 2 and for 1, 2, 3 alike 1 + the largest; 0 where they name none: too many, not whole, with large gaps."""
    values = targets.detach().unique()
    if len(values) < 2 or len(values) > FEW_CODES or bool((values != values.round()).any()) or float(values.min()) < 0:
        return 0
    highest = int(values.max())
    return highest + 1 if highest + 1 <= 2 * len(values) and torch.isfinite(values).all() else 0
