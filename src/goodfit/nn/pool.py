"""From many vectors to one. B rows, T tokens, D features, C channels, H and W pixels. Masks are True at real tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.base.errors import SettingError, did_you_mean

HALVINGS = ("max", "mean", "none")


def token_mask(tokens: Tensor) -> Tensor:
    """Tokens [B, T] -> [B, T], True where there is one (0 is padding). A text without tokens keeps its first place, so that nothing is
    divided by zero and no attention is left without a key."""
    real = tokens != 0
    first = torch.arange(tokens.shape[1], device=tokens.device) == 0
    return real | (first & ~real.any(1, keepdim=True))


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens: [B, T, D], [B, T] -> [B, D]; 0 where there are none.

    >>> masked_mean(torch.tensor([[[2.0], [9.0]]]), torch.tensor([[True, False]]))
    tensor([[2.]])
    """
    weight = mask.to(x.dtype)
    return torch.bmm(weight.unsqueeze(1), x).squeeze(1) / weight.sum(1, keepdim=True).clamp_min(1)


def masked_max(x: Tensor, mask: Tensor) -> Tensor:
    """Largest value over the real tokens: [B, T, D], [B, T] -> [B, D]; every row needs a real token."""
    return x.masked_fill(~mask.unsqueeze(2), torch.finfo(x.dtype).min).amax(1)


def masked_last(x: Tensor, mask: Tensor) -> Tensor:
    """The last real token's vector: [B, T, D], [B, T] -> [B, D]; the first place where there are none."""
    last = (mask * torch.arange(mask.shape[1], device=mask.device)).amax(1)
    return x.gather(1, last[:, None, None].expand(-1, 1, x.shape[2])).squeeze(1)


def pixel_max(x: Tensor) -> Tensor:
    """Largest value over the pixels: [B, C, H, W] -> [B, C]."""
    return x.amax((2, 3))


def pixel_mean(x: Tensor) -> Tensor:
    """Mean over the pixels: [B, C, H, W] -> [B, C]."""
    return x.mean((2, 3))


def halving(name: str) -> nn.Module:
    """The layer [B, C, H, W] -> [B, C, H // 2, W // 2] that takes the largest (max) or the mean (mean) of each 2 x 2 pixels; none leaves all.

    Raises SettingError for an unknown name.

    >>> halving("mean")(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
    tensor([[[[3.]]]])
    """
    if name == "max":
        return nn.MaxPool2d(2)
    if name == "mean":
        return nn.AvgPool2d(2)
    if name == "none":
        return nn.Identity()
    raise SettingError(
        f"pool must be one of {', '.join(HALVINGS)} between convolutions; {name!r} was given{did_you_mean(name, HALVINGS)}", value=name
    )
