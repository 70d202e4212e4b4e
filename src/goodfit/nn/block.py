"""The block that transformers are stacked from. B rows, T tokens, S tokens of a context, H heads, E dimensions of a head, D features."""

from __future__ import annotations

from torch import Tensor, nn

from goodfit.base.errors import SettingError, did_you_mean
from goodfit.nn.activation import activation as activation_by_name
from goodfit.nn.attention import Attention
from goodfit.nn.dropout import Dropout
from goodfit.nn.norm import RMSNorm
from goodfit.nn.shapes import required

NORMS = ("rms", "layer")

# What a decoder has read so far. Every tensor has the rows first, so that a search can pick, repeat and reorder them with index_select.
State = dict[str, Tensor]


class TransformerBlock(nn.Module):
    """Self-attention, attention to a context if `cross`, and an MLP, each as a residual branch: [B, T, D] -> [B, T, D].

    A branch is x + f(norm(x)) with norm_first (Xiong et al. 2020), which trains without a long warm-up; else norm(x + f(x)), the
    original's (Vaswani et al. 2017). hidden: units of the MLP, 4 D where None, as in the original.
    norm: rms (Zhang and Sennrich 2019) or layer; eps: what it adds to the variance, the norm's own default where None.
    activation: of the MLP, by its name; gelu_tanh is GPT-2's approximation of gelu.
    dropout: of what each branch adds. attention_dropout: of the attention weights. bias: of the maps of the attention; the MLP's have one.
    zero_output: start each branch at 0, so that the block starts as the identity (Zhang et al. 2019, Fixup).
    qk_norm, rotary, window: see Attention; the attention to the context has no positions and no window.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        hidden: int | None = None,
        cross: bool = False,
        norm: str = "rms",
        norm_first: bool = True,
        activation: str = "gelu",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        bias: bool = False,
        qk_norm: bool = False,
        rotary: bool = False,
        window: int | None = None,
        zero_output: bool = False,
        eps: float | None = None,
    ) -> None:
        super().__init__()
        hidden = 4 * width if hidden is None else hidden
        self.norm_first = norm_first
        self.attention_norm, self.mlp_norm = sequence_norm(norm, width, eps), sequence_norm(norm, width, eps)
        self.attention = Attention(
            width, heads, qk_norm=qk_norm, rotary=rotary, bias=bias, dropout=attention_dropout, zero_output=zero_output, window=window
        )
        self.cross_norm = sequence_norm(norm, width, eps) if cross else None
        self.cross_attention = (
            Attention(width, heads, qk_norm=qk_norm, bias=bias, dropout=attention_dropout, zero_output=zero_output) if cross else None
        )
        self.up, self.activation, self.down = nn.Linear(width, hidden), _activation(activation), nn.Linear(hidden, width)
        self.dropout = Dropout(dropout)
        if zero_output:
            nn.init.zeros_(self.down.weight)
            nn.init.zeros_(self.down.bias)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        causal: bool = False,
        context: Tensor | None = None,
        context_mask: Tensor | None = None,
    ) -> Tensor:
        """mask: boolean [B, T] or [B, T, T], True where a token may be seen. context: [B, S, D], and its mask [B, S]."""
        x = self._within(x, mask, causal)
        if self.cross_attention is not None:
            seen = self.cross_attention(self._before(self.cross_norm, x), required("context", context), context_mask)
            x = self._after(self.cross_norm, x, seen)
        return self._mlp(x)

    def with_weights(self, x: Tensor, *, causal: bool, context: Tensor, context_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """What `forward` gives, and how much each token looks at each of the context: [B, H, T, S]."""
        assert self.cross_attention is not None
        x = self._within(x, None, causal)
        y = self._before(self.cross_norm, x)
        weights = self.cross_attention.weights(y, context, context_mask)
        x = self._after(self.cross_norm, x, self.cross_attention(y, context, context_mask))
        return self._mlp(x), weights

    def begin(self, like: Tensor, context: Tensor | None = None) -> State:
        """The state before the first token, for as many rows as `like` [B, ...] or `context` [B, S, D] has, of its type and device.

        key and value: [B, H, 0, E] of the tokens read. memory_key and memory_value: [B, H, S, E] of the context, computed once.
        """
        none = like.new_zeros(like.shape[0], self.attention.heads, 0, self.attention.head_dim)
        state = {"key": none, "value": none}
        if self.cross_attention is not None:
            state["memory_key"], state["memory_value"] = self.cross_attention.memory(required("context", context))
        return state

    def advance(self, x: Tensor, state: State, start: Tensor, context_mask: Tensor | None = None) -> tuple[Tensor, State]:
        """The tokens x [B, T, D] that follow those of `state`, the first of them at the places `start` [B].

        Returns what the causal `forward` gives for them on all tokens at once, and the state with them in it.
        """
        out, k, v = self.attention.extend(self._before(self.attention_norm, x), state["key"], state["value"], start)
        x = self._after(self.attention_norm, x, out)
        if self.cross_attention is not None:
            y = self._before(self.cross_norm, x)
            seen = self.cross_attention.recall(y, state["memory_key"], state["memory_value"], context_mask)
            x = self._after(self.cross_norm, x, seen)
        return self._mlp(x), state | {"key": k, "value": v}

    def _within(self, x: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        out = self.attention(self._before(self.attention_norm, x), mask=mask, causal=causal)
        return self._after(self.attention_norm, x, out)

    def _mlp(self, x: Tensor) -> Tensor:
        out = self.down(self.activation(self.up(self._before(self.mlp_norm, x))))
        return self._after(self.mlp_norm, x, out)

    def _before(self, norm: nn.Module | None, x: Tensor) -> Tensor:
        return norm(x) if norm is not None and self.norm_first else x

    def _after(self, norm: nn.Module | None, x: Tensor, branch: Tensor) -> Tensor:
        x = x + self.dropout(branch)
        return x if norm is None or self.norm_first else norm(x)


def sequence_norm(name: str, width: int, eps: float | None = None) -> nn.Module:
    """The normalisation of [B, T, D] over D called `name`: rms or layer. Raises SettingError for an unknown name.

    eps: what is added to the mean square or the variance; 1e-6 and 1e-5 where None, this house's and torch's own.
    """
    if name == "rms":
        return RMSNorm(width) if eps is None else RMSNorm(width, eps)
    if name == "layer":
        return nn.LayerNorm(width) if eps is None else nn.LayerNorm(width, eps)
    raise SettingError(
        f"the norm of a transformer must be one of {', '.join(NORMS)}; {name!r} was given{did_you_mean(name, NORMS)}", value=name
    )


def begin(blocks: nn.ModuleList, like: Tensor, context: Tensor | None = None) -> State:
    """The state of a stack of blocks before the first token: "1.key" is the second block's "key". Arguments as of a block's own."""
    states = (_block(block).begin(like, context) for block in blocks)
    return {f"{layer}.{name}": tensor for layer, state in enumerate(states) for name, tensor in state.items()}


def advance(blocks: nn.ModuleList, x: Tensor, state: State, start: Tensor, context_mask: Tensor | None = None) -> tuple[Tensor, State]:
    """The tokens x [B, T, D] through a stack of blocks, and the state with them. What else is in the state stays; arguments as of a block's own."""
    after = dict(state)
    for layer, block in enumerate(blocks):
        prefix = f"{layer}."
        own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        x, own = _block(block).advance(x, own, start, context_mask)
        after |= {prefix + name: tensor for name, tensor in own.items()}
    return x, after


def _block(module: nn.Module) -> TransformerBlock:
    assert isinstance(module, TransformerBlock)
    return module


def _activation(name: str) -> nn.Module:
    return nn.GELU(approximate="tanh") if name == "gelu_tanh" else activation_by_name(name)
