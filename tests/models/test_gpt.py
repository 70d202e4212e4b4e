"""GPT: what it may see, its state, and what it writes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from goodfit.base.errors import InputError, SettingError
from goodfit.models.generate import decode, generate
from goodfit.models.gpt import GPT
from goodfit.nn.block import State

FORMS: list[dict[str, Any]] = [
    {},
    {"positions": "learned", "length": 40, "norm": "layer", "norm_first": False, "qk_norm": False, "bias": True},
    {"positions": "sine", "tied": False, "window": 4},
]


def made(form: dict[str, Any], V: int = 20) -> GPT:
    torch.manual_seed(0)
    network = GPT(V, width=8, heads=2, depth=2, **form).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("form", FORMS)
def test_a_token_sees_what_comes_before_it_alone(form: dict[str, Any]) -> None:
    network = made(form)
    text = torch.randint(0, 20, (3, 12))
    out = network(text=text)
    other = network(text=torch.cat([text[:, :7], (text[:, 7:] + 1) % 20], 1))
    torch.testing.assert_close(out[:, :7], other[:, :7])
    assert (out[:, 7:] - other[:, 7:]).abs().amin(2).max() > 1e-3


def test_a_window_reaches_no_further() -> None:
    network = made({"window": 2})  # two blocks: four tokens back in all
    text = torch.randint(0, 20, (1, 12))
    other = text.clone()
    other[0, 3] = (other[0, 3] + 1) % 20
    changed = (network(text=text) - network(text=other)).abs().amax((0, 2)) > 1e-9
    assert changed.tolist() == [False] * 3 + [True] * 5 + [False] * 4


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("steps", [[1] * 10, [6, 1, 1, 2]])
def test_step_by_step_equals_all_at_once(form: dict[str, Any], steps: list[int]) -> None:
    network = made(form)
    text = torch.randint(0, 20, (3, 10))
    state, parts, place = network.begin(3), [], 0
    for length in steps:
        if length == 1:
            logits, state = network.advance(state, text[:, place])
            logits = logits.unsqueeze(1)
        else:
            logits, state = network.read(state, text[:, place : place + length])
        parts.append(logits)
        place += length
        assert all(tensor.shape[0] == 3 for tensor in state.values())
        assert state["position"].tolist() == [place] * 3
    torch.testing.assert_close(torch.cat(parts, 1), network(text=text), rtol=0, atol=1e-10)


def test_rows_of_a_state_can_be_picked_and_repeated() -> None:
    network, text = made({}), torch.randint(0, 20, (3, 5))
    _, state = network.read(network.begin(3), text)
    rows = torch.tensor([2, 2, 0, 1])
    picked = {name: tensor.index_select(0, rows) for name, tensor in state.items()}
    following = torch.tensor([1, 2, 3, 4])
    logits, _ = network.advance(picked, following)
    wanted = network(text=torch.cat([text[rows], following[:, None]], 1))[:, -1]
    torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("settings", [{}, {"temperature": 0}, {"temperature": 1.5, "k": 7, "p": 0.8}, {"stop": 3}])
def test_what_is_written_is_the_same_without_a_state(form: dict[str, Any], settings: dict[str, Any]) -> None:
    network, prompt = made(form), torch.randint(0, 20, (4, 5))

    def from_the_beginning(state: State, tokens: Tensor) -> tuple[Tensor, State]:
        text = torch.cat([state["text"], tokens.unsqueeze(1)], 1)
        return network(text=text)[:, -1], {"text": text}

    written = generate(network, prompt, 12, torch.Generator().manual_seed(1), **settings)
    again = decode(from_the_beginning, {"text": prompt[:, :-1]}, prompt[:, -1], 12, torch.Generator().manual_seed(1), **settings)
    assert torch.equal(written, again)
    assert written.shape[0] == 4
    assert settings.get("temperature") == 0 or not torch.equal(
        written, generate(network, prompt, 12, torch.Generator().manual_seed(2), **settings)
    )


def test_greedy_takes_the_likeliest_at_each_step() -> None:
    network, text = made({}), torch.randint(0, 20, (2, 3))
    written = generate(network, text, 6, torch.Generator(), temperature=0)
    for n in range(6):
        assert torch.equal(network(text=text)[:, -1].argmax(1), written[:, n])
        text = torch.cat([text, written[:, n : n + 1]], 1)


def test_a_row_ends_with_the_stop_token_and_padding() -> None:
    """Scores that always ask for the next number, so that rows end one after the other."""

    def count(state: State, tokens: Tensor) -> tuple[Tensor, State]:
        return torch.nn.functional.one_hot(tokens + 1, 10).float(), state

    def run(steps: int) -> list[list[int]]:
        return decode(count, {}, torch.tensor([1, 3, 4]), steps, torch.Generator(), temperature=0, stop=5).tolist()

    assert run(9) == [[2, 3, 4, 5], [4, 5, 0, 0], [5, 0, 0, 0]]
    assert run(2) == [[2, 3], [4, 5], [5, 0]]
    assert run(0) == [[], [], []]


def test_generation_keeps_no_graph_and_one_token_is_a_prompt() -> None:
    network = made({})
    written = generate(network, torch.tensor([[4]]), 3, torch.Generator())
    assert written.shape == (1, 3)
    assert generate(network, torch.zeros(0, 2, dtype=torch.int64), 3, torch.Generator()).shape[0] == 0
    with pytest.raises(InputError, match="a prompt holds at least one token"):
        generate(network, torch.zeros(1, 0, dtype=torch.int64), 3, torch.Generator())
    learned = made(FORMS[1])
    with pytest.raises(InputError, match="learned positions reach to 40 tokens and got 41"):
        generate(learned, torch.ones(1, 38, dtype=torch.int64), 9, torch.Generator())


@pytest.mark.parametrize("tied", [False, True])
def test_it_starts_near_saying_nothing(tied: bool) -> None:
    torch.manual_seed(0)
    network = GPT(100, tied=tied).eval()
    text = torch.randint(0, 100, (4, 30))
    loss = torch.nn.functional.cross_entropy(network(text=text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(100), abs=0.25 if tied else 1e-5)


def test_it_learns_a_text_by_heart() -> None:
    torch.manual_seed(0)
    text = torch.randint(0, 12, (2, 17))
    network = GPT(12, width=16, heads=2, depth=2)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    for _ in range(120):
        loss = torch.nn.functional.cross_entropy(network(text=text[:, :-1]).transpose(1, 2), text[:, 1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.1
    assert torch.equal(generate(network.eval(), text[:, :4], 13, torch.Generator(), temperature=0), text[:, 4:])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="rotary positions turn pairs of dimensions"):
        GPT(9, width=6, heads=2)
    with pytest.raises(SettingError, match="positions must be one of"):
        GPT(9, positions="absolute")
    with pytest.raises(InputError, match=r"gpt's next tokens expects \[B\] and got \[2, 1\]"):
        made({}).advance(made({}).begin(2), torch.zeros(2, 1, dtype=torch.int64))
