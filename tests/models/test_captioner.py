"""Captions: step by step equals all at once, the picture is looked at, and where is a distribution."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.models.caption_rnn import CaptionRNN
from goodfit.models.captioner import Captioner
from goodfit.models.picture_grid import PictureGrid

Made = Callable[[], nn.Module]
NETWORKS: dict[str, Made] = {
    "captioner": lambda: Captioner((3, 16, 24), 9, width=16, heads=2),
    "caption_rnn": lambda: CaptionRNN((3, 16, 24), 9, width=16, embedding_dim=5),
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    made = NETWORKS[request.param]().double().eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return made


def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, 16, 24, generator=generator, dtype=torch.float64), torch.randint(1, 9, (3, 5), generator=generator)


def test_step_by_step_equals_all_at_once(network: nn.Module) -> None:
    image, target = pair()
    state, parts = network.encode(image), []
    for word in target.unbind(1):
        logits, state = network.advance(state, word)
        parts.append(logits)
    torch.testing.assert_close(torch.stack(parts, 1), network(image=image, target=target))


def test_a_word_sees_the_picture_and_the_words_before_it(network: nn.Module) -> None:
    image, target = pair()
    out = network(image=image, target=target)
    other = target.clone()
    other[:, 3] = other[:, 3] % 8 + 1
    changed = (network(image=image, target=other) - out).abs().sum((0, 2)) > 0
    assert changed.tolist() == [False] * 3 + [True] * 2
    moved = image.clone()
    moved[:, :, :4, :4] += 1
    assert bool(((network(image=moved, target=target) - out).abs().sum(2) > 0).all())


def test_where_it_looks_is_a_distribution_over_places(network: nn.Module) -> None:
    image, target = pair()
    out, weights = network.with_weights(image=image, target=target)
    torch.testing.assert_close(out, network(image=image, target=target))
    assert weights.shape[-1] == 2 * 3  # an eighth of the pixels to either side
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1], dtype=torch.float64))


def test_places_are_told_apart_by_where_they_stand() -> None:
    torch.manual_seed(0)
    grid = PictureGrid((1, 16, 16), 16).eval()
    places = grid(torch.zeros(1, 1, 16, 16))[0]
    assert len({tuple(place) for place in places.tolist()}) == 4
    with pytest.raises(InputError, match="a multiple of 8; 12 was given"):
        PictureGrid((1, 16, 16), 12)
