"""Handwritten digits through a code of eight numbers and back, beside PCA with as many components; and which digits are unlike the others."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_digits

import goodfit as gf

if __name__ == "__main__":
    digits = load_digits()  # 1,797 pictures of 8 x 8 pixels (Alpaydin and Kaynak 1998), which scikit-learn carries
    with TemporaryDirectory() as name:
        file = Path(name) / "digits.npz"
        np.savez(file, image=(digits.images * 15.9375).astype(np.uint8), label=digits.target)  # the label is no input
        for network in ("conv_autoencoder", "autoencoder"):  # convolutions, and layers that see every pixel
            sets = ["model.latent_dim=8", f"model.name={network}"]
            run = gf.train(file, task="reconstruction", preset="fast", time_limit="30s", sets=sets)
            beside = {entry["name"]: entry["metrics"]["mean_squared_error"] for entry in run.analysis["targets"][0]["baselines"]}
            print(f"{network}: mean squared error {run.metrics['mean_squared_error']['value']:.4f}, of PCA {beside['PCA']:.4f}")
        codes = run.predict(file)  # code_0 to code_7 and reconstruction_error
    print("unlike the others:", codes["reconstruction_error"].arg_sort(descending=True).head(5).to_list())
    print(f"The report: {run.folder / 'report.html'}")
