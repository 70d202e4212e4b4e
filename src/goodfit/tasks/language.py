"""Language modelling: which character follows, given those before it. Every character of the text is asked for, so it needs no labels.

B rows, T ids of a window, L ids of a passage, V ids of the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCORES = {"bits_per_character": False}
NONE = -1.0  # the bits where a row has no character any more
_UNKNOWN, _KNOWN_FROM = 1, 3  # see data.encode_stream
UNICODE = 1_112_064  # characters that there can be; an unknown one costs what naming it among the unknown ones would


class Language:
    """The task of the next of `characters` known characters, in windows of `length` ids. score: bits_per_character, the fewer the better."""

    def __init__(self, characters: int, length: int, *, score: str = "bits_per_character") -> None:
        self.outputs = characters + _KNOWN_FROM
        self.length = max(2, length)
        self.score = score
        self.maximise = SCORES[score]
        self._naming = math.log(UNICODE - characters)

    def run(self, network: nn.Module, inputs: Mapping[str, Tensor], target: Tensor | None) -> Tensor:
        """Taught: the nats [B, T] of every next id of the windows. Else the nats [B, any] of each row's own characters, NONE behind its last.

        A passage longer than a window is read in windows that overlap by half, and each character is scored in the first that holds it: with at
        least half a window before it where so much is there.
        """
        text = inputs["text"].long()
        if target is not None:
            return _nats(network, text)
        T, step, last = self.length, self.length - self.length // 2, text.shape[1] - 1
        parts = [_nats(network, text[:, : T + 1])]
        for begin in range(step, max(0, last - T) + step, step):
            parts.append(_nats(network, text[:, begin : begin + T + 1])[:, T - step :])
        nats = torch.cat(parts, 1)  # B L - 1, of text[:, 1:]
        nats = nats + self._naming * (text[:, 1:] == _UNKNOWN)
        place = torch.arange(int(inputs["own"].max()), device=text.device) if len(text) else torch.zeros(0, device=text.device)
        own = nats.gather(1, (inputs["past"].unsqueeze(1) - 1 + place).clamp_(max=max(0, nats.shape[1] - 1)))
        return own.masked_fill(place >= inputs["own"].unsqueeze(1), NONE)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, T] nats -> their mean per row [B]: nats per character."""
        return output.mean(1)

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """Nats [B, any] -> {"bits": float32 [B, any]} of each character, NONE behind the last."""
        return {"bits": torch.where(output < 0, NONE, output.float() / math.log(2))}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """bits_per_character: -log2 of the probability of each character, their mean. target: int64 [n], the characters of each piece."""
        bits, characters = spent(prediction["bits"])
        return {"bits_per_character": float(bits.sum() / max(1, characters.sum()))}


def spent(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[n, any] -> the bits of each row together, float64 [n], and its characters, int64 [n]."""
    real = bits >= 0
    return np.where(real, bits, 0.0).sum(1, dtype=np.float64), real.sum(1)


def _nats(network: nn.Module, text: Tensor) -> Tensor:
    """-log p of text[:, 1:] given what stands before each, [B, T]; of filling 0."""
    logits = network(text=text[:, :-1])  # B T V
    wanted = text[:, 1:]
    losses = F.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=0, reduction="none")
    return losses.view(wanted.shape)
