"""New handwritten digits: a generator and a discriminator learn from each other, a classifier of real digits judges what comes of it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_digits

import goodfit as gf

if __name__ == "__main__":
    digits = load_digits()  # 1,797 pictures of 8 x 8 pixels (Alpaydin and Kaynak 1998), which scikit-learn carries
    with TemporaryDirectory() as name:
        file = Path(name) / "digits.npz"
        np.savez(file, image=(digits.images * 15.9375).astype(np.uint8), label=digits.target)
        run = gf.train(file, task="generation", time_limit="50s")
    made = gf.generate_pictures(run.folder, number=100, seed=1, out=run.folder / "pictures")
    for metric, score in run.metrics.items():
        print(f"{metric:18} {score['value']:.3f}")
    print(f"{made['number']} pictures and all of them as grid.png in {made['output']}")
