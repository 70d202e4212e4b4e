"""Texts that a language model goes on with, character by character.

B prompts, P ids of a prompt, V ids of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from torch import Tensor

from goodfit.base.streams import torch_stream
from goodfit.data.dataset import Dataset
from goodfit.data.encode_stream import BEGIN, FIRST, StreamEncoder
from goodfit.data.stream import BEGINS
from goodfit.nn.sampling import draw
from goodfit.tasks.language import spent

LENGTH = 200  # characters that a prediction goes on for: two or three sentences
TEMPERATURE = 0.8  # below 1, what is likely becomes likelier: the usual choice between dull and wild
TOGETHER = 64  # prompts of one length that are read at once
State = dict[str, Tensor]


class Writes(Protocol):
    """A network that goes on from a state: models.gpt and models.lstm_language."""

    def begin(self, rows: int) -> State: ...

    def read(self, state: State, text: Tensor) -> tuple[Tensor, State]: ...


def written(
    network: Writes,
    encoder: StreamEncoder,
    prompts: Sequence[str],
    length: int,
    seed: int,
    *,
    temperature: float = TEMPERATURE,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Iterator[list[str]]:
    """Each next character of every prompt, `length` times. The prompts must have as many ids as each other (see `ids_of`).

    Each prompt has a stream of chance of its own, so that what is written does not hang on the others. The network reads at most as much as it was
    trained on: when that is full it starts anew from the last half.
    """
    room = encoder.length
    ids = torch.from_numpy(np.stack([ids_of(encoder, prompt) for prompt in prompts])).long()  # B P
    chances = [torch_stream(seed, "sample", prompt) for prompt in prompts]
    logits, state = _begun(network, ids)
    held = ids.shape[1]
    for _ in range(length):
        logits[:, :FIRST] = -torch.inf  # what stands for no character
        drawn = torch.cat(
            [draw(row, chance, temperature=temperature, k=top_k, p=top_p) for row, chance in zip(logits.split(1), chances, strict=True)]
        )
        yield [encoder.text(one) for one in drawn.unsqueeze(1).numpy()]
        ids, held = torch.cat([ids, drawn.unsqueeze(1)], 1)[:, -room:], held + 1
        if held > room:
            ids = ids[:, -(room - room // 2) :]
            logits, state = _begun(network, ids)
            held = ids.shape[1]
        else:
            with torch.no_grad():
                logits, state = network.read(state, drawn.unsqueeze(1).to(next(iter(state.values())).device))
            logits = logits[:, -1].cpu()


def ids_of(encoder: StreamEncoder, prompt: str) -> np.ndarray:
    """The ids that are read of a prompt: the BEGIN of a text and its characters, of a long one the last half of what the network reads."""
    most = encoder.length - encoder.length // 2
    return np.concatenate([[BEGIN], encoder.ids(prompt)])[-most:]


def continued(network: Writes, encoder: StreamEncoder, prompts: Sequence[str], *, length: int = LENGTH, seed: int = 0) -> list[str]:
    """What follows each prompt."""
    sizes = [len(ids_of(encoder, prompt)) for prompt in prompts]
    found = [""] * len(prompts)
    for size in sorted(set(sizes)):
        alike = [index for index, own in enumerate(sizes) if own == size]
        for start in range(0, len(alike), TOGETHER):
            chosen = alike[start : start + TOGETHER]
            columns = zip(*written(network, encoder, [prompts[index] for index in chosen], length, seed), strict=True)
            for index, signs in zip(chosen, columns, strict=True):
                found[index] = "".join(signs)
    return found


def continuation_columns(
    network: Writes, encoder: StreamEncoder, decoded: Mapping[str, np.ndarray], data: Dataset, seed: int
) -> dict[str, Any]:
    """For each text: itself, `prediction` that follows it, and its bits_per_character (nothing for an empty one)."""
    name = next(column.name for column in data.schema.features)
    texts = data.column(name).fill_null("")
    bits, characters = spent(decoded["bits"])
    begins = data.column(BEGINS).to_numpy()
    owner = np.cumsum(begins) - 1  # a text may lie in several pieces
    whole = pl.DataFrame({"owner": owner, "text": texts}).group_by("owner", maintain_order=True).agg(pl.col("text").str.join(""))["text"]
    total, signs = np.bincount(owner, bits), np.bincount(owner, characters)
    each = pl.Series([float(b / s) if s else None for b, s in zip(total, signs, strict=True)], dtype=pl.Float64)
    return {
        name: whole,
        "prediction": pl.Series(continued(network, encoder, whole.to_list(), seed=seed), dtype=pl.String),
        "bits_per_character": each,
    }


def _begun(network: Writes, ids: Tensor) -> tuple[Tensor, State]:
    with torch.no_grad():
        state = network.begin(len(ids))
        logits, state = network.read(state, ids.to(next(iter(state.values())).device))
    return logits[:, -1].cpu(), state  # where chance is drawn, whatever the network lies on
