"""Networks for series."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.models.entry import Entry, Inputs, Setting, Settings
from goodfit.models.series import SeriesRNN


def _series(cell: str) -> Callable[[Inputs, int, Settings], nn.Module]:
    return lambda inputs, outputs, settings: SeriesRNN(inputs["series"]["channels"], outputs, cell=cell, **settings)


def _recurrent(cell: str, what: str, source: str) -> Entry:
    """A recurrent network for series."""
    return Entry(
        _series(cell),
        ("series",),
        {
            "width": Setting(128, "units of each direction"),
            "depth": Setting(2, "the second layer reads what both directions of the first have found"),
            "bidirectional": Setting(True, "the end of a series explains its beginning too"),
            "dropout": Setting(0.2, "between layers and before the answer; few series are overfitted soon"),
        },
        what,
        f"{source}; concat pooling: Howard and Ruder 2018",
    )


ENTRIES: dict[str, Entry] = {
    "series_rnn": _recurrent("rnn", "short series, as a first answer: what gated cells are compared with", "Elman 1990"),
    "series_lstm": _recurrent("lstm", "the default for series: numbers over time, of any length", "Hochreiter and Schmidhuber 1997"),
    "series_gru": _recurrent("gru", "series, with a quarter fewer weights than the LSTM", "Cho et al. 2014"),
}
