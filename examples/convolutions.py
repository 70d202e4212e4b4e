"""Networks of convolutions: LeNet-5 and a VGG on the 1,797 digits of 8 x 8 pixels that come with scikit-learn."""

import numpy as np
from sklearn.datasets import load_digits

import goodfit as gf

if __name__ == "__main__":
    digits = load_digits()
    table = {"picture": (digits.images * 15).astype(np.uint8), "digit": digits.target.astype(str)}
    for name, settings in {"lenet5": ("model.activation=relu",), "vgg": ("model.width=16", "model.depth=2")}.items():
        run = gf.train(table, target="digit", preset="fast", sets=[f"model.name={name}", "data.image_size=16", "train.epochs=8", *settings])
        print(f"{name:7} accuracy {run.metrics['accuracy']['value']:.3f} on digits that it had never seen")
