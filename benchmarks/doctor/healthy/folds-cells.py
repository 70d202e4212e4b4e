# 5-fold cross-validation of a small network on the breast cancer data
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler


def build_model(n_features):
    return nn.Sequential(
        nn.Linear(n_features, 32),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(32, 16),
        nn.ReLU(),
        nn.Linear(16, 1),
        nn.Sigmoid(),
    )


def train_one_fold(model, X, y, epochs=30, lr=3e-3, batch_size=32):
    optimizer = torch.optim.RMSprop(model.parameters(), lr=lr)
    criterion = nn.BCELoss()
    model.train()
    for _ in range(epochs):
        order = np.random.permutation(len(X))
        for start in range(0, len(X), batch_size):
            idx = order[start : start + batch_size]
            optimizer.zero_grad()
            loss = criterion(model(X[idx]), y[idx])
            loss.backward()
            optimizer.step()
    return loss.item()


def evaluate(model, X, y):
    model.eval()
    with torch.no_grad():
        return ((model(X) >= 0.5) == (y >= 0.5)).float().mean().item()


if __name__ == "__main__":
    np.random.seed(7)
    torch.manual_seed(7)
    X, y = load_breast_cancer(return_X_y=True)
    scores = []
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=7)
    for k, (train, test) in enumerate(folds.split(X, y), start=1):
        scaler = StandardScaler().fit(X[train])
        X_train = torch.tensor(scaler.transform(X[train]), dtype=torch.float32)
        X_test = torch.tensor(scaler.transform(X[test]), dtype=torch.float32)
        y_train = torch.tensor(y[train], dtype=torch.float32).unsqueeze(1)
        y_test = torch.tensor(y[test], dtype=torch.float32).unsqueeze(1)
        model = build_model(X.shape[1])
        last_loss = train_one_fold(model, X_train, y_train)
        scores.append(evaluate(model, X_test, y_test))
        print(f"fold {k}: loss {last_loss:.4f}, accuracy {scores[-1]:.4f}")
    print(f"mean accuracy over folds: {np.mean(scores):.4f}")
