"""Networks that say how a series goes on."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.models.entry import Entry, Inputs, Setting, Settings
from goodfit.models.series import SeriesForecaster


def _forecaster(cell: str) -> Callable[[Inputs, int, Settings], nn.Module]:
    def build(inputs: Inputs, outputs: int, settings: Settings) -> nn.Module:
        window = inputs["window"]
        season = int(window["season"])
        start = {"start": "season", "season": season} if season > 1 else {"start": "last"}
        return SeriesForecaster(window["channels"], outputs, plain=window["plain"], length=window["length"], cell=cell, **start, **settings)

    return build


def _recurrent(cell: str, what: str, source: str) -> Entry:
    """A recurrent network over windows."""
    return Entry(
        _forecaster(cell),
        ("window",),
        {
            "width": Setting(64, "units of each direction; windows of one series are few and alike"),
            "depth": Setting(1, "the straight line beside it has the simple part already"),
            "bidirectional": Setting(False, "the end of a window matters most, and a second direction doubles the time"),
            "dropout": Setting(0.1, "of what the forecast is made from; more blurs values"),
        },
        what,
        f"{source}; scaled by the window as RevIN, Kim et al. 2022; a linear part beside it as LSTNet, Lai et al. 2018",
        tasks=("forecast",),
    )


ENTRIES: dict[str, Entry] = {
    "forecast_lstm": _recurrent(
        "lstm", "the default for forecasts: what a series will be, from a window of its past", "Hochreiter and Schmidhuber 1997"
    ),
    "forecast_gru": _recurrent("gru", "forecasts, with a quarter fewer weights than the LSTM", "Cho et al. 2014"),
    "forecast_rnn": _recurrent("rnn", "forecasts, as a first answer: what gated cells are compared with", "Elman 1990"),
}
