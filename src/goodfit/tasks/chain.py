"""A chain of tags: the linear-chain conditional random field (Lafferty et al. 2001), from the potentials that a network gives (see nn.crf).

B rows, T tokens, O tags. The score of a row of tags is the sum of its potentials: potentials[b, t, i, j] is what tag j at token t adds behind
tag i at token t - 1, in nats. The first token has no tag before it and is read in row 0. Real tokens come first. All sums run over exponents
(log-sum-exp), in float32 at least.
"""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.base.errors import InputError


def nll(potentials: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
    """-log probability of the tags: potentials [B, T, O, O], tags [B, T], mask [B, T] -> [B], nats for each row; 0 for a row without tokens.

    What stands at padding in `tags` is not read.
    """
    return log_partition(potentials, mask) - score(potentials, tags, mask)


def score(potentials: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
    """Sum of the potentials along the tags -> [B], nats."""
    potentials = _checked(potentials, mask)
    tags = tags.long().masked_fill(~mask, 0)
    before = torch.cat([torch.zeros_like(tags[:, :1]), tags[:, :-1]], 1)[:, : tags.shape[1]]  # 0 before the first: row 0
    along = potentials.flatten(2).gather(2, (before * potentials.shape[3] + tags).unsqueeze(2)).squeeze(2)  # B T O O -> B T
    return (along * mask).sum(1)


def log_partition(potentials: Tensor, mask: Tensor) -> Tensor:
    """Log of the summed exponents of all rows of tags -> [B], nats; 0 for a row without tokens.

    >>> log_partition(torch.zeros(1, 3, 2, 2), torch.ones(1, 3, dtype=torch.bool)).exp()  # two tags, three tokens, eight rows of tags
    tensor([8.0000])
    """
    potentials = _checked(potentials, mask)
    if potentials.shape[1] == 0:
        return potentials.new_zeros(potentials.shape[0])
    return torch.where(mask[:, 0], _ahead(potentials, mask)[-1].logsumexp(1), 0.0)


def marginals(potentials: Tensor, mask: Tensor) -> Tensor:
    """Probability of each tag at each token, over all rows of tags -> [B, T, O]; 0 at padding."""
    potentials = _checked(potentials, mask)
    if potentials.shape[1] == 0:
        return potentials.new_zeros(potentials.shape[:3])
    behind = torch.zeros_like(potentials[:, 0, 0])
    after = [behind]
    for t in range(potentials.shape[1] - 1, 0, -1):
        step = (potentials[:, t] + behind.unsqueeze(1)).logsumexp(2)
        behind = torch.where(mask[:, t, None], step, behind)
        after.append(behind)
    total = torch.stack(_ahead(potentials, mask), 1) + torch.stack(after[::-1], 1)
    return total.softmax(2) * mask.unsqueeze(2)


@torch.no_grad()
def decode(potentials: Tensor, mask: Tensor) -> Tensor:
    """The likeliest row of tags (Viterbi 1967) -> [B, T]; 0 at padding."""
    potentials = _checked(potentials, mask)
    if potentials.shape[1] == 0:
        return mask.long()
    best, sources = potentials[:, 0, 0], []
    stay = torch.arange(best.shape[1], device=best.device).expand_as(best)
    for t in range(1, potentials.shape[1]):
        value, source = (best.unsqueeze(2) + potentials[:, t]).max(1)  # over the tag before
        best = torch.where(mask[:, t, None], value, best)
        sources.append(torch.where(mask[:, t, None], source, stay))
    tags = [best.argmax(1, keepdim=True)]
    for source in reversed(sources):
        tags.append(source.gather(1, tags[-1]))
    return torch.cat(tags[::-1], 1).masked_fill(~mask, 0)


def _ahead(potentials: Tensor, mask: Tensor) -> list[Tensor]:
    """For each token the log of the summed exponents of all rows of tags up to it, by its tag: T times [B, O]; at padding the last real one."""
    first, *rest = potentials.unbind(1)  # whose gradient is one stack; that of T slices would be T times as large
    sums = [first[:, 0]]
    for t, step in enumerate(rest, 1):
        sums.append(torch.where(mask[:, t, None], (sums[-1].unsqueeze(2) + step).logsumexp(1), sums[-1]))
    return sums


def _checked(potentials: Tensor, mask: Tensor) -> Tensor:
    if potentials.dim() != 4 or potentials.shape[2] != potentials.shape[3]:
        raise InputError(f"the potentials of a chain are [B, T, O, O]; {list(potentials.shape)} was given")
    if mask.shape != potentials.shape[:2]:
        raise InputError(f"the mask of a chain is [B, T] = {list(potentials.shape[:2])}; {list(mask.shape)} was given")
    return potentials.float() if potentials.dtype in (torch.bfloat16, torch.float16) else potentials
