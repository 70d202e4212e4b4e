"""Networks that describe pictures in words."""

from __future__ import annotations

from goodfit.models.caption_rnn import CaptionRNN
from goodfit.models.captioner import Captioner
from goodfit.models.entry import Entry, Setting, image_of

_INPUTS = ("image", "caption")

ENTRIES: dict[str, Entry] = {
    "captioner": Entry(
        lambda inputs, outputs, settings: Captioner(image_of(inputs) or (0, 0, 0), outputs, **settings),
        _INPUTS,
        {
            "width": Setting(128, "a word's and a place's vector: the convolutions of resnet9's default"),
            "depth": Setting(2, "blocks; captions are short"),
            "heads": Setting(4, "32 dimensions a head"),
            "dropout": Setting(0.3, "captioned pictures are few"),
        },
        "captions with a transformer that looks at the picture's places for each word",
        "Vinyals et al. 2015; Cornia et al. 2020; Vaswani et al. 2017",
        tasks=("caption",),
    ),
    "caption_rnn": Entry(
        lambda inputs, outputs, settings: CaptionRNN(image_of(inputs) or (0, 0, 0), outputs, **settings),
        _INPUTS,
        {
            "width": Setting(128, "units, and a place's vector"),
            "embedding_dim": Setting(64, "of a word"),
            "dropout": Setting(0.3, "captioned pictures are few"),
        },
        "the default for captions: convolutions, and a GRU that looks at the picture for each word",
        "Xu et al. 2015 (Show, attend and tell)",
        tasks=("caption",),
    ),
}
