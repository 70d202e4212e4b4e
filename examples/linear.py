"""Linear models solved to their optimum: ridge and lasso, which columns matter, a support vector machine, and scikit-learn's weights beside ours."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso

import goodfit as gf
from goodfit.optim.convex.lasso import lasso


def main() -> None:
    table = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ridge", "svm", "lasso"):  # without model.penalty, the validation rows choose it
            run = gf.train(table, "progression", preset="fast", sets=[f"model.name={name}"], out=Path(folder) / name)
            print(f"{name}: penalty {run.recipe.model.penalty}, R2 {run.metrics['r2']['value']:.3f}")
        network, encoder = run.bundle.members[0].network, run.bundle.members[0].encoder
        for name, weight in zip(encoder.inputs["numbers"]["names"], network.weight.weight[0].tolist(), strict=False):
            print(f"  {name:>4} {weight:+.3f}")

    # The solvers alone, on any tensors.
    x, y = load_diabetes(return_X_y=True)
    own = lasso(torch.from_numpy(x), torch.from_numpy(y), penalty=0.1)
    other = Lasso(alpha=0.1, tol=1e-10).fit(x, y)
    print(f"largest difference to scikit-learn {abs(own.weight[0].numpy() - other.coef_).max():.1e} of {abs(other.coef_).max():.0f}")


if __name__ == "__main__":
    main()
