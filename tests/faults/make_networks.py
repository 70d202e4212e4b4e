"""Builders of folders of pretrained networks that are broken, and of data beside them; see `cases_of_networks`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tests import pretrained_folders


def _pictures(folder: Path) -> None:
    generator = np.random.default_rng(0)
    colour = generator.integers(0, 2, 60)
    pixels = generator.integers(0, 90, (60, 12, 12, 3), dtype=np.uint8)
    pixels[np.arange(60), :, :, 2 * colour] += 120
    np.savez(folder / "data.npz", picture=pixels, label=np.array(["red", "blue"])[colour])


def _texts(folder: Path) -> None:
    lines = [
        f"the film number {row} was {'good' if row % 2 else 'bad'} and {'great' if row % 2 else 'poor'},{row % 2}" for row in range(60)
    ]
    (folder / "data.csv").write_text("\n".join(["review,label", *lines]) + "\n")


def _on_pictures(damage: Callable[[Path], Any]) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        _pictures(folder)
        damage(pretrained_folders.vit(folder / "net"))

    return build


def _on_texts(damage: Callable[[Path], Any]) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        _texts(folder)
        damage(pretrained_folders.bert(folder / "net"))

    return build


def _config(**changes: Any) -> Callable[[Path], None]:
    def change(net: Path) -> None:
        config = json.loads((net / "config.json").read_text())
        (net / "config.json").write_text(json.dumps(config | changes))

    return change


def _pickled(net: Path) -> None:
    (net / "model.safetensors").unlink()
    (net / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")


def _cut(net: Path) -> None:
    content = (net / "model.safetensors").read_bytes()
    (net / "model.safetensors").write_bytes(content[: len(content) // 2])


def _without(*names: str) -> Callable[[Path], None]:
    def remove(net: Path) -> None:
        for name in names:
            (net / name).unlink()

    return remove


def _text_in(name: str, text: str) -> Callable[[Path], None]:
    return lambda net: (net / name).write_text(text)


def _others(net: Path) -> None:
    save_file({"strange.weight": torch.zeros(80, 80)}, net / "model.safetensors", metadata={"format": "pt"})


def _of_texts(folder: Path) -> None:
    _pictures(folder)
    pretrained_folders.bert(folder / "net")


def _as_it_is(net: Path) -> None: ...


BUILDERS: dict[str, Callable[[Path], None]] = {
    "pretrained-sound": _on_pictures(_as_it_is),
    "pretrained-texts-sound": _on_texts(_as_it_is),
    "pretrained-without-config": _on_pictures(_without("config.json")),
    "pretrained-without-preparation": _on_pictures(_without("preprocessor_config.json")),
    "pretrained-preparation-damaged": _on_pictures(_text_in("preprocessor_config.json", "{")),
    "pretrained-preparation-is-a-list": _on_pictures(_text_in("preprocessor_config.json", "[1]")),
    "pretrained-deviation-of-nothing": _on_pictures(_text_in("preprocessor_config.json", '{"image_std": [0, 0, 0]}')),
    "pretrained-mean-of-words": _on_pictures(_text_in("preprocessor_config.json", '{"image_mean": "grey"}')),
    "pretrained-pickles": _on_pictures(_pickled),
    "pretrained-weights-cut": _on_pictures(_cut),
    "pretrained-weights-of-another": _on_pictures(_others),
    "pretrained-config-damaged": _on_pictures(_text_in("config.json", '{"model_type": "vit",')),
    "pretrained-config-is-a-list": _on_pictures(_text_in("config.json", "[1]")),
    "pretrained-unknown-kind": _on_pictures(_config(model_type="frobnicator")),
    "pretrained-brings-code": _on_pictures(_config(auto_map={"AutoModel": "here.Network"})),
    "pretrained-fetches-a-kernel": _on_pictures(_config(attn_implementation="stranger/kernel")),
    "pretrained-claims-to-be-huge": _on_pictures(_config(hidden_size=1_000_000)),
    "pretrained-of-other-shapes": _on_pictures(_config(intermediate_size=40)),
    "pretrained-without-tokenizer": _on_texts(_without("tokenizer.json", "tokenizer_config.json")),
    "pretrained-tokenizer-damaged": _on_texts(_text_in("tokenizer.json", "{}")),
    "pretrained-of-texts-for-pictures": _of_texts,
}
