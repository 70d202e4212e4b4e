"""A module of your own, handed over: as a whole network, and as a backbone that was trained before on something else.

The backbone learns to tell the digits 0 to 4 apart; frozen, with a linear map on its features, it then serves for 5 to 9, with 100 pictures to learn from.
The same backbone untrained shows what the first training was worth.
"""

import numpy as np
from sklearn.datasets import load_digits
from torch import Tensor, nn

import goodfit as gf


class Eyes(nn.Module):
    """Three convolutions, 1 x 16 x 16 pixels to a map of 32 features."""

    def __init__(self) -> None:
        super().__init__()
        widths = [1, 16, 32, 32]
        self.layers = nn.Sequential(
            *(layer for i in range(3) for layer in (nn.Conv2d(widths[i], widths[i + 1], 3, stride=1 + i % 2), nn.ReLU()))
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)  # B 1 16 16 -> B 32 H W


def whole(outputs: int) -> nn.Module:
    """The backbone with a head: goodfit says how many outputs the target needs."""
    return nn.Sequential(Eyes(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, outputs))


if __name__ == "__main__":
    digits = load_digits()
    pictures, names = (digits.images * 15).astype(np.uint8), digits.target.astype(str)
    low = digits.target < 5
    high = np.flatnonzero(~low)[:400]
    sets = ["data.image_size=16", "data.normalise=unit", "train.epochs=20"]
    first = gf.train({"image": pictures[low], "digit": names[low]}, target="digit", network=whole, preset="fast", sets=sets)
    print(f"0 to 4: accuracy {first.metrics['accuracy']['value']:.3f} with the whole network")

    trained = first.bundle.members[0].network.module[0]
    few = {"image": pictures[high], "digit": names[high]}
    for name, backbone in (("trained on 0 to 4", trained), ("untrained", Eyes())):
        run = gf.train(few, target="digit", backbone=backbone, preset="fast", sets=[*sets, "data.test_fraction=0.6"])
        print(f"5 to 9: accuracy {run.metrics['accuracy']['value']:.3f} with a linear head on features of the backbone, {name}")
    again = gf.load(run.folder, network=Eyes())  # the folder has the weights; the code is yours, and you hand it over
    print(again.predict({"image": pictures[high[:3]]})["prediction"].to_list())
