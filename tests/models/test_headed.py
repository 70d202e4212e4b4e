"""Features in every form, and the head on them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.models.called import Called
from goodfit.models.caption_head import CaptionHead, HeadedCaption
from goodfit.models.features import features_of, places_of, statistics
from goodfit.models.headed import Head, Headed, taught

TOKENS = torch.arange(24.0).view(2, 3, 4)  # B T F
MASK = torch.tensor([[True, True, False], [True, False, False]])


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (TOKENS[:, 0], TOKENS[:, 0]),
        (TOKENS.view(2, 3, 2, 2), TOKENS.view(2, 3, 4).mean(2)),
        (TOKENS, torch.stack([TOKENS[0, :2].mean(0), TOKENS[1, 0]])),
        (SimpleNamespace(logits=TOKENS[:, 1], last_hidden_state=None), TOKENS[:, 1]),
        (SimpleNamespace(pooler_output=TOKENS[:, 2], logits=TOKENS[:, 1]), TOKENS[:, 2]),
        ({"logits": TOKENS[:, 1], "last_hidden_state": TOKENS[:, 2]}, TOKENS[:, 2]),
        ({"other": TOKENS[:, 1]}, TOKENS[:, 1]),
        ((None, TOKENS[:, 1]), TOKENS[:, 1]),
    ],
)
def test_features(output: Any, expected: Tensor) -> None:
    torch.testing.assert_close(features_of(output, MASK), expected)


def test_the_first_token_and_a_mask_of_other_tokens() -> None:
    assert torch.equal(features_of(TOKENS, MASK, "class"), TOKENS[:, 0])
    assert torch.equal(features_of(TOKENS, MASK[:, :2]), TOKENS.mean(1))
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    assert torch.equal(features_of(TOKENS, nothing), torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("output", "pool", "said"),
    [
        (TOKENS.view(2, 3, 2, 2), "class", r"model\.pool=class takes the first of a row's tokens"),
        (torch.zeros(2), "mean", r"must give features \[B, F\]"),
        (torch.zeros(2, 1, 1, 1, 1), "mean", r"gives \[2, 1, 1, 1, 1\] for 2 rows"),
        (3, "mean", "this one gives int"),
        (SimpleNamespace(), "mean", "this one gives SimpleNamespace"),
    ],
)
def test_no_features(output: Any, pool: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        features_of(output, None, pool)


def test_a_head_on_features_that_are_scaled() -> None:
    torch.manual_seed(0)
    features = torch.randn(50, 6) * torch.tensor([1.0, 100.0, 1e-3, 1.0, 1e-12, 0.0]) + torch.tensor([5.0, 5, 5, 5, 0, 5])
    head = Head(6, 3)
    head.standardise(*statistics(features))
    scaled = (features - head.mean) / head.std
    torch.testing.assert_close(scaled.mean(0), torch.zeros(6), atol=1e-3, rtol=0)
    torch.testing.assert_close(scaled.std(0, correction=0)[:5], torch.ones(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(head(features=features), torch.nn.functional.linear(scaled, head.output.weight, head.output.bias))
    with pytest.raises(InputError, match=r"the head expects \[B, 6\] and got \[2, 5\]"):
        head(features=torch.zeros(2, 5))
    assert [type(layer) for layer in Head(6, 3, width=4, depth=1).hidden] == [
        nn.ReLU if i == 1 else nn.Linear if i == 0 else nn.Dropout for i in range(3)
    ]


def test_a_frozen_backbone_learns_nothing_and_its_head_is_what_is_taught() -> None:
    backbone = nn.Linear(4, 6)

    class By(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = backbone

        def forward(self, numbers: Tensor) -> Tensor:
            return self.inner(numbers)

    frozen, learning = Headed(By(), Head(6, 2), frozen=True), Headed(By(), Head(6, 2), frozen=False)
    assert taught(frozen) is frozen.head
    assert not any(parameter.requires_grad for parameter in frozen.backbone.parameters())
    assert taught(learning) is learning
    assert taught(backbone) is backbone
    x = torch.randn(3, 4)
    torch.testing.assert_close(frozen(numbers=x), frozen.head(features=frozen.features(numbers=x)))


def test_places_of_a_picture() -> None:
    grid = torch.arange(24.0).view(2, 3, 2, 2)
    assert torch.equal(places_of(grid)[1, 2], grid[1, :, 1, 0])
    assert torch.equal(places_of(torch.arange(30.0).view(2, 5, 3)), torch.arange(30.0).view(2, 5, 3)[:, 1:]), "a class token is no place"
    assert places_of(torch.zeros(2, 9, 3)).shape == (2, 9, 3)
    assert places_of(torch.zeros(2, 6, 3)).shape == (2, 6, 3)
    with pytest.raises(InputError, match="captions look at places"):
        places_of(torch.zeros(2, 3))


def test_words_on_a_backbone_step_by_step_as_at_once() -> None:
    torch.manual_seed(0)
    head = CaptionHead(16, 5, 9, width=16)
    network = HeadedCaption(Called(nn.Conv2d(3, 5, 2, 2), ["image"]), head).eval()
    head.standardise(torch.arange(5.0), torch.full((5,), 2.0))
    image, words = torch.randn(2, 3, 8, 8), torch.tensor([[2, 3, 4], [2, 8, 1]])
    at_once = network(image=image, target=words)
    features = network.features(image=image)
    assert features.shape == (2, 16, 5)
    torch.testing.assert_close(head(features=features, target=words), at_once)
    state = network.encode(image)
    for step in range(3):
        scores, state = network.advance(state, words[:, step])
        torch.testing.assert_close(scores, at_once[:, step])
    torch.testing.assert_close(network.with_weights(image=image, target=words)[1].sum(2), torch.ones(2, 3))
    assert not any(parameter.requires_grad for parameter in network.backbone.parameters())
    scaled = head.places.map((features - torch.arange(5.0)) / 2)
    torch.testing.assert_close(head.places(features), head.places.norm(scaled) + head.places.where)
