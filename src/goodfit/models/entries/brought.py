"""Networks that the user brings: their weights come from elsewhere, their settings are those of the head."""

from __future__ import annotations

from goodfit.models.entry import Entry, Inputs, Setting, Settings


def _elsewhere(inputs: Inputs, outputs: int, settings: Settings) -> object:
    raise AssertionError("made by models.brought, which has what the user brought")


_TASKS = (*Entry.tasks, "caption")  # a decoder is the head of captions
HEAD = {
    "frozen": Setting(True, "features are computed once, so that a probe costs one pass over the data; false fine-tunes the whole network"),
    "pool": Setting("mean", "every token has a say; class takes the first one, which some pre-trainings gather everything in"),
    "depth": Setting(0, "hidden layers of the head: a linear probe tells best what the features are worth"),
    "width": Setting(256, "units of a hidden layer of the head"),
    "activation": Setting("relu", "of the head's hidden layers"),
    "dropout": Setting(
        None, "of the features, or of the head's hidden layers: 0.5 on a frozen backbone (see the habit of probes), else BERT's 0.1"
    ),
}

ENTRIES: dict[str, Entry] = {
    "pretrained": Entry(
        _elsewhere,  # type: ignore[arg-type]
        ("image", "text"),
        {"source": Setting(None, "a folder with config.json and safetensors, or a name on the hub")} | HEAD,
        "images or texts with a backbone of transformers that was trained elsewhere (ResNet, ViT, BERT, ...) and a head of its own",
        "Wolf et al., Transformers, 2020; linear probes: Alain and Bengio 2016",
        grams=None,
        tasks=_TASKS,
    ),
    "backbone": Entry(
        _elsewhere,  # type: ignore[arg-type]
        ("numbers", "categories", "text", "image", "series"),
        {"arguments": Setting(None, "plain arguments of the function that makes it")} | HEAD,
        "an nn.Module of yours that gives features, and a head: gf.train(..., backbone=module) or --backbone package.module:function",
        "yours, with Alain and Bengio's 2016 linear probe",
        grams=None,
        tasks=_TASKS,
    ),
    "own": Entry(
        _elsewhere,  # type: ignore[arg-type]
        ("numbers", "categories", "text", "image", "series"),
        {"arguments": Setting(None, "plain arguments of the function that makes it")},
        "an nn.Module of yours from the inputs to the outputs: gf.train(..., network=module) or --network package.module:function",
        "yours, trained by the same loop as all others (2026)",
        grams=None,
    ),
}
