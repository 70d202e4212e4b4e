"""Networks for text and images against naive transcriptions of them, and their behaviour at odd sizes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.models.bag import Bag
from goodfit.models.gru import GRU
from goodfit.models.mixed import Mixed
from goodfit.models.resnet9 import ResNet9
from goodfit.models.transformer import Transformer

TEXTS = [[4, 9, 2, 2, 17], [6], [11, 3, 8]]


def stir(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def padded(texts: list[list[int]]) -> Tensor:
    """[n, 7] the tokens of each text, then zeros."""
    return torch.tensor([text + [0] * (7 - len(text)) for text in texts])


def rms(x: Tensor, weight: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight


def naive_transformer(network: Transformer, tokens: list[int], heads: int) -> Tensor:
    """One text without padding, head by head, positions as complex numbers."""
    encoder = network.encoder
    x = encoder.tokens.table.weight[tokens]
    T, D = x.shape
    E = D // heads
    rate = torch.tensor([10_000.0 ** (-2 * i / E) for i in range(E // 2)], dtype=x.dtype)
    turn = torch.exp(1j * torch.arange(T, dtype=x.dtype)[:, None] * rate)

    def rotated(z: Tensor) -> Tensor:
        turned = torch.complex(z[:, : E // 2], z[:, E // 2 :]) * turn
        return torch.cat([turned.real, turned.imag], 1)

    for block in encoder.blocks:
        own, y = block.attention, rms(x, block.attention_norm.weight)
        q, k, v = y @ own.query.weight.T, y @ own.key.weight.T, y @ own.value.weight.T
        seen = []
        for h in range(heads):
            part = slice(h * E, (h + 1) * E)
            scores = rotated(rms(q[:, part], own.query_norm.weight)) @ rotated(rms(k[:, part], own.key_norm.weight)).T / math.sqrt(E)
            seen.append(scores.softmax(1) @ v[:, part])
        x = x + torch.cat(seen, 1) @ own.output.weight.T
        y = rms(x, block.mlp_norm.weight)
        x = x + F.gelu(y @ block.up.weight.T + block.up.bias) @ block.down.weight.T + block.down.bias
    return rms(x, encoder.norm.weight).mean(0) @ network.head.weight.T + network.head.bias


def test_transformer_is_its_transcription_text_by_text() -> None:
    network = stir(Transformer(20, 3, width=8, heads=2, depth=2, words=False)).double().eval()
    for row, text in zip(network(text=padded(TEXTS)), TEXTS, strict=True):
        torch.testing.assert_close(row, naive_transformer(network, text, 2))


def test_transformer_blocks_start_as_the_identity() -> None:
    network = Transformer(20, 3, width=8, heads=2, depth=3).eval()
    x, mask = torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)
    for block in network.encoder.blocks:
        assert torch.equal(block(x, mask), x)


def test_transformer_tells_orders_apart() -> None:
    network = stir(Transformer(20, 3, width=8, heads=2)).eval()
    one, other = network(text=torch.tensor([[4, 9, 2]])), network(text=torch.tensor([[9, 4, 2]]))
    assert (one - other).abs().max() > 1e-4


@pytest.mark.parametrize(("width", "heads"), [(9, 2), (6, 2)])
def test_transformer_refuses_widths_that_do_not_split(width: int, heads: int) -> None:
    with pytest.raises(InputError, match=f"heads times an even number; got width={width} and heads={heads}"):
        Transformer(20, 3, width=width, heads=heads)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_gru_is_torchs_on_each_text_alone(bidirectional: bool) -> None:
    network = GRU(20, 3, embedding_dim=4, width=5, bidirectional=bidirectional).double().eval()
    encoder = network.encoder
    reference = nn.GRU(4, 5, batch_first=True, bidirectional=bidirectional).double()
    with torch.no_grad():
        for suffix, ways in (("", encoder.gru.ahead), ("_reverse", encoder.gru.back)):
            for way in ways:
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(reference, f"{name}_l0{suffix}").copy_(getattr(way, f"{name}_l0"))
    for row, text in zip(network(text=padded(TEXTS)), TEXTS, strict=True):
        states = reference(encoder.tokens.table.weight[text][None])[0][0]
        pooled = torch.cat([states.amax(0), states.mean(0), states[-1]])
        torch.testing.assert_close(row, pooled @ network.head.weight.T + network.head.bias)


def test_bag_starts_by_saying_nothing_and_is_linear_in_the_words() -> None:
    network = Bag(12, 2).eval()
    text = torch.tensor([[4, 4, 7, 0]])
    assert network(text=text).count_nonzero() == 0
    stir(network)
    weights = network.encoder.weights.importance.exp()
    four, seven = (1 + math.log(2)) * weights[4], weights[7]
    say = network.encoder.say.weight
    wanted = (four * say[4] + seven * say[7]) / (four**2 + seven**2).sqrt() + network.bias
    torch.testing.assert_close(network(text=text)[0], wanted)


def test_bag_with_a_hidden_layer_adds_to_it() -> None:
    network = stir(Bag(12, 2, width=5)).eval()
    text = torch.tensor([[4, 4, 7, 0], [1, 2, 3, 9]])
    said, features = network.encoder(text)
    assert features is not None
    torch.testing.assert_close(network(text=text), said + network.bias + features.relu() @ network.head.weight.T)


@pytest.mark.parametrize("side", [4, 8, 9, 28, 64, 65, 128, 200, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_resnet9_at_many_sizes(side: int, channels: int) -> None:
    network = ResNet9((channels, side, side), 5, width=4)
    seen = []
    network.encoder.layers.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape)))
    out = network(image=torch.randn(2, channels, side, side))
    out.sum().backward()
    assert out.shape == (2, 5)
    assert seen[0][1] == 32
    assert 1 <= seen[0][2] <= 8
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 8


def test_resnet9_of_oblong_images_and_too_small_ones() -> None:
    assert ResNet9((3, 16, 200), 2, width=4).eval()(image=torch.randn(1, 3, 16, 200)).shape == (1, 2)
    with pytest.raises(InputError, match="at least 4 x 4 pixels; got 3 x 9"):
        ResNet9((3, 3, 9), 2)
    with pytest.raises(InputError, match=r"resnet9 expects \[B, 3, 8, 8\] and got \[2, 1, 8, 8\]"):
        ResNet9((3, 8, 8), 2)(image=torch.zeros(2, 1, 8, 8))


def test_resnet9_finds_a_pattern_wherever_it_is() -> None:
    network = ResNet9((1, 16, 16), 3, width=4).eval()
    image = torch.zeros(1, 1, 48, 48)
    image[..., 20:23, 20:23] = torch.randn(3, 3)
    features = [network.encoder.layers(image[..., 16 + s : 32 + s, 16:32]) for s in (0, 8)]  # a shift by the whole reduction
    inner = [f[..., :, :].amax((2, 3)) for f in features]
    assert inner[0].shape == (1, 32)


def test_mixed_puts_every_kind_before_the_members_and_adds_what_the_words_say() -> None:
    network = Mixed(2, [3], 2, vocabulary=12, image=(1, 8, 8), width=6, members=3, dropout=0.0).double().eval()
    stir(network)
    numbers, codes = torch.randn(4, 2, dtype=torch.float64), torch.randint(0, 3, (4, 1))
    text, image = torch.randint(0, 12, (4, 5)), torch.randn(4, 1, 8, 8, dtype=torch.float64)
    said, features = network.words(text)
    parts = [network.columns(numbers, codes), network.word_norm(features), network.pixel_norm(network.pixels(image))]
    wanted = network.trunk(torch.cat(parts, 1)) + said[:, None]
    torch.testing.assert_close(network(numbers=numbers, categories=codes, text=text, image=image), wanted)
    for changed in ({"numbers": numbers + 1}, {"categories": (codes + 1) % 3}, {"text": (text + 1) % 12}, {"image": image + 1}):
        given = {"numbers": numbers, "categories": codes, "text": text, "image": image} | changed
        assert not torch.allclose(network(**given), wanted)


def test_mixed_needs_inputs() -> None:
    with pytest.raises(InputError, match="numbers, categories, a text or an image"):
        Mixed(0, [], 2)


def test_all_words_are_heard_and_attention_reads_the_first() -> None:
    network = stir(Transformer(20, 3, width=8, heads=2, depth=1, context=4)).double().eval()
    text = torch.tensor([[3, 5, 7, 2, 9, 11]])
    assert network.words is not None
    attended = network.head(network.encoder(text[:, :4]))
    torch.testing.assert_close(network(text=text), attended + network.words(text)[0])
    later = text.clone()
    later[0, 5] = 12
    assert not torch.equal(network(text=text), network(text=later)), "a word beyond the context counts too"
