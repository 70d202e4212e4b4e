"""One table, four networks: logistic regression, an MLP, TabM and RealMLP tell malignant from benign tumours (569 rows of 30 numbers that come with scikit-learn)."""

from sklearn.datasets import load_breast_cancer

import goodfit as gf

if __name__ == "__main__":
    data = load_breast_cancer()
    table = {name: data.data[:, column] for column, name in enumerate(data.feature_names)}
    table["tumour"] = data.target_names[data.target]
    for name in ("linear", "mlp", "tabm", "realmlp"):
        run = gf.train(table, target="tumour", preset="fast", sets=[f"model.name={name}", "train.epochs=15"])
        print(f"{name:8} accuracy {run.metrics['accuracy']['value']:.3f}, area under the ROC curve {run.metrics['roc_auc']['value']:.3f}")
