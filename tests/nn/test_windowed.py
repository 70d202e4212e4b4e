"""Windowed attention against full attention under the band as its mask, and the size of what it makes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.attention import Attention
from goodfit.nn.windowed import attend_window, band


def in_reach(T: int, window: int, causal: bool, mask: Tensor | None) -> Tensor:
    """[T, T] or [B, 1, T, T] written as the definition says it; a token always sees itself."""
    near = torch.tensor([[0 <= t - s <= window if causal else abs(t - s) <= window for s in range(T)] for t in range(T)])
    return near if mask is None else near & (mask[:, None, None] | torch.eye(T, dtype=torch.bool))


def tensors(T: int, B: int = 2, H: int = 2, E: int = 3) -> list[Tensor]:
    return [torch.randn(B, H, T, E, dtype=torch.float64, requires_grad=True) for _ in range(3)]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", ["no", "behind", "anywhere"])
@pytest.mark.parametrize("window", [0, 1, 17, 32, 64, 65, 90])
def test_equals_full_attention_under_the_band(window: int, padded: str, causal: bool) -> None:
    torch.manual_seed(window)
    for T in (1, 2, 64, 95, 96, 97, 129, 191, 193, 257, 330, 399):
        q, k, v = tensors(T)
        mask = None
        if padded == "behind":
            mask = torch.arange(T) < torch.tensor([[max(1, T // 4)], [max(1, T - 3)]])
        elif padded == "anywhere":
            mask = torch.rand(2, T) < 0.3
        wanted = F.scaled_dot_product_attention(q, k, v, in_reach(T, window, causal, mask))
        given = attend_window(q, k, v, window, mask, causal=causal)
        torch.testing.assert_close(given, wanted, rtol=0, atol=1e-10)
        weight = torch.randn_like(wanted)
        ours, theirs = (torch.autograd.grad((y * weight).sum(), (q, k, v)) for y in (given, wanted))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("causal", [False, True])
def test_the_form_with_dropout_equals_it_too(causal: bool) -> None:
    """With a probability too small to drop anything."""
    q, k, v = tensors(300)
    mask = torch.rand(2, 300) < 0.5
    fused = attend_window(q, k, v, 40, mask, causal=causal)
    explicit = attend_window(q, k, v, 40, mask, causal=causal, p=1e-9, training=True)
    torch.testing.assert_close(explicit, fused, rtol=0, atol=1e-10)
    torch.manual_seed(0)
    dropped = attend_window(q, k, v, 40, mask, causal=causal, p=0.5, training=True)
    assert not torch.allclose(dropped, fused)
    assert torch.equal(attend_window(q, k, v, 40, mask, causal=causal, p=0.5), fused)


class Made(TorchDispatchMode):
    """The elements of the largest tensor that was made, and of all together."""

    largest = together = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self.largest = max(self.largest, leaf.numel())
                self.together += leaf.numel()
        return out


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.2])
def test_what_is_made_grows_with_the_length(causal: bool, masked: bool, p: float) -> None:
    def made(T: int) -> Made:
        q, k, v = tensors(T, 1, 1)
        mask = torch.rand(1, T) < 0.9 if masked else None
        with Made() as counted:
            attend_window(q, k, v, 64, mask, causal=causal, p=p, training=True).sum().backward()
        return counted

    short, long = made(1024), made(4096)
    assert long.largest <= 5 * short.largest
    assert long.together <= 5 * short.together
    assert long.largest < 4096 * 4096 / 16


@pytest.mark.parametrize("causal", [False, True])
def test_the_layer_is_the_layer_with_the_band_as_mask(causal: bool) -> None:
    torch.manual_seed(0)
    near = Attention(8, 2, qk_norm=True, rotary=True, bias=True, window=20).double()
    full = Attention(8, 2, qk_norm=True, rotary=True, bias=True).double()
    full.load_state_dict(near.state_dict())
    x = torch.randn(2, 230, 8, dtype=torch.float64)
    mask = torch.arange(230) < torch.tensor([[230], [57]])
    reach = in_reach(230, 20, causal, mask)[:, 0]
    torch.testing.assert_close(near(x, mask=mask, causal=causal), full(x, mask=reach), rtol=0, atol=1e-10)
    torch.testing.assert_close(near(x, causal=causal), full(x, mask=in_reach(230, 20, causal, None).expand(2, -1, -1)), rtol=0, atol=1e-10)
    torch.testing.assert_close(near.weights(x, mask=mask, causal=causal), full.weights(x, mask=reach))


def test_what_padding_holds_changes_no_real_token() -> None:
    q, k, v = (x.detach() for x in tensors(300))
    mask = torch.rand(2, 300) < 0.5
    other = [torch.where(mask[:, None, :, None], x, 1e3 * torch.randn_like(x)) for x in (q, k, v)]
    first, second = attend_window(q, k, v, 30, mask), attend_window(*other, 30, mask)
    torch.testing.assert_close(first.transpose(1, 2)[mask], second.transpose(1, 2)[mask], rtol=0, atol=1e-12)


def test_no_rows_and_gradcheck() -> None:
    none = torch.zeros(0, 2, 300, 3)
    assert attend_window(none, none, none, 20, torch.ones(0, 300, dtype=torch.bool)).shape == none.shape
    q, k, v = tensors(200, 1, 1, 1)
    assert torch.autograd.gradcheck(lambda *given: attend_window(*given, 8, causal=True)[:, :, 60:70], (q, k, v))


def test_band_with_keys_before_the_first_query() -> None:
    assert band(2, 5, 1, ahead=2).int().tolist() == [[0, 1, 1, 1, 0], [0, 0, 1, 1, 1]]
    assert band(2, 5, 1, ahead=2, causal=True).int().tolist() == [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]


def test_what_cannot_be_is_refused() -> None:
    q = torch.zeros(1, 1, 4, 2)
    with pytest.raises(SettingError, match="a window reaches over 0 or more tokens; -1 was given"):
        attend_window(q, q, q, -1)
    with pytest.raises(SettingError, match="a window reaches over 0 or more tokens; -2 was given"):
        Attention(4, 2, window=-2)
    with pytest.raises(InputError, match=r"windowed attention's keys expects \[B, H, 4, 2\] and got \[1, 1, 5, 2\]"):
        attend_window(q, torch.zeros(1, 1, 5, 2), torch.zeros(1, 1, 5, 2), 3)
    with pytest.raises(InputError, match=r"windowed attention's mask expects \[B, 4\] and got \[1, 5\]"):
        attend_window(q, q, q, 3, torch.ones(1, 5, dtype=torch.bool))
    layer, x = Attention(4, 2, window=3), torch.zeros(1, 5, 4)
    for arguments in ({"context": x}, {"mask": torch.ones(1, 5, 5, dtype=torch.bool)}):
        with pytest.raises(InputError, match="attention within a window looks from a sequence to itself"):
            layer(x, **arguments)
