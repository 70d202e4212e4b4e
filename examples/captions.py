"""Pictures and their captions: digits of 8 x 8 pixels, named in words."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_digits

import goodfit as gf

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


if __name__ == "__main__":
    digits = load_digits()  # the test part of Alpaydin and Kaynak (1998), which scikit-learn carries
    ink = np.digitize(digits.images.mean((1, 2)), [4.5, 5.3])
    captions = [f"{('a thin', 'a plain', 'a bold')[weight]} {NUMBERS[digit]}" for weight, digit in zip(ink, digits.target, strict=True)]
    with TemporaryDirectory() as name:
        file = Path(name) / "digits.npz"
        np.savez(file, image=(digits.images * 15).astype(np.uint8), caption=np.array(captions))
        for network in ("captioner", "caption_rnn"):  # a transformer, a GRU
            sets = ["data.source=image", "train.epochs=6", f"model.name={network}"]
            run = gf.train(file, target="caption", preset="fast", time_limit="30s", sets=sets)
            scores = {metric: round(score["value"], 3) for metric, score in run.metrics.items()}
            print(f"{network}: {scores} on pictures that it had never seen")
    print(run.predict({"image": (digits.images[:3] * 15).astype(np.uint8)}))
