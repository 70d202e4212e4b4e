"""A module of your own, handed over: as a whole network, and as a backbone that was trained before on something else.

The backbone learns to tell the digits 0 to 4 apart; frozen, with a linear map on its features, it then serves for 5 to 9, with 100 pictures to learn from.
The same backbone untrained stands beside it, and does better here: what five digits teach is soon too narrow. Pre-training pays where it has seen much, as
benchmarks/probe.py measures with a network from ImageNet.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import goodfit as gf


class Eyes(nn.Module):
    """Two convolutions and a linear map, 1 x 16 x 16 pixels to 64 features."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(nn.Conv2d(1, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU())
        self.features = nn.Linear(32 * 3 * 3, 64)

    def forward(self, image: Tensor) -> Tensor:
        return torch.relu(self.features(self.convolutions(image).flatten(1)))  # B 1 16 16 -> B 64


def whole(outputs: int) -> nn.Module:
    """The backbone with a last layer: goodfit says how many outputs the target needs."""
    return nn.Sequential(Eyes(), nn.Linear(64, outputs))


if __name__ == "__main__":
    digits = load_digits()
    pictures, names = (digits.images * 15).astype(np.uint8), digits.target.astype(str)
    low = digits.target < 5
    high = np.flatnonzero(~low)[:400]
    sets = ["data.image_size=16", "data.normalise=unit"]
    first = gf.train(
        {"image": pictures[low], "digit": names[low]},
        target="digit",
        network=whole,
        preset="fast",
        sets=[*sets, "train.epochs=20", "data.augment=false"],
    )
    print(f"0 to 4: accuracy {first.metrics['accuracy']['value']:.3f} with the whole network")

    trained = first.bundle.members[0].network.module[0]
    few = {"image": pictures[high], "digit": names[high]}
    for name, backbone in (("trained on 0 to 4", trained), ("untrained", Eyes())):
        run = gf.train(few, target="digit", backbone=backbone, preset="fast", sets=[*sets, "data.test_fraction=0.6"])
        print(f"5 to 9: accuracy {run.metrics['accuracy']['value']:.3f} with a linear head on features of the backbone, {name}")
    again = gf.load(run.folder, network=Eyes())  # the folder has the weights; the code is yours, and you hand it over
    print(again.predict({"image": pictures[high[:3]]})["prediction"].to_list())
