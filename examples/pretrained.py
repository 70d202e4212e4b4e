"""A pretrained network of transformers as a folder: `python pretrained.py [FOLDER]`.

Without a folder one is made here, so that nothing is downloaded: a small ResNet learns the digits 0 to 4 in a plain loop and is written by save_pretrained.
Then the digits 5 to 9 are learned from it, once with the backbone frozen and once fine-tuned, with rates that fall towards the input.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import transformers
from sklearn.datasets import load_digits

import goodfit as gf


def pretrain(pictures: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    """A ResNet for pictures [n, 8, 8] of 0 to 255, and how they are scaled."""
    torch.manual_seed(0)
    config = transformers.ResNetConfig(
        num_channels=1, embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic", num_labels=5
    )
    network = transformers.ResNetForImageClassification(config)
    x, y = torch.from_numpy(pictures).float()[:, None] / 127.5 - 1, torch.from_numpy(labels)
    x = torch.nn.functional.interpolate(x, size=32, mode="bilinear")
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(3):
        for rows in torch.randperm(len(y)).split(64):
            loss = network(pixel_values=x[rows], labels=y[rows]).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    network.resnet.save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}, image_mean=[0.5], image_std=[0.5]).save_pretrained(folder)


if __name__ == "__main__":
    digits = load_digits()
    pictures, low = (digits.images * 15).astype(np.uint8), digits.target < 5
    table = {"picture": pictures[~low], "digit": digits.target[~low].astype(str)}
    with TemporaryDirectory() as name:
        source = sys.argv[1] if len(sys.argv) > 1 else f"{name}/backbone"
        if len(sys.argv) < 2:
            pretrain(pictures[low], digits.target[low], Path(source))
        for way, settings in {"frozen": (), "fine-tuned": ("model.frozen=false", "optim.lr=1e-3", "train.epochs=4")}.items():
            sets = [f"model.source={source}", "data.test_fraction=0.5", *settings]
            run = gf.train(table, target="digit", preset="fast", sets=sets)
            print(f"{way:10} accuracy {run.metrics['accuracy']['value']:.3f} on 5 to 9")
    print(run.predict({"picture": pictures[~low][:3]})["prediction"].to_list(), "without the folder")
