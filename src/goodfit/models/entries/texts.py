"""Networks for texts."""

from __future__ import annotations

from goodfit.models.bag import Bag
from goodfit.models.entry import Entry, Setting, vocabulary_of
from goodfit.models.gru import GRU
from goodfit.models.transformer import Transformer

# Runs of 2 to 3 letters, each once a text, beside the words. A linear SVM on TF-IDF, five-fold on the training rows of spam three times over: error
# 1.05 % with them, 1.21 % with words alone, 1.12 % with runs of 3, 1.21 % with 3 and 4, 1.26 % with 4, 1.40 % with pairs of words; counted, they help less.
GRAMS = 3

ENTRIES: dict[str, Entry] = {
    "bag": Entry(
        lambda inputs, outputs, settings: Bag(vocabulary_of(inputs), outputs, **settings),
        ("text",),
        {
            "width": Setting(
                None, "hidden units beside the linear model: 20 newsgroups 0.860 with none, 0.855 with 64; spam 0.988 with both"
            ),
            "dropout": Setting(
                0.1, "share of the words that a text loses in training; 0 to 0.2 are alike on 20 newsgroups and spam, 0.3 is worse"
            ),
        },
        "the default for text: which words occur, with weights learned for the task",
        "Salton and Buckley 1988 (TF-IDF); Joulin et al. and Bojanowski et al., fastText, 2017",
        grams=GRAMS,
    ),
    "transformer": Entry(
        lambda inputs, outputs, settings: Transformer(vocabulary_of(inputs), outputs, **settings),
        ("text",),
        {
            "width": Setting(128, "a token's vector; what a two-core machine trains at a hundred texts a second"),
            "depth": Setting(2, "blocks; from scratch on thousands of texts more only cost"),
            "heads": Setting(4, "32 dimensions a head"),
            "dropout": Setting(0.1, "the original's"),
            "context": Setting(256, "tokens that attention reads, with the square of them in time; the words of the rest are heard too"),
            "words": Setting(True, "topics are told by words: a hundred thousand texts may do without"),
        },
        "text where the order of words matters, from tens of thousands of rows on",
        "Vaswani et al. 2017; Xiong et al. 2020 (pre-norm); Su et al. 2021 (rotary positions)",
        grams=None,
    ),
    "gru": Entry(
        lambda inputs, outputs, settings: GRU(vocabulary_of(inputs), outputs, **settings),
        ("text",),
        {
            "width": Setting(128, "units of each direction"),
            "depth": Setting(1, "layers; time grows with each, and one already reads both ways"),
            "embedding_dim": Setting(128, "as many as units"),
            "bidirectional": Setting(True, "the end of a text explains its beginning too"),
            "dropout": Setting(0.3, "AWD-LSTM's range (Merity et al. 2018), since recurrent networks overfit few texts"),
        },
        "text where the order of words matters, with few rows",
        "Cho et al. 2014; concat pooling: Howard and Ruder 2018",
        grams=None,
    ),
}
