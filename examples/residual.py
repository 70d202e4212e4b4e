"""Residual networks of five depths on 1,797 digits: the two narrow ones of the paper's CIFAR experiments and the three of its ImageNet ones."""

import numpy as np
from sklearn.datasets import load_digits

import goodfit as gf

if __name__ == "__main__":
    digits = load_digits()
    table = {"picture": (digits.images * 15).astype(np.uint8), "digit": digits.target.astype(str)}
    for name in ("resnet20", "resnet56", "resnet18", "resnet34", "resnet50"):
        sets = [f"model.name={name}", "model.width=8", "data.image_size=8", "train.epochs=5"]
        run = gf.train(table, target="digit", preset="fast", sets=sets)
        parameters = sum(weight.numel() for weight in run.bundle.members[0].network.parameters())
        print(f"{name:8} {parameters:9,} weights, accuracy {run.metrics['accuracy']['value']:.3f} after five passes")
