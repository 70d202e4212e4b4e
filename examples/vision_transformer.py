"""A vision transformer, behind a few convolutions, on the 1,797 digits that come with scikit-learn."""

import numpy as np
from sklearn.datasets import load_digits

import goodfit as gf

if __name__ == "__main__":
    digits = load_digits()
    table = {"picture": (digits.images * 15).astype(np.uint8), "digit": digits.target.astype(str)}
    sets = ["model.name=vit", "model.width=48", "model.depth=2", "data.image_size=16", "train.epochs=16"]
    run = gf.train(table, target="digit", preset="fast", sets=sets)
    print(f"accuracy {run.metrics['accuracy']['value']:.3f} on digits that it had never seen")
    for layer in run.bundle.members[0].network.named_children():
        print(f"  {layer[0]}: {type(layer[1]).__name__}")
