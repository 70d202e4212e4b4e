"""Captions: a picture in words. Taught word by word; found as the answer that agrees most with what else the network would say.

B pictures, T words, C known words, N answers drawn, V = C + 3 tokens: 0 is none, 1 the end, 2 the start, then the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from goodfit.tasks.bleu import bleu_of, ngram_counts
from goodfit.tasks.search import Decoder, State, beam
from goodfit.tasks.sequence import END, FIRST, LONGEST, NONE, START, Sequence

SCORES = {"word_f1": True, "bleu": True}
DRAWN = 32  # answers: their mean agreement scatters by a sixth of a single one's
# Of the draws. Smoothed labels leave a tenth of the belief to words that never come; at 1, emoji had a BLEU of .053 on validation rows, at .4 and .6
# .076 and .071, with an F1 of .106, .103 and .099, which is no difference there.
TEMPERATURE = 0.5
WIDTH = 4  # of the beam, whose answers may be chosen too
_SEED = 20_040  # of the draws, which are the same for the same pictures and weights


class Caption:
    """The task of captions of C different words. longest: words of the longest caption of the training rows.

    The answer is the one of least expected risk (Kumar and Byrne 2004, "Minimum Bayes-risk decoding"): of N answers drawn at TEMPERATURE and those of a beam the
    one whose words have the highest mean F1 with those of all drawn. The likeliest answer of a network that is unsure is short and says little.
    """

    def __init__(self, words: int, longest: int, *, label_smoothing: float = 0.0, score: str = "word_f1", drawn: int = DRAWN) -> None:
        self._taught = Sequence(words, longest, label_smoothing=label_smoothing)
        self.outputs = self._taught.outputs
        self.longest = longest
        self.score, self.maximise = score, SCORES[score]
        self.drawn = drawn

    def run(self, network: nn.Module, inputs: Mapping[str, Tensor], target: Tensor | None) -> Tensor:
        """With the target [B, any], the logits [B, T + 1, V]; without, the tokens [B, L] that are found."""
        if target is not None:
            return self._taught.run(network, inputs, target)
        state = cast(Any, network).encode(inputs["features"] if "features" in inputs else inputs["image"])  # of a backbone, or the picture
        limit = int(LONGEST * self.longest) + 2
        decoder = cast(Decoder, network)
        likely = beam(decoder, state, start=START, end=END, limit=limit, width=WIDTH).tokens  # B K L
        if self.drawn == 0:
            return likely[:, 0]
        drawn = self._draw(decoder, state, limit)  # B N L
        longest = max(likely.shape[2], drawn.shape[2])
        likely, drawn = (nn.functional.pad(part, (0, longest - part.shape[2]), value=END) for part in (likely, drawn))
        every = torch.cat([likely, drawn], 1)
        agreement = agreements(every, drawn, self.outputs).mean(2)  # B K + N
        best = agreement.argmax(1)
        return every[torch.arange(len(every), device=every.device), best]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, T + 1, V], target [B, any] of codes -> nats per row [B]; see tasks.sequence."""
        return self._taught.loss(output, target)

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """Tokens [B, L] -> {"unit": [B, L]} codes, NONE from the end on."""
        return self._taught.decode(output)

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """word_f1 and bleu."""
        w = np.ones(len(target)) if weight is None else weight
        f1 = word_f1(prediction["unit"], target)
        counts = ngram_counts(prediction["unit"], target)
        return {
            "word_f1": float(np.average(f1, weights=w)) if w.sum() > 0 else 0.0,
            "bleu": float(bleu_of((counts * w[:, None]).sum(0, keepdims=True))[0]),
        }

    def _draw(self, decoder: Decoder, state: State, limit: int) -> Tensor:
        """N answers of each picture from what the network believes: tokens [B, N, L].

        The largest of log probabilities with Gumbel's noise is a draw (Gumbel 1954). All pictures share the noise, so that none hangs on the others.
        """
        first = next(iter(state.values()))
        rows, device = first.shape[0] * self.drawn, first.device
        generator = torch.Generator().manual_seed(_SEED)
        state = {name: part.repeat_interleave(self.drawn, 0) for name, part in state.items()}
        token, ended, path = torch.full((rows,), START, device=device), torch.zeros(rows, dtype=torch.bool, device=device), []
        with torch.no_grad():
            for _ in range(limit):
                logits, state = decoder.advance(state, token)
                logits = logits.float() / TEMPERATURE
                logits[:, 0] = logits[:, START] = -torch.inf
                chance = -torch.empty(self.drawn, logits.shape[1]).exponential_(generator=generator).log_().to(device)  # N V
                token = (logits.unflatten(0, (-1, self.drawn)) + chance).flatten(0, 1).argmax(1) if rows else token
                token = token.masked_fill(ended, END)
                path.append(token)
                ended = ended | (token == END)
                if bool(ended.all()):
                    break
        return torch.stack(path, 1).unflatten(0, (rows // self.drawn, self.drawn))


def agreements(said: Tensor, others: Tensor, vocabulary: int) -> Tensor:
    """F1 of the sets of words of tokens said [B, K, L] and others [B, N, L] -> [B, K, N]; of two that say nothing it is 0."""

    def words(tokens: Tensor) -> Tensor:
        sets = torch.zeros(*tokens.shape[:2], vocabulary, device=tokens.device)
        sets.scatter_(2, tokens.long(), 1.0)
        sets[..., :FIRST] = 0
        return sets

    a, b = words(said), words(others)
    either = a.sum(2, keepdim=True) + b.sum(2).unsqueeze(1)
    return 2 * (a @ b.transpose(1, 2)) / either.clamp_min(1)


def word_f1(said: np.ndarray, right: np.ndarray) -> np.ndarray:
    """F1 of the set of words of each row: codes [n, any] and [n, T], NONE behind the last -> float64 [n]; 0 where either says nothing.

    >>> word_f1(np.array([[3, 5, 5]]), np.array([[5, 4]])).tolist()
    [0.5]
    """
    found = np.zeros(len(right))
    for row, (a, b) in enumerate(zip(said, right, strict=True)):
        own, wanted = set(a[a != NONE].tolist()), set(b[b != NONE].tolist())
        found[row] = 2 * len(own & wanted) / max(1, len(own) + len(wanted))
    return found
