"""Networks that write on: language models."""

from __future__ import annotations

from goodfit.models.entry import Entry, Setting
from goodfit.models.gpt import GPT
from goodfit.models.lstm_language import LSTMLanguage

ENTRIES: dict[str, Entry] = {
    "gpt": Entry(
        lambda inputs, outputs, settings: GPT(inputs["stream"]["vocabulary"], tied=False, **settings),
        ("stream",),
        {
            "width": Setting(192, "a character's vector; what two cores read a few million times in a quarter of an hour"),
            "depth": Setting(4, "blocks; fewer do not see what a sentence is about, more learn too slowly here"),
            "heads": Setting(4, "48 dimensions a head"),
            "dropout": Setting(0.0, "a text is read a few times only, which leaves little to learn by heart"),
            "grams": Setting(4, "runs of 2 to 4 characters are looked up rather than learned, which spares the first million updates"),
        },
        "the default for running text: a decoder that writes on, character by character",
        "Radford et al. 2019 (GPT-2); Su et al. 2021 (rotary positions); runs: Bojanowski et al. 2017 (hashing)",
        tasks=("language",),
    ),
    "lstm_language": Entry(
        lambda inputs, outputs, settings: LSTMLanguage(inputs["stream"]["vocabulary"], **settings),
        ("stream",),
        {
            "width": Setting(512, "units; a million weights for characters"),
            "depth": Setting(1, "layers"),
            "embedding_dim": Setting(64, "of a character"),
            "dropout": Setting(0.0, "as the decoder's"),
        },
        "running text with a recurrent network, whose cost does not grow with what it remembers",
        "Graves 2013; Hochreiter and Schmidhuber 1997",
        tasks=("language",),
    ),
}
