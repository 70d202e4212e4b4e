"""Recurrent networks for series: one answer to a series, or a forecast of how it goes on.

B series, T steps, C channels, W width of the recurrent layers' outputs, O outputs, H steps ahead, K channels that are forecast.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError, did_you_mean
from goodfit.nn.dropout import Dropout
from goodfit.nn.pool import masked_last, masked_max, masked_mean
from goodfit.nn.recurrent import Recurrent
from goodfit.nn.shapes import expect, required

STARTS = ("zero", "mean", "last", "season")


class SeriesEncoder(nn.Module):
    """Series [B, T, C], mask [B, T] whose real steps come first -> features [B, 3 W]: largest value, mean, last state of each direction.

    Pooling spares the last state the work of remembering everything (Howard and Ruder, ULMFiT, 2018: concat pooling). The last state of
    the way back is the one at the first step.
    """

    def __init__(
        self, channels: int, *, cell: str, width: int, depth: int, bidirectional: bool, dropout: float, chunk: int | None = None
    ) -> None:
        super().__init__()
        self.channels = channels
        self.layers = Recurrent(channels, width, cell=cell, depth=depth, bidirectional=bidirectional, dropout=dropout, chunk=chunk)
        self.width = 3 * self.layers.width

    def forward(self, series: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.layers(series, mask)  # B T C -> B T W
        mask = torch.ones_like(x[:, :, 0], dtype=torch.bool) if mask is None else mask
        units = self.layers.units
        return torch.cat([masked_max(x, mask), masked_mean(x, mask), masked_last(x[:, :, :units], mask), x[:, 0, units:]], 1)


class SeriesRNN(nn.Module):
    """Series [B, T, C] of floats, lengths [B] or None where all are T long -> [B, O].

    What stands behind a series' end is not read; it may be NaN. A series without steps counts as one step of zeros.

    cell: lstm, which reaches further back than a plain rnn ("rnn"), as does "gru". width: 128 units of each direction. depth: 2 layers; a
    second one reads what both directions of the first have found. dropout: 0.2, of features and between layers. chunk: steps that are run
    at a time, to spare memory in training on series of thousands of steps; see `Recurrent`.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        cell: str = "lstm",
        width: int = 128,
        depth: int = 2,
        bidirectional: bool = True,
        dropout: float = 0.2,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        self.encoder = SeriesEncoder(
            channels, cell=cell, width=width, depth=depth, bidirectional=bidirectional, dropout=dropout, chunk=chunk
        )
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(self.encoder.width, outputs)

    def forward(self, *, series: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        series = required("series", series)
        expect("series network", series, "B", "T", self.encoder.channels)
        series = F.pad(series, (0, 0, 0, 1)) if series.shape[1] == 0 else series
        if lengths is None:
            return self.head(self.dropout(self.encoder(series)))
        expect("series network's lengths", lengths, "B")
        place = torch.arange(series.shape[1], device=series.device)
        series = series.masked_fill((place >= lengths.unsqueeze(1)).unsqueeze(2), 0.0)
        return self.head(self.dropout(self.encoder(series, place < lengths.clamp_min(1).unsqueeze(1))))


class SeriesForecaster(nn.Module):
    """Windows [B, T, C] -> the next H steps of the first K channels at once, [B, H K], step by step and in each step channel by channel.

    The network says what comes on top of a naive forecast, of which it starts as an exact copy (its last layers start at 0).

    start: the naive forecast. "last": the last value goes on. "season": the last `season` steps repeat. "mean": the window's mean.
    "zero": 0. normalise: each window's channels are brought to mean 0 and standard deviation 1 before the network, and what it says is
    brought back (Kim et al. 2022, RevIN; without their learned scale, which the layers on both sides hold already), so that a level
    never met in training is no other input. plain: the last channels, which are left as they are, such as flags and the calendar. length: T, of
    windows that are all as long: a linear map of a channel's own T values is added to its forecast, which networks with gates are slow to learn
    (Lai et al. 2018, LSTNet's autoregressive part). bidirectional: the window is known as a whole.
    dropout: 0.1, since a forecast must meet values, which dropout blurs.

    Raises SettingError for an unknown start, one that lacks its season, or a season that has no effect.
    """

    def __init__(
        self,
        channels: int,
        horizon: int,
        *,
        targets: int = 1,
        plain: int = 0,
        start: str = "last",
        season: int | None = None,
        normalise: bool = True,
        length: int | None = None,
        cell: str = "lstm",
        width: int = 128,
        depth: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.1,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        if start not in STARTS:
            raise SettingError(f"start must be one of {', '.join(STARTS)}; {start!r} was given{did_you_mean(start, STARTS)}", value=start)
        if (season is None) == (start == "season") or (season is not None and season < 1):
            raise SettingError(f"season, in steps, belongs to start='season' and to no other; got start={start!r} and season={season}")
        if not 1 <= targets <= channels - plain:
            raise SettingError(f"the forecast channels are the first of {channels - plain}; targets={targets} was given", value=targets)
        self.channels, self.horizon, self.targets, self.plain = channels, horizon, targets, plain
        self.start, self.season, self.normalise = start, season, normalise
        self.encoder = SeriesEncoder(
            channels, cell=cell, width=width, depth=depth, bidirectional=bidirectional, dropout=dropout, chunk=chunk
        )
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(self.encoder.width, horizon * targets)
        self.straight = nn.Linear(length, horizon, bias=False) if length is not None else None
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        if self.straight is not None:
            nn.init.zeros_(self.straight.weight)

    def forward(self, *, window: Tensor | None = None) -> Tensor:
        window = required("window", window)
        expect("forecaster", window, "B", self.straight.in_features if self.straight is not None else "T", self.channels)
        least = self.season or 1
        if window.shape[1] < least:
            raise InputError(f"forecaster expects [B, {least} or more, {self.channels}] and got {list(window.shape)}")
        x, scale = window, None
        if self.normalise:
            scaled = window[:, :, : self.channels - self.plain]
            centred = scaled - scaled.mean(1, keepdim=True)
            scale = (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()  # 1e-5, as in RevIN: a constant window is divided by 0.003
            x = torch.cat([centred / scale, window[:, :, self.channels - self.plain :]], 2)
        said = self.head(self.dropout(self.encoder(x))).unflatten(1, (self.horizon, self.targets))  # B HK -> B H K
        if self.straight is not None:
            said = said + self.straight(x[:, :, : self.targets].transpose(1, 2)).transpose(1, 2)  # B T K -> B H K
        said = said if scale is None else said * scale[:, :, : self.targets]
        return (self._naive(window[:, :, : self.targets]) + said).flatten(1)

    def _naive(self, series: Tensor) -> Tensor:
        """[B, T, K] -> [B, H, K], or [B, 1, K] where all steps are alike."""
        if self.start == "season" and self.season is not None:
            phase = torch.arange(self.horizon, device=series.device) % self.season
            return series[:, -self.season :][:, phase]
        if self.start == "mean":
            return series.mean(1, keepdim=True)
        return series[:, -1:] if self.start == "last" else torch.zeros_like(series[:, -1:])
