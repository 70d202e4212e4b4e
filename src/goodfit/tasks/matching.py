"""A set of answers against a set of objects: each object takes the answer that fits it best, no two the same (Carion et al., DETR, 2020).

B images, L layers, Q queries, K classes, M places for objects. An output is [B, L, Q, K + 1 + 4]: logits of K classes and of "no object", then
a box (x, y, width, height) around its centre, in shares of the image's sides. A target is [B, M, 5]: a class 0 to K - 1 and its box; -1 for the
class where an image has fewer than M objects.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from goodfit.base.boxes import corners, generalised_iou
from goodfit.base.errors import InputError

# The paper's weights, of the loss and of the cost alike: sides are shares of 1, so that an error of a box is a tenth of an error of a class.
BOX = 5.0  # of |x - x'| + |y - y'| + |width - width'| + |height - height'|
OVERLAP = 2.0  # of 1 - the generalised intersection over union
NO_OBJECT = 0.1  # of a query that takes no object, of which there are many times more


def match(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows and columns, no row or column twice, with the least sum of costs: [Q, M] -> int64 [min(Q, M)] rows and columns.

    By the method of Jonker and Volgenant, as scipy has it. A cost that is not finite is taken only where nothing else is left.

    >>> match(np.array([[1.0, 2.0], [1.0, 4.0], [9.0, 9.0]]))
    (array([0, 1]), array([1, 0]))
    """
    cost = np.asarray(cost, dtype=np.float64)
    bad = ~np.isfinite(cost)
    if bad.any():
        rest = np.abs(cost[~bad])
        cost = np.where(bad, 1e6 * (1 + (rest.max() if rest.size else 0.0)), cost)  # more than any pairing of the others can save
    rows, columns = linear_sum_assignment(cost)
    return rows, columns


def split(output: Tensor) -> tuple[Tensor, Tensor]:
    """Output [..., K + 5] -> logits [..., K + 1] and boxes [..., 4] by centre, in float32 at least."""
    if output.dim() < 2 or output.shape[-1] < 6:
        raise InputError(f"a set of objects expects [B, L, Q, K + 1 + 4] and got {list(output.shape)}", value=list(output.shape))
    output = output.to(torch.promote_types(output.dtype, torch.float32))
    return output[..., :-4], output[..., -4:]


def matching_cost(output: Tensor, target: Tensor) -> Tensor:
    """What it costs each query to take each object: output [B, L, Q, K + 5], target [B, M, 5] -> [B, L, Q, M].

    BOX * distance of the boxes - OVERLAP * their generalised overlap - the probability of the object's class. Where there is no object,
    any number.
    """
    logits, boxes = split(output)
    target = target.to(boxes.dtype)
    B, L, Q, M = *output.shape[:3], target.shape[1]
    kind = target[:, None, None, :, 0].clamp_min(0).long().expand(B, L, Q, M)
    theirs = target[:, None, None, :, 1:]  # B 1 1 M 4
    ours = boxes.unsqueeze(3)  # B L Q 1 4
    distance = (ours - theirs).abs().sum(-1)
    overlap = generalised_iou(corners(ours), corners(theirs))
    return BOX * distance - OVERLAP * overlap - logits.softmax(-1).gather(3, kind)


@torch.no_grad()
def matches(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Image, layer, query and object of every pair: output [B, L, Q, K + 5], target [B, M, 5] -> four int64 [pairs]."""
    cost = matching_cost(output.detach(), target).cpu().numpy()
    there = (target[:, :, 0] >= 0).cpu().numpy()
    found: list[np.ndarray] = [np.zeros((4, 0), dtype=np.int64)]
    for image, layer in np.ndindex(*cost.shape[:2]):
        objects = np.flatnonzero(there[image])
        queries, columns = match(cost[image, layer][:, objects])
        found.append(np.stack([np.full_like(queries, image), np.full_like(queries, layer), queries, objects[columns]]))
    image, layer, query, one = torch.from_numpy(np.concatenate(found, 1)).to(output.device)
    return image, layer, query, one


def set_loss(output: Tensor, target: Tensor) -> Tensor:
    """Output [B, L, Q, K + 5], target [B, M, 5] -> loss per image [B], whose mean is the paper's loss of the batch, summed over the layers.

    Cross-entropy in nats (a weighted mean over all queries of the batch, queries without an object weighing NO_OBJECT), and BOX and OVERLAP
    times the errors of the boxes, of an object of the batch on average.
    """
    logits, boxes = split(output)
    if output.dim() != 4 or target.dim() != 3 or target.shape[0] != output.shape[0] or target.shape[2] != 5:
        raise InputError(
            f"matching expects an output [B, L, Q, K + 1 + 4] and a target [B, M, 5] and got {list(output.shape)} and {list(target.shape)}"
        )
    B, L, Q = logits.shape[:3]
    none = logits.shape[3] - 1
    target = target.to(boxes.dtype)
    image, layer, query, one = matches(output, target)
    kind = torch.full((B, L, Q), none, device=output.device)
    kind[image, layer, query] = target[image, one, 0].long()
    weight = torch.where(kind == none, NO_OBJECT, 1.0).to(boxes.dtype)
    entropy = F.cross_entropy(logits.flatten(0, 2), kind.flatten(), reduction="none").view(B, L, Q)
    # Each layer has a weighted mean of its own; B times, since the mean over images follows.
    loss = B * (weight * entropy / weight.sum((0, 2), keepdim=True)).sum((1, 2))
    ours, theirs = boxes[image, layer, query], target[image, one, 1:]
    distance = (ours - theirs).abs().sum(1)
    apart = 1 - generalised_iou(corners(ours), corners(theirs))
    objects = (target[:, :, 0] >= 0).sum().clamp_min(1)
    return loss.index_add(0, image, B * (BOX * distance + OVERLAP * apart) / objects)


def found_objects(output: Tensor) -> dict[str, Tensor]:
    """Output [B, L, Q, K + 5] -> what the last layer found: {"score": [B, Q], "class": int64 [B, Q], "box": [B, Q, 4]}.

    score: probability of the most probable class, "no object" left aside. box: by corners, in shares of the image's sides.
    """
    logits, boxes = split(output[:, -1])
    score, kind = logits.softmax(-1)[..., :-1].max(-1)
    return {"score": score, "class": kind, "box": corners(boxes)}
