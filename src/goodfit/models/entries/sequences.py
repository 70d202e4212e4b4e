"""Networks from sequence to sequence."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.models.attention_rnn import AttentionRNN
from goodfit.models.entry import Entry, Setting
from goodfit.models.seq2seq_transformer import Seq2SeqTransformer


def _writer(network: Callable[..., nn.Module], settings: dict[str, Setting], what: str, source: str) -> Entry:
    """A network that turns a sequence into another."""
    return Entry(
        lambda inputs, outputs, given: network(inputs["source"]["vocabulary"], outputs, **given),
        ("source",),
        settings,
        what,
        source,
        tasks=("sequence",),
    )


ENTRIES: dict[str, Entry] = {
    "seq2seq_transformer": _writer(
        Seq2SeqTransformer,
        {
            "width": Setting(192, "a unit's vector"),
            "depth": Setting(3, "blocks that read, and as many that write"),
            "heads": Setting(4, "48 dimensions a head"),
            "dropout": Setting(0.1, "the original's"),
        },
        "the default from sequence to sequence, such as letters to phones",
        "Vaswani et al. 2017; Xiong et al. 2020 (pre-norm)",
    ),
    "attention_rnn": _writer(
        AttentionRNN,
        {
            "width": Setting(256, "units of what writes, half of them in each direction of what reads"),
            "depth": Setting(1, "layers of both; attention spares the deeper ones"),
            "embedding_dim": Setting(128, "of a unit that is read or written"),
            "dropout": Setting(0.2, "between layers and before the answer"),
        },
        "from sequence to sequence with a GRU that looks back at what it read",
        "Bahdanau, Cho and Bengio 2015",
    ),
}
