"""Networks that give each token a tag."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.models.entry import Entry, Setting
from goodfit.models.tagger import LSTMTagger, TransformerTagger


def _tagger(network: Callable[..., nn.Module], settings: dict[str, Setting], what: str, source: str) -> Entry:
    """A network that gives each token a tag."""
    return Entry(
        lambda inputs, outputs, given: network(inputs["tokens"]["vocabulary"], inputs["tokens"]["alphabet"], outputs, **given),
        ("tokens",),
        settings | {"crf": Setting(False, "on, a tag is scored beside the one before it, which costs the square of their number")},
        what,
        source,
        tasks=("tagging",),
    )


ENTRIES: dict[str, Entry] = {
    "lstm_tagger": _tagger(
        LSTMTagger,
        {
            "width": Setting(128, "units of each direction"),
            "depth": Setting(1, "a token then costs half a million multiply-adds: a million words in minutes on two cores"),
            "embedding_dim": Setting(100, "Ma and Hovy's, of a word"),
            "dropout": Setting(0.4, "near Ma and Hovy's 0.5"),
        },
        "the default for tagging: words and their letters, read in both directions",
        "Huang, Xu and Yu 2015; Ma and Hovy 2016",
    ),
    "transformer_tagger": _tagger(
        TransformerTagger,
        {
            "width": Setting(128, "a token's vector"),
            "depth": Setting(2, "blocks; more only cost on sentences"),
            "heads": Setting(4, "32 dimensions a head"),
            "embedding_dim": Setting(100, "Ma and Hovy's, of a word"),
            "dropout": Setting(0.2, "between the transformer's and the LSTM tagger's"),
        },
        "tagging where what decides stands far away",
        "Vaswani et al. 2017; letters: Chiu and Nichols 2016",
    ),
}
