"""Sampling against arithmetic by hand and frequencies; its parity with transformers is in tests/parity/test_sampling.py."""

from __future__ import annotations

import math

import pytest
import torch

from goodfit.base.errors import SettingError
from goodfit.nn.sampling import draw, temper, top_k, top_p


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_filters_by_hand() -> None:
    logits = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.25, 0.25, 0.25, 0.25]], dtype=torch.float64).log()
    assert top_k(logits, 2).isfinite().tolist() == [[False, True, False, True], [True] * 4]  # those equal to the k-th are kept
    assert top_k(logits, 9).isfinite().all()
    assert top_p(logits, 0.65).isfinite().tolist()[0] == [False, True, False, True]
    assert top_p(logits, 0.75).isfinite().tolist()[0] == [False, True, True, True]
    assert top_p(logits, 0.01).isfinite().sum(1).tolist() == [1, 1]
    assert torch.equal(top_p(logits, 1.0), logits)
    torch.testing.assert_close(temper(logits, 0.5).softmax(1)[0], torch.tensor([1, 16, 4, 9], dtype=torch.float64) / 30)


def test_draws_have_the_probabilities() -> None:
    logits = torch.tensor([0.1, 0.4, 0.2, 0.3]).log().expand(40_000, 4)
    counts = draw(logits, generator()).bincount(minlength=4) / 40_000
    assert (counts - logits[0].exp()).abs().max() < 0.01
    counts = draw(logits, generator(), temperature=0.5, k=3, p=0.8).bincount(minlength=4) / 40_000
    # After the temperature 1 : 16 : 4 : 9, after k 16 : 4 : 9, of which 16 and 9 hold 0.86.
    assert (counts - torch.tensor([0, 16, 0, 9]) / 25).abs().max() < 0.01


def test_the_same_state_gives_the_same_tokens_and_touches_no_other() -> None:
    logits = torch.randn(50, 9)
    before = torch.get_rng_state()
    assert torch.equal(draw(logits, generator(1)), draw(logits, generator(1)))
    assert not torch.equal(draw(logits, generator(1)), draw(logits, generator(2)))
    assert torch.equal(torch.get_rng_state(), before)


def test_temperature_0_takes_the_likeliest_and_draws_nothing() -> None:
    logits, own = torch.randn(50, 9), generator()
    state = own.get_state()
    assert torch.equal(draw(logits, own, temperature=0), logits.argmax(1))
    assert torch.equal(own.get_state(), state)


def test_no_rows_and_half_precision() -> None:
    assert draw(torch.zeros(0, 5), generator()).shape == (0,)
    assert draw(torch.zeros(3, 5, dtype=torch.bfloat16), generator(), k=2, p=0.9).shape == (3,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1.0}, "the temperature must be above 0; -1.0 was given"),
        ({"temperature": math.nan}, "the temperature must be above 0; nan was given"),
        ({"k": 0}, "top_k keeps 1 token or more; 0 was given"),
        ({"p": 0.0}, "top_p keeps a share above 0 and 1 at most; 0.0 was given"),
        ({"p": 1.5}, "top_p keeps a share above 0 and 1 at most; 1.5 was given"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        draw(torch.zeros(1, 3), generator(), **settings)  # type: ignore[arg-type]
